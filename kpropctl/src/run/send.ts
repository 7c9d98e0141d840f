import { setTimeout as sleep } from 'node:timers/promises';

import { type Krb5Config, type Phase, propagate, retry, type SharedDump } from 'kprop';

import type { ReplicaSettings, Settings } from '../config/settings.ts';
import { isExpected, type State } from '../state/state.ts';
import type { Canary } from './canary.ts';
import type { RunEvent } from './events.ts';
import { otherReplica, principalOf } from './other-replica.ts';
import { PhaseClock } from './phase-clock.ts';
import { note, noteOf, type ReplicaReport } from './report.ts';

export interface SendOptions {
  readonly settings: Settings;
  readonly krb5: Krb5Config;
  readonly dump: SharedDump;
  /** What the dump is, for proof. */
  readonly generation: number;
  readonly state: Pick<State, 'canary' | 'expected'>;
  readonly canary: Canary | undefined;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** Sends the dump to all of these at once, so many at a time; each has an outcome of its own. */
export async function sendToAll(
  replicas: readonly ReplicaSettings[],
  o: SendOptions,
): Promise<readonly ReplicaReport[]> {
  const places = new Places(o.settings.parallel);
  const outcomes = new Map<string, Promise<ReplicaReport>>();
  const outcomeOf = (replica: ReplicaSettings): Promise<ReplicaReport> => {
    const known = outcomes.get(replica.host);
    if (known !== undefined) return known;
    const first = replicas.find(({ host }) => host === replica.after);
    const outcome = (async () => {
      const before = first === undefined ? undefined : await outcomeOf(first);
      const report =
        before !== undefined && before.state !== 'current'
          ? skipped(replica, before.host)
          : await sendTo(replica, places, o);
      o.onEvent({ kind: 'outcome', replica: report });
      return report;
    })();
    outcomes.set(replica.host, outcome);
    return outcome;
  };
  return Promise.all(replicas.map(outcomeOf));
}

function skipped({ host, required }: ReplicaSettings, after: string): ReplicaReport {
  const error = note('after', `${after}, which it comes after, is not current`, `see ${after}`);
  return { ...nothing(host, required), state: 'skipped', error };
}

/** The report of a replica to which nothing was sent. */
export function nothing(host: string, required: boolean): ReplicaReport {
  return {
    ...{ host, required, state: 'failed', proved: null, has: null },
    ...{ attempts: 0, bytes: 0, millis: 0, phases: {}, error: null },
  };
}

async function sendTo(
  replica: ReplicaSettings,
  places: Places,
  o: SendOptions,
): Promise<ReplicaReport> {
  const { settings, onEvent, signal } = o;
  const { host, required } = replica;
  const { first, most } = settings.backoffSeconds;
  const started = performance.now();
  let attempts = 0;
  const report = (sent: Sent) => {
    const millis = Math.round(performance.now() - started);
    return { ...nothing(host, required), attempts, ...sent, millis };
  };
  signal.throwIfAborted();
  try {
    const sent = await retry(
      (attempt) => {
        attempts = attempt;
        onEvent({ kind: 'trying', host, attempt });
        return propagateTo(replica, places, o);
      },
      {
        ...{ withinMillis: settings.attemptsWithinSeconds * 1000, signal },
        ...{ firstMillis: first * 1000, mostMillis: most * 1000 },
        onRetry: ({ error, pauseMillis }) => {
          const message = error instanceof Error ? error.message : '';
          onEvent({ kind: 'retrying', host, seconds: pauseMillis / 1000, message });
        },
      },
    );
    return await proved(report(sent), replica, o);
  } catch (error) {
    return { ...report({ bytes: 0, phases: {} }), error: noteOf(error) };
  }
}

/** What the replica took and confirmed, and how long each phase took. */
type Sent = Pick<ReplicaReport, 'bytes' | 'phases'>;

async function propagateTo(
  replica: ReplicaSettings,
  places: Places,
  o: SendOptions,
): Promise<Sent> {
  const { settings, krb5, dump, signal } = o;
  const { host, port, totalSeconds } = replica;
  const total = AbortSignal.timeout(totalSeconds * 1000);
  const clock = new PhaseClock();
  const { realm, hosts } = settings;
  const principal = await principalOf(host, { krb5, realm });
  // With a name that is an alias nothing is wrong; with one of another replica kprop would only warn.
  const other = otherReplica(host, principal, hosts);
  const tell = (doing: string, bytes: number) =>
    o.onEvent({ kind: 'progress', host, doing, bytes, total: dump.bytes });
  const report = await propagate({
    ...{ host, port, realm, config: krb5 },
    expect: other === undefined ? undefined : `host/${host}@${realm}`,
    dump: { bytes: dump.bytes, stream: places.while(dump.stream) },
    credential: { kind: 'keytab', name: settings.keytab },
    limits: {
      connectMillis: settings.connectSeconds * 1000,
      authenticateMillis: totalSeconds * 1000,
      idleMillis: totalSeconds * 1000,
      confirmMillis: totalSeconds * 1000,
    },
    signal: AbortSignal.any([signal, total]),
    onEvent: (event) => {
      if (event.kind === 'phase') {
        const word = words[event.phase] ?? event.phase;
        clock.enter(word);
        tell(word, 0);
      } else if (event.kind === 'progress') {
        tell('sending', event.bytes);
      }
    },
  });
  return { bytes: report.bytes, phases: clock.end() };
}

const words: { readonly [P in Phase]?: string } = {
  connect: 'connecting',
  authenticate: 'authenticating',
  blocks: 'sending',
  confirm: 'loading',
};

/** Current only if the replica's own KDC has the dump, where that can be asked. */
async function proved(
  report: ReplicaReport,
  replica: ReplicaSettings,
  { canary, generation, state, signal, onEvent, dump }: SendOptions,
): Promise<ReplicaReport> {
  if (canary === undefined) return { ...report, state: 'current', has: generation };
  const { host } = replica;
  onEvent({ kind: 'progress', host, doing: 'proving', bytes: dump.bytes, total: dump.bytes });
  try {
    const found = await firstAnswer(() => canary.generationAt(replica, state, signal), {
      patienceMillis: isExpected(host, state) ? firstStartMillis : 0,
      signal,
    });
    const isThis = found.proved && found.generation >= generation;
    if (isThis) return { ...report, state: 'current', proved: true, has: found.generation };
    const error = note(
      'not-served',
      `${host} confirmed the dump, but its KDC (${replica.kdc}) has generation ${found.generation}, not ${generation}`,
      `compare database_name of krb5kdc and of kpropd on ${host}: they serve and load different databases`,
    );
    return { ...report, state: 'failed', proved: false, has: found.generation, error };
  } catch (error) {
    // It confirmed that the database is loaded; whether its KDC serves it, nobody knows.
    return {
      ...report,
      state: 'current',
      proved: null,
      has: generation,
      error: warningOf(error, replica),
    };
  }
}

/** The KDC of a new replica is started when its first database is there: a moment after the load. */
async function firstAnswer<T>(
  ask: () => Promise<T>,
  { patienceMillis, signal }: { readonly patienceMillis: number; readonly signal: AbortSignal },
): Promise<T> {
  const until = performance.now() + patienceMillis;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || performance.now() >= until) throw error;
      await sleep(askAgainMillis, undefined, { signal }).catch(() => undefined);
    }
  }
}

