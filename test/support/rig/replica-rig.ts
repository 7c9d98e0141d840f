import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { expect, vi } from 'vitest';

import { type PropagateOptions, propagate } from '../../../src/client/propagate.ts';
import { isKpropError, KpropError } from '../../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../../src/host/config-files.ts';
import {
  type KpropServer,
  type ServeOptions,
  type ServerEvent,
  serveKprop,
} from '../../../src/server/serve.ts';
import { comparable, Lab, type LabOptions } from '../lab/lab.ts';
import { makeSyntheticDump } from '../lab/synthetic-dump.ts';

export const kdb5Util = '/usr/sbin/kdb5_util';

export interface RigServer extends KpropServer {
  readonly events: readonly ServerEvent[];
  /** What went wrong, in order. */
  readonly errors: readonly unknown[];
  /** Resolves when every connection so far has ended. */
  settled(): Promise<void>;
}

/**
 * A replica that holds a good database and the good dump that it came from, in which one principal
 * stands that `other` lacks, and the other way round: whatever gets in can be told apart.
 */
export class ReplicaRig {
  readonly lab: Lab;
  /** What the replica holds. */
  readonly good: string;
  /** Another good dump, which no fault may bring in whole or in part: four messages of blocks. */
  readonly other: string;
  readonly #servers: RigServer[] = [];
  #database = '';

  private constructor(lab: Lab) {
    this.lab = lab;
    this.good = join(lab.primary.folder, 'good');
    this.other = join(lab.primary.folder, 'other');
  }

  static async open(o: LabOptions = {}): Promise<ReplicaRig> {
    const lab = await Lab.create({ principals: 2, ...o });
    const rig = new ReplicaRig(lab);
    await lab.addPrincipals(['good'], 'good');
    await lab.dump(rig.good);
    const text = readFileSync(rig.good, 'latin1');
    const lines = text.split('\n').filter((line) => !line.includes(`\tgood@`));
    makeSyntheticDump(rig.other, 300, { basedOn: lines.join('\n') });
    await lab.load(rig.good);
    rig.#database = comparable(await lab.replicaDump());
    rig.holdGood();
    return rig;
  }

  /** Puts the good dump, readable by a group, where the last propagation left it. */
  holdGood(): void {
    const { fromMaster } = this.lab.replica;
    writeFileSync(fromMaster, readFileSync(this.good));
    chmodSync(fromMaster, 0o640);
  }

  /** A kpropd in this process, with the real kdb5_util unless told otherwise. */
  async serve(o: Partial<ServeOptions> = {}): Promise<RigServer> {
    const { replica } = this.lab;
    const events: ServerEvent[] = [];
    const count = (kind: ServerEvent['kind']) => events.filter((e) => e.kind === kind).length;
    const server = await serveKprop({
      port: 0,
      config: loadKrb5Config({ krb5ConfFiles: replica.krb5Conf, kdcConfFile: replica.kdcConf }),
      keytab: `FILE:${replica.keytab}`,
      acl: replica.acl,
      file: replica.fromMaster,
      loader: { path: kdb5Util, environment: replica.env() },
      load: 'kdb5_util',
      onEvent: (event) => events.push(event),
      ...o,
      limits: { authenticateMillis: 1_000, idleMillis: 600, totalMillis: 20_000, ...o.limits },
    });
    const rigged: RigServer = {
      ...server,
      events,
      get errors() {
        return events.flatMap((event) => (event.kind === 'failed' ? [event.error] : []));
      },
      settled: () =>
        vi.waitFor(
          () => {
            if (count('closed') < count('connected')) throw new Error('a connection is still open');
          },
          { timeout: 20_000, interval: 5 },
        ),
    };
    this.#servers.push(rigged);
    return rigged;
  }

  /** A propagation by our client; of `other` unless told otherwise. */
  send(port: number, o: Partial<PropagateOptions> = {}) {
    const { primary } = this.lab;
    return propagate({
      host: '127.0.0.1',
      port,
      dump: this.other,
      config: loadKrb5Config({ krb5ConfFiles: primary.krb5Conf }),
      credential: { kind: 'keytab', name: `FILE:${primary.keytab}` },
      ...o,
      limits: { authenticateMillis: 5_000, idleMillis: 5_000, confirmMillis: 10_000, ...o.limits },
    });
  }

