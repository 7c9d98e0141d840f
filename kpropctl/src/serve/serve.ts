import { statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Cron } from 'croner';
import type { Krb5Config } from 'kprop';

import { type GlobalOptions, load, runWithHooks, type Surroundings } from '../commands.ts';
import { BadSettings, complaintText } from '../config/complaints.ts';
import type { Settings } from '../config/settings.ts';
import { LiveBoard } from '../page/live-board.ts';
import { exits, type RunReport } from '../run/report.ts';
import { endText, replicaRow } from '../show/run-text.ts';
import { columns, oneLine } from '../show/words.ts';
import { notify } from './notify.ts';
import { PageKeeper } from './page-keeper.ts';

export interface ServeFlags extends GlobalOptions {
  readonly json?: boolean;
}

/** The daemon: runs on a schedule and on changes until it is told to end. */
export async function serveCommand(flags: ServeFlags, around: Surroundings): Promise<number> {
  const loaded = load(flags, around);
  if (loaded.settings.replicas.length === 0) throw new BadSettings([noReplicas(loaded.settings)]);
  const daemon = new Daemon(loaded.settings, loaded.krb5, flags, around);
  process.on('SIGUSR1', () => daemon.wake('SIGUSR1'));
  process.on('SIGHUP', () => daemon.reread());
  return daemon.run();
}

function noReplicas({ file }: Settings) {
  const problem = 'there are no replicas';
  return {
    file: file ?? 'the configuration',
    line: 0,
    problem,
    advice: 'write them into [replicas]',
  };
}

/** Why a run begins. */
type Reason = 'start' | 'schedule' | 'change' | 'retry' | 'SIGUSR1' | 'page';

class Daemon {
  #settings: Settings;
  #krb5: Krb5Config;
  readonly #flags: ServeFlags;
  readonly #around: Surroundings;
  #wake = new AbortController();
  #reason: Reason = 'start';
  #stopWatching: () => void = () => undefined;
  #failures = 0;
  /** When the database was changed last, as far as that was seen. */
  #seen = '';
  /** Whether a run of our own is about to change the database: the canary's new key is no reason for another. */
  #isOwnChange = false;
  readonly #page: PageKeeper;
  readonly #live = new LiveBoard(() => this.#page.changed());