const firstStartMillis = 20_000;
const askAgainMillis = 500;

function warningOf(error: unknown, { host, kdc }: ReplicaSettings) {
  const { message } = noteOf(error);
  return note(
    'not-proved',
    `whether the KDC of ${host} serves it could not be asked: ${message}`,
    `start krb5kdc there, or name its address with kdc = HOST:PORT (now ${kdc})`,
  );
}

/**
 * So many that are sent to at a time, in the order in which they come. A replica that does not answer, or
 * that loads, takes no place. One that has waited for long goes on without: its kpropd would hang up.
 */
class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = Math.max(1, count);
  }

  async *while(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const hasPlace = await this.#take();
    try {
      yield* stream;
    } finally {
      if (hasPlace) this.#giveBack();
    }
  }

  async #take(): Promise<boolean> {
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    let mine: (() => void) | undefined;
    const turn = new Promise<true>((resolve) => {
      mine = () => resolve(true);
      this.#waiting.push(mine);
    });
    const late = sleep(longestWaitMillis, false as const, { ref: false });
    const hasPlace = await Promise.race([turn, late]);
    if (!hasPlace) this.#waiting.splice(this.#waiting.indexOf(mine as () => void), 1);
    return hasPlace;
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** Our kpropd drops a sender that sends nothing for two minutes. */
const longestWaitMillis = 60_000;
