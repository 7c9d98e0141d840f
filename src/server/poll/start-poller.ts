import { tell } from '../../host/tell.ts';
import { Applier } from '../applier.ts';
import type { ServeOptions, ServerEvent } from '../options.ts';
import type { Replica } from '../replica.ts';
import type { StatusFile } from '../status/status-file.ts';
import { PollStateFile } from './poll-state.ts';
import { Poller } from './poller.ts';

/** Full propagations that have begun to arrive and have not ended. */
export class Resyncs {
  readonly #under = new Map<number, { loaded: boolean }>();
  readonly #onEnd: (resync: { readonly succeeded: boolean }) => void;

  constructor(onEnd: (resync: { readonly succeeded: boolean }) => void) {
    this.#onEnd = onEnd;
  }

  get areUnderWay(): boolean {
    return this.#under.size > 0;
  }

  note({ kind, connection }: ServerEvent): void {
    const resync = this.#under.get(connection);
    if (kind === 'receiving') this.#under.set(connection, { loaded: false });
    if (resync === undefined) return;
    if (kind === 'loaded') resync.loaded = true;
    if (kind !== 'closed') return;
    this.#under.delete(connection);
    this.#onEnd({ succeeded: resync.loaded });
  }
}

/** The poller of a replica whose configuration enables incremental propagation. */
export function startPoller(
  replica: Replica,
  options: ServeOptions,
  { resyncs, status }: { readonly resyncs: Resyncs; readonly status: StatusFile },
): Poller | undefined {
  const { incremental } = options;
  const { realm, config, ambient, loads } = replica;
  if (incremental === undefined || !config.ipropEnable(realm)) return undefined;
  const { adminServer, environment, builtInDatabase, databaseArguments = [] } = incremental;
  const { once = false } = incremental;
  const pollSeconds = incremental.pollSeconds ?? config.ipropPollSeconds(realm);
  const updateLog = config.updateLog(realm, builtInDatabase);
  const applier = new Applier(
    { realm, updateLog: updateLog.path, slots: updateLog.slots, databaseArguments },
    environment,
  );
  return new Poller({
    ...{ realm, config, adminServer, pollSeconds, once, ambient, updateLog, applier },
    keytab: options.keytab,
    firstPollMillis: once ? 0 : spreadMillis(pollSeconds, ambient.random(1)),
    state: new PollStateFile({
      write: (incremental) => status.note(() => ({ incremental })),
      primary: adminServer ?? config.adminServer(realm) ?? '',
      pollSeconds,
      ambient,
    }),
    exclusively: (work, signal) => loads.between(work, signal),
    isResyncing: () => resyncs.areUnderWay,
    onEvent: (poll) => tell(options.onEvent, { kind: 'poll', poll, connection: 0 }),
  });
}

/** Replicas that start together, as after a power cut, do not ask together. */
function spreadMillis(pollSeconds: number, random: Uint8Array): number {
  return ((random[0] ?? 0) / 256) * Math.min(longestSpreadMillis, (pollSeconds * 1000) / 4);
}

const longestSpreadMillis = 2_000;
