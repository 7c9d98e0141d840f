import { isKpropError, type Krb5Config, openSharedDump } from 'kprop';

import type { ReplicaSettings, Settings } from '../config/settings.ts';
import { appendJournal } from '../state/journal.ts';
import { lockRuns } from '../state/run-lock.ts';
import { type ErrorNote, isHeld, readState, type State, updateState } from '../state/state.ts';
import { Canary } from './canary.ts';
import type { RunEvent } from './events.ts';
import { makeDump } from './make-dump.ts';
import { notPrimary } from './primary.ts';
import {
  type DumpReport,
  exitOf,
  exits,
  note,
  noteOf,
  type ReplicaReport,
  type RunReport,
} from './report.ts';
import { nothing, sendToAll } from './send.ts';
import { stateAfter } from './state-after.ts';

export interface RunOptions {
  readonly settings: Settings;
  readonly krb5: Krb5Config;
  readonly environment: NodeJS.ProcessEnv;
  /** Overrides every guard. */
  readonly force?: boolean;
  /** Sends nothing if nothing has changed, and no replica is behind. */
  readonly ifChanged?: boolean;
  /** Says what it would do. */
  readonly dryRun?: boolean;
  /** For another run to end. */
  readonly waitMillis?: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** One propagation to all replicas, from the lock to the journal. It never throws. */
export async function run(o: RunOptions): Promise<RunReport> {
  const started = new Date();
  const told = new Set<string>();
  const notice = (text: string) => {
    if (!told.has(text)) o.onEvent({ kind: 'notice', text });
    told.add(text);
  };
  const { settings } = o;
  const reportOf = (rest: Partial<RunReport>): RunReport => ({
    schema: 'kpropctl.run/1',
    realm: settings.realm,
    ...{ generation: 0, exit: exits.nothingSent, dump: null, replicas: [], refused: null },
    started: started.toISOString(),
    millis: Date.now() - started.getTime(),
    ...rest,
  });
  const lock = await lockRuns(settings.state, o.waitMillis ?? 0, notice);
  if (lock.kind === 'busy') {
    const { pid = 0, since = 'some time' } = lock.holder ?? {};
    const refused = note(
      'other-run',
      `another run is active: process ${pid}, since ${since}`,
      'wait for it (--wait), or end that process',
    );
    return reportOf({ exit: exits.otherRun, refused });
  }
  try {
    const state = readState(settings.state, notice);
    const report = await runLocked(o, { state, notice }, reportOf);
    if (o.dryRun !== true) {
      await updateState(settings.state, (now) => stateAfter(now, report), notice);
      appendJournal(settings.state, { at: new Date().toISOString(), run: report }, notice);
    }
    return report;
  } catch (error) {
    return reportOf({ refused: noteOf(error) });
  } finally {
    lock.release();
  }
}

async function runLocked(
  o: RunOptions,
  { state, notice }: { readonly state: State; readonly notice: (text: string) => void },
  reportOf: (rest: Partial<RunReport>) => RunReport,
): Promise<RunReport> {
  const { settings, krb5, environment, signal, onEvent, force = false } = o;
  const other = force ? undefined : notPrimary(settings);
  if (other !== undefined) return reportOf({ exit: exits.notPrimary, refused: other });
  const canary = settings.proof === undefined ? undefined : new Canary(settings, krb5, environment);
  const { held, wanted } = splitHeld(settings.replicas, state);
  if (canary !== undefined && !force) {
    const ahead = await replicaAhead(wanted, canary, state, signal);
    if (ahead !== undefined) return reportOf({ exit: exits.notPrimary, refused: ahead });
  }
  if (o.dryRun === true) {
    const skipped = wanted.map(
      ({ host, required }): ReplicaReport => ({ ...nothing(host, required), state: 'skipped' }),
    );
    return reportOf({
      exit: exits.allCurrent,
      generation: state.generation,
      replicas: [...skipped, ...held],
    });
  }
  let generation = { generation: state.generation + 1, canary: state.canary };
  if (canary !== undefined) {
    try {
      generation = await canary.renew(state);
    } catch (error) {
      const refused = note(
        'canary',
        `${settings.proof} could not get a new key: ${(error as Error).message.trim()}`,
        'run kadmin.local by hand on this host to see why; proof = none does without it',
      );
      return reportOf({ refused, replicas: held });
    }
    onEvent({ kind: 'generation', generation: generation.generation });
    // Before anything else can fail: a generation is never given twice.
    const given = generation;
    await updateState(settings.state, (now) => ({ ...now, ...given }), notice);
  }
  const numbered = { ...state, ...generation };
  let dump: DumpReport;
  try {
    dump = await makeDump({
      ...{ settings, krb5, state, environment, force, signal },
      onProgress: (records) => onEvent({ kind: 'dumping', records }),
    });
  } catch (error) {
    return reportOf({
      generation: generation.generation,
      refused: dumpNote(error),
      replicas: held,
    });
  }
  onEvent({ kind: 'dumped', dump, generation: generation.generation });
  const base = { generation: generation.generation, dump };
  if (dump.refused !== null) return reportOf({ ...base, replicas: held });
  const unchanged = o.ifChanged === true && !force && nothingToSend(dump, wanted, state, settings);
  if (unchanged) {
    const skipped = wanted.map(
      ({ host, required }): ReplicaReport => ({
        ...nothing(host, required),
        state: 'skipped',
        has: state.replicas[host]?.has ?? null,
      }),
    );
    return reportOf({ ...base, exit: exits.allCurrent, replicas: [...skipped, ...held] });
  }
  const shared = await openSharedDump(settings.dump);
  try {
    const sent = await sendToAll(wanted, {
      ...{ settings, krb5, canary, signal, onEvent },
      dump: shared,
      generation: generation.generation,
      state: numbered,
    });
    const replicas = inOrder(settings.replicas, [...sent, ...held]);
    return reportOf({ ...base, exit: exitOf(replicas), replicas });
  } finally {
    await shared.close();
  }
}

/** What kdb5_util says is in the message. */
function dumpNote(error: unknown): ErrorNote {
  if (isKpropError(error)) return noteOf(error);
  const remedy = 'run kdb5_util dump by hand on this host to see why';
  return note('dump', `the database was not dumped: ${(error as Error).message.trim()}`, remedy);
}

function splitHeld(replicas: readonly ReplicaSettings[], { holds }: State) {
  const now = Date.now();
  const isOnHold = ({ host }: ReplicaSettings) => isHeld(holds[host], now);
  return {
    wanted: replicas.filter((replica) => !isOnHold(replica)),
    held: replicas
      .filter(isOnHold)
      .map(({ host, required }): ReplicaReport => ({ ...nothing(host, required), state: 'held' })),
  };
}

/** A replica with a later generation than ours was sent it by another primary. */
async function replicaAhead(
  replicas: readonly ReplicaSettings[],
  canary: Canary,
  state: State,
  signal: AbortSignal,
): Promise<ErrorNote | undefined> {
  const found = await Promise.all(
    replicas.map(async (replica) => ({
      replica,
      has: await canary.generationAt(replica, state, signal).catch(() => undefined),
    })),
  );
  const ahead = found.find(({ has }) => has !== undefined && has.generation > state.generation);
  if (ahead?.has === undefined || state.generation === 0) return undefined;
  return note(
    'replica-ahead',
    `${ahead.replica.host} has generation ${ahead.has.generation}, and this host has made ${state.generation}`,
    'somebody made another host the primary: run kpropctl there; or send with --force, which replaces what that host has',
  );
}

/** Whether every replica has the same already, and none is due again. */
function nothingToSend(
  dump: DumpReport,
  replicas: readonly ReplicaSettings[],
  state: State,
  { maxAgeSeconds }: Settings,
): boolean {
  if (!dump.unchanged) return false;
  const oldest = Date.now() - maxAgeSeconds * 1000;
  return replicas.every(({ host }) => {
    const { lastSuccess, failures = 0 } = state.replicas[host] ?? {};
    return failures === 0 && lastSuccess !== undefined && Date.parse(lastSuccess) > oldest;
  });
}

function inOrder(
  replicas: readonly ReplicaSettings[],
  reports: readonly ReplicaReport[],
): readonly ReplicaReport[] {
  return replicas.flatMap(({ host }) => reports.filter((report) => report.host === host));
}