  constructor(settings: Settings, krb5: Krb5Config, flags: ServeFlags, around: Surroundings) {
    this.#settings = settings;
    this.#krb5 = krb5;
    this.#flags = flags;
    this.#around = around;
    this.#page = new PageKeeper({
      environment: around.environment,
      live: () => this.#live.snapshot(),
      onRun: (by) => this.#ask(by),
      onLog: (text) => this.#log(text),
    });
  }

  wake(reason: Reason): void {
    this.#reason = reason;
    this.#wake.abort();
  }

  /** A configuration that is no good is told, and the old one is kept. */
  reread(): void {
    try {
      const { settings, krb5 } = load(this.#flags, this.#around);
      this.#settings = settings;
      this.#krb5 = krb5;
      this.#watch();
      this.#page
        .open(settings)
        .catch((error: Error) => this.#log(`there is no page: ${error.message}`));
      this.#log(`the configuration was read again: ${settings.replicas.length} replicas`);
    } catch (error) {
      const lines =
        error instanceof BadSettings ? error.complaints.map(complaintText) : [`${error}`];
      for (const line of lines) this.#log(`the configuration is kept as it was: ${line}`);
    }
  }

  async run(): Promise<number> {
    const { signal, environment } = this.#around;
    await this.#page.open(this.#settings);
    this.#watch();
    notify(environment, 'READY=1');
    const watchdog = this.#watchdog();
    try {
      while (!signal.aborted) {
        const reason = this.#reason;
        const report = await this.#runOnce(reason);
        this.#failures = report.exit === exits.allCurrent ? 0 : this.#failures + 1;
        const next = this.#pauseMillis(report);
        // What has woken it during the run is the reason for the next one.
        if (!this.#wake.signal.aborted) this.#reason = this.#failures > 0 ? 'retry' : 'schedule';
        this.#live.end(next);
        await this.#pause(next);
      }
    } finally {
      clearInterval(watchdog);
      notify(environment, 'STOPPING=1');
      this.#stopWatching();
      this.#page.close();
    }
    return 0;
  }

  async #runOnce(reason: Reason): Promise<RunReport> {
    const { environment, signal } = this.#around;
    notify(environment, `STATUS=running (${reason})`);
    this.#live.begin(reason);
    this.#isOwnChange = true;
    const { report } = await runWithHooks(
      {
        ...{ settings: this.#settings, krb5: this.#krb5, environment, signal },
        // Who asks for a run by hand wants one.
        ifChanged: reason !== 'SIGUSR1' && reason !== 'page',
        onEvent: (event) => {
          this.#live.event(event);
          if (event.kind === 'notice') this.#log(event.text);
          if (event.kind === 'generation') this.#endOwnChange();
          if (event.kind === 'outcome')
            this.#log(columns([replicaRow(event.replica)]).join(''), event.replica);
        },
      },
      (text) => this.#log(text),
    );
    if (this.#isOwnChange) this.#endOwnChange();
    const text = endText(report);
    this.#log(`${text} (${reason}, generation ${report.generation})`, report);
    notify(environment, `STATUS=${text}`);
    return report;
  }

  /** Until the next run: sooner after a failure that may mend itself. */
  #pauseMillis(report: RunReport): number {
    const { cron, everySeconds, backoffSeconds } = this.#settings;
    const scheduled =
      cron === undefined
        ? everySeconds * 1000
        : Math.max(0, (new Cron(cron).nextRun()?.getTime() ?? Date.now()) - Date.now());
    const failing = report.exit !== exits.allCurrent && report.exit !== exits.notPrimary;
    const retry = Math.min(backoffSeconds.most, backoffSeconds.first * 2 ** (this.#failures - 1));
    const base = failing ? Math.min(scheduled, retry * 1000) : scheduled;
    // Primaries of many realms on one host must not all begin in one moment.
    return base * (1 + Math.random() / 20);
  }

  async #pause(millis: number): Promise<void> {
    const until = Date.now() + millis;
    const signal = AbortSignal.any([this.#wake.signal, this.#around.signal]);
    // In short steps by the wall clock: a host that slept catches up at once.
    while (!signal.aborted && Date.now() < until) {
      await sleep(Math.min(longestStepMillis, Math.max(1, until - Date.now())), undefined, {
        signal,
      }).catch(() => undefined);
    }
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }

  /** Sees a change of the database, waits until it is quiet, and wakes the daemon. */
  #watch(): void {
    this.#stopWatching();
    const seconds = this.#settings.onChangeSeconds;
    const database = this.#database();
    if (seconds === 0 || database === undefined) return;
    const mark = basename(`${database}.ok`);
    let timer: NodeJS.Timeout | undefined;
    this.#seen = modified(database);
    const look = () => {
      const now = modified(database);
      // What is changed before the dump is in the dump.
      if (this.#isOwnChange || now === this.#seen) return;
      this.#seen = now;
      clearTimeout(timer);
      timer = setTimeout(() => this.wake('change'), seconds * 1000);
    };
    // MIT's programs touch DB.ok after each change.
    const watcher = watch(dirname(database), (_, name) => {
      if (name === mark || name === basename(database)) look();
    });
    this.#stopWatching = () => {
      clearTimeout(timer);
      watcher.close();
    };
  }

  #endOwnChange(): void {
    const database = this.#database();
    if (database !== undefined) this.#seen = modified(database);
    this.#isOwnChange = false;
  }

  #database(): string | undefined {
    return this.#krb5.databasePath(this.#settings.realm);
  }

  /** Somebody has pressed the button of the page. */
  #ask(by: string): void {
    this.#log(`a run was asked for on the page by ${by}`);
    this.#live.ask(by);
    this.wake('page');
  }

  #watchdog(): NodeJS.Timeout | undefined {
    const micros = Number(this.#around.environment.WATCHDOG_USEC);
    if (!(micros > 0)) return undefined;
    return setInterval(() => notify(this.#around.environment, 'WATCHDOG=1'), micros / 2_000);
  }

  #log(text: string, about?: object): void {
    if (this.#flags.json !== true) {
      this.#around.out.write(`${oneLine(text)}\n`);
      return;
    }
    const line = { at: new Date().toISOString(), text, ...(about && { about }) };
    this.#around.out.write(`${JSON.stringify(line)}\n`);
  }
}

function modified(database: string): string {
  return ['', '.ok']
    .map((part) => statSync(database + part, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    .join();
}

const longestStepMillis = 30_000;
