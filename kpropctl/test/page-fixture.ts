import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Krb5Config } from 'kprop';

import { settingsOf } from '../src/config/settings.ts';
import { openPage, type Page, type PageOptions } from '../src/page/page.ts';
import type { ReplicaReport, RunReport } from '../src/run/report.ts';
import type { JournalEntry } from '../src/state/journal.ts';
import { type ErrorNote, emptyState, type State } from '../src/state/state.ts';

export const error: ErrorNote = {
  code: 'peer.refused',
  phase: 'size',
  message: 'kpropd on kdc3 refuses host/kdc1.example.org@EXAMPLE.ORG',
  remedy: 'add this line to kpropd.acl on kdc3: host/kdc1.example.org@EXAMPLE.ORG',
};

const krb5 = { defaultRealm: 'EXAMPLE.ORG' } as Krb5Config;

/** A page on a free port of this host, its state and its journal, without a daemon. */
export class PageFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'kpropctl-page-'));
  readonly asked: string[] = [];
  readonly logged: string[] = [];
  page: Page | undefined;

  constructor() {
    mkdirSync(this.state);
  }

  get state(): string {
    return join(this.folder, 'state');
  }

  get port(): number {
    return this.page?.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async open(
    o: Partial<PageOptions> & {
      readonly relations?: string;
      readonly listen?: string;
      readonly hosts?: readonly string[];
    } = {},
  ): Promise<Page> {
    await this.page?.close();
    const { relations = '', listen = '127.0.0.1:0', hosts = ['kdc2', 'kdc3'], ...options } = o;
    const sections = hosts.map((host) => `  ${host} = { }\n`).join('');
    const text = `[kpropctl]\n  primary = kdc1.example.org\n  state = ${this.state}\n  listen = ${listen}\n${relations}[replicas]\n${sections}`;
    this.page = await openPage({
      settings: settingsOf(text, { file: undefined, krb5 }),
      environment: process.env,
      onRun: (by) => this.asked.push(by),
      onLog: (line) => this.logged.push(line),
      diagnose: () => new Promise(() => undefined),
      ...options,
    });
    return this.page;
  }

  writeState(state: Partial<State>): void {
    const whole = { ...emptyState, ...state };
    writeFileSync(join(this.state, 'state.json'), JSON.stringify(whole));
  }

  writeJournal(runs: readonly Partial<RunReport>[]): void {
    const lines = runs.map((run, at) => {
      const entry: JournalEntry = { at: minutesAgo(runs.length - at), run: { ...report, ...run } };
      return `${JSON.stringify(entry)}\n`;
    });
    writeFileSync(join(this.state, 'journal.ndjson'), lines.join(''));
  }

  /** As fetch, which may set neither Host nor Sec-Fetch-Site, nor send a path as it is. */
  ask(path: string, o: AskOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { method = 'GET', headers = {}, body } = o;
      const asked = request(
        { host: '127.0.0.1', port: this.port, path, method, headers, agent: false },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (more: string) => {
            text += more;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
          );
          response.on('error', reject);
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });
  }

  async close(): Promise<void> {
    await this.page?.close();
    rmSync(this.folder, { recursive: true });
  }
}

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export const minutesAgo = (minutes: number) =>
  new Date(Date.now() - minutes * 60_000).toISOString();

export const replicaReport = (host: string, o: Partial<ReplicaReport> = {}): ReplicaReport => ({
  ...{ host, state: 'current', required: true, proved: true, has: 7, attempts: 1 },
  ...{ bytes: 341_000_000, millis: 3_100, phases: {}, error: null },
  ...o,
});

const report: RunReport = {
  schema: 'kpropctl.run/1',
  ...{ realm: 'EXAMPLE.ORG', generation: 7, exit: 0, started: '', millis: 1, dump: null },
  ...{ replicas: [], refused: null },
};