  /** The error that a propagation ends with. */
  async failure(port: number, o?: Partial<PropagateOptions>): Promise<KpropError> {
    const error = await this.send(port, o).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    if (!isKpropError(error)) throw new Error('it should have failed', { cause: error });
    return error;
  }

  /**
   * Lets something bad happen and demands that nothing is lost by it: database, spool and its mode
   * are as before, nothing is left over, the causes have words and remedies, and a good propagation
   * passes right after. `spool`: of a load that failed, the dump that lies there now.
   */
  async survives(
    server: RigServer,
    fault: () => Promise<unknown>,
    o: { readonly spool?: string; readonly thenSends?: boolean } = {},
  ): Promise<void> {
    const before = this.#spool();
    await fault();
    await server.settled();
    const { spool = 'kept' } = o;
    if (spool === 'kept') expect(this.#spool()).toEqual(before);
    else expect(readFileSync(this.lab.replica.fromMaster)).toEqual(readFileSync(spool));
    await this.expectIntact();
    for (const error of server.errors) expectHelpful(error);
    if (o.thenSends ?? true) await this.expectServes(server);
    this.holdGood();
  }

  /** The database is the good one, no temporary file lies about, no loader runs. */
  async expectIntact(): Promise<void> {
    expect(comparable(await this.lab.replicaDump())).toBe(this.#database);
    expect(this.leftOvers()).toEqual([]);
    expect(processesOf(this.lab.replica.folder)).toEqual([]);
  }

  async expectServes(server: KpropServer): Promise<void> {
    await this.send(server.port, { dump: this.good });
    expect(readFileSync(this.lab.replica.fromMaster)).toEqual(readFileSync(this.good));
    await this.expectIntact();
  }

  /** Whether the replica's database is the one of the other dump. */
  async holdsOther(): Promise<boolean> {
    const held = await this.lab.replicaDump();
    return comparable(held) === comparable(readFileSync(this.other, 'latin1'));
  }

  eventually(holds: () => boolean): Promise<boolean> {
    return vi.waitUntil(holds, { timeout: 10_000, interval: 5 });
  }

  leftOvers(): readonly string[] {
    const { fromMaster } = this.lab.replica;
    const start = `${basename(fromMaster)}.`;
    // The status may be in the middle of being replaced.
    const known = ['state', 'status', 'status.new'].map((name) => start + name);
    return readdirSync(dirname(fromMaster)).filter(
      (name) => name.startsWith(start) && !known.includes(name),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close({ abort: true })));
    await this.lab.close();
  }

  #spool() {
    const { fromMaster } = this.lab.replica;
    const { mode, ino, mtimeMs, size } = statSync(fromMaster);
    const text = readFileSync(fromMaster, 'latin1');
    return { mode: (mode & 0o7777).toString(8), ino, mtimeMs, size, text };
  }
}

/** What failed is a KpropError with a remedy, not a bug of ours. */
export function expectHelpful(error: unknown): void {
  if (!(error instanceof KpropError)) throw error;
  expect(error.remedy.length, error.code).toBeGreaterThan(10);
  expect(error.message.length, error.code).toBeGreaterThan(10);
}

/** Command lines, zombies' names too, of what works on a folder or was left by this process. */
export function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
        const [, state, parent] = readFileSync(`/proc/${pid}/stat`, 'latin1')
          .replace(/^.*\) /s, '- ')
          .split(' ');
        const zombie = state === 'Z' && Number(parent) === process.pid;
        // A loader that reads from a pipe names no file of the folder; its environment does.
        const loads = / load .*\/dev\/stdin /.test(line);
        const works =
          line.includes(folder) ||
          (loads && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(folder));
        return zombie || works ? [`${pid} ${zombie ? 'zombie' : line}`] : [];
      } catch {
        return [];
      }
    });
}

/** Waits until a file is there and has text, which it returns. */
export function textOnceThere(path: string): Promise<string> {
  return vi.waitFor(
    () => {
      if (!existsSync(path) || statSync(path).size === 0) throw new Error(`${path} is not there`);
      return readFileSync(path, 'utf8');
    },
    { timeout: 10_000, interval: 5 },
  );
}
