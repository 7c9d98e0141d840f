import { setTimeout as sleep } from 'node:timers/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { largestBlockBytes, slotStructureBytes } from '../../kdb/ulog/layout.ts';
import { UpdateLog } from '../../kdb/ulog/update-log.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import { concat } from '../../protocol/bytes.ts';
import {
  type LastUpdate,
  lastUpdate,
  type Update,
  update as updateCodec,
  updateStatuses,
} from '../../protocol/iprop/updates.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';
import { bigEndian, encode } from '../../protocol/xdr/schema.ts';
import type { Applier } from '../applier.ts';
import {
  backOffSeconds,
  type FollowEvent,
  type Following,
  followUpdates,
  type UpdateBatch,
} from './follow-updates.ts';
import type { PollStateFile } from './poll-state.ts';
import { checkedUpdates, namesThatMustExist } from './update-checks.ts';

/** What a replica's poller reports. */
export type PollEvent =
  | { readonly kind: 'begun' }
  | FollowEvent
  | {
      readonly kind: 'applied';
      readonly last: LastUpdate;
      readonly count: number;
      /** Since the primary was asked. */
      readonly micros: number;
    }
  | { readonly kind: 'not-applied'; readonly error: unknown }
  /** The database or its log cannot be opened; it is tried again after that. */
  | { readonly kind: 'not-begun'; readonly error: unknown; readonly retrySeconds: number }
  /** This replica cannot follow its primary. */
  | { readonly kind: 'given-up'; readonly error: unknown }
  /** With `once`: it has the primary's answer. */
  | { readonly kind: 'done' };

export interface PollerOptions {
  readonly realm: string;
  readonly config: Krb5Config;
  readonly adminServer: string | undefined;
  readonly keytab: string | undefined;
  readonly pollSeconds: number | undefined;
  readonly firstPollMillis: number;
  readonly once: boolean;
  readonly ambient: Ambient;
  readonly updateLog: { readonly path: string; readonly slots: number };
  readonly applier: Applier;
  readonly state: PollStateFile;
  /** Runs the work while no full load is made live. */
  readonly exclusively: (work: () => Promise<void>, signal: AbortSignal) => Promise<void>;
  readonly isResyncing: () => boolean;
  readonly onEvent: (event: PollEvent) => void;
}

/** As many updates are applied in one go, so that kpropd can end between two. */
const updatesAtOnce = 500;

/** Keeps a replica's database in step with its primary's, update by update. */
export class Poller {
  readonly #o: PollerOptions;
  readonly #control = new AbortController();
  readonly #following: Following;
  readonly #ended: Promise<void>;
  #log: UpdateLog | undefined;
  #askedAt = 0;
  /** Where the log stood then. */
  #askedFrom: LastUpdate | undefined;

  constructor(o: PollerOptions) {
    this.#o = o;
    const { realm, config, adminServer, keytab, pollSeconds, firstPollMillis, once } = o;
    this.#following = followUpdates({
      ...{ realm, config, adminServer, keytab, pollSeconds, firstPollMillis, once },
      ambient: o.ambient,
      signal: this.#control.signal,
      asksForResync: true,
      isResyncing: o.isResyncing,
      position: () => this.#position(),
      onEvent: (event) => this.#note(event),
    });
    this.#ended = this.#run();
  }

  pollNow(): void {
    this.#following.pollNow();
  }

  /** A full propagation has ended. */
  resyncEnded(o: { readonly succeeded: boolean }): void {
    this.#following.resyncEnded(o);
  }

  /** Ends the poll under way; what is being applied is applied first. */
  async close(): Promise<void> {
    this.#control.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { applier, onEvent, once } = this.#o;
    try {
      if (!(await this.#begun())) return;
      onEvent({ kind: 'begun' });
      for await (const batch of this.#following) {
        await this.#apply(batch);
        await this.#writeState();
      }
      if (once && !this.#control.signal.aborted) onEvent({ kind: 'done' });
    } catch (error) {
      if (this.#control.signal.aborted) return;
      onEvent({ kind: 'given-up', error });
      if (once) onEvent({ kind: 'done' });
    } finally {
      await applier.close();
      await this.#log?.close();
    }
  }

  /** True when log and database are open; false if it is to end before they are. @throws iprop.no-library */
  async #begun(): Promise<boolean> {
    const { applier, onEvent } = this.#o;
    for (let failures = 1; !this.#control.signal.aborted; failures += 1) {
      try {
        // Both make the log if there is none, and the library repairs it.
        this.#log ??= await this.#openLog();
        await applier.open();
        return true;
      } catch (error) {
        if (isKpropError(error, 'iprop.no-library')) throw error;
        if (error instanceof KpropError) error.during('configuration', 'Unable to map log!');
        const retrySeconds = backOffSeconds(failures);
        onEvent({ kind: 'not-begun', error, retrySeconds });
        const { signal } = this.#control;
        await sleep(retrySeconds * 1000, undefined, { signal }).catch(() => undefined);
      }
    }
    return false;
  }

  async #openLog(): Promise<UpdateLog> {
    const { path, slots } = this.#o.updateLog;
    return UpdateLog.open(path, slots).catch((cause: unknown) => {
      throw new KpropError('ulog.unusable', { path, errno: errnoOf(cause) }, { cause });
    });
  }

  async #position(): Promise<LastUpdate> {
    if ((await this.#log?.isInPlace()) !== true) await this.#reopen();
    this.#askedAt = performance.now();
    this.#askedFrom = await (this.#log as UpdateLog).last(this.#control.signal);
    return this.#askedFrom;
  }

  /** Somebody removed the log. The library, too, has to let go of what has no name any more. */
  async #reopen(): Promise<void> {
    await this.#o.applier.close();
    const log = this.#log;
    this.#log = undefined;
    await log?.close();
    this.#log = await this.#openLog();
    await this.#o.applier.open();
  }

  /** Whatever is wrong with a batch, the database is left as it was or as the log says. */
  async #apply({ updates, last }: UpdateBatch): Promise<void> {
    const { onEvent, state } = this.#o;
    const { signal } = this.#control;
    try {
      await this.#o.exclusively(async () => {
        const since = await (this.#log as UpdateLog).last(signal);
        // A full propagation has become live since the primary was asked.
        if (!isSamePoint(since, this.#askedFrom)) return this.pollNow();
        const checked = checkedUpdates(updates, since);
        await this.#replay(checked, last);
        state.noteApplied(checked.length);
        const micros = Math.round((performance.now() - this.#askedAt) * 1000);
        state.noteInStep();
        onEvent({ kind: 'applied', last, count: checked.length, micros });
      }, signal);
    } catch (error) {
      if (this.#control.signal.aborted) return;
      state.noteError(error);
      onEvent({ kind: 'not-applied', error });
      if (isKpropError(error, 'iprop.bad-update')) await this.#forget();
    }
  }

  async #replay(updates: readonly Update[], last: LastUpdate): Promise<void> {
    const { applier } = this.#o;
    // Once for all: a name is often changed many times.
    if (await applier.lacksOne(namesThatMustExist(updates))) {
      const { serial } = updates[0] as Update;
      const reason = 'it or one after it changes an entry that this database lacks';
      throw new KpropError('iprop.bad-update', { serial, reason });
    }
    const prepare = async (at: number) => resultOf(updates.slice(at, at + updatesAtOnce), last);
    let result = await prepare(0);
    for (let at = 0; at < updates.length && !this.#control.signal.aborted; at += updatesAtOnce) {
      // The next ones are prepared while these are applied.
      const [applied, prepared] = await Promise.allSettled([
        applier.replay(result),
        prepare(at + updatesAtOnce),
      ]);
      if (applied.status === 'rejected') throw applied.reason;
      if (prepared.status === 'rejected') throw prepared.reason;
      result = prepared.value;
    }
  }

  /** The next poll asks for a full resync. */
  async #forget(): Promise<void> {
    await this.#o.applier.reset().catch((error: unknown) => {
      this.#o.onEvent({ kind: 'not-applied', error });
    });
  }

  #note(event: FollowEvent): void {
    const { state, onEvent } = this.#o;
    if (event.kind === 'synchronized') state.noteInStep();
    if (event.kind === 'resync-needed') state.noteResync();
    if ('error' in event) state.noteError(event.error);
    if (event.kind === 'refused') state.noteError(refusal(event.status));
    onEvent(event);
    // After an answer, and after a failure to get one.
    if (event.kind === 'waiting' || event.kind === 'unreachable') void this.#writeState();
  }

  async #writeState(): Promise<void> {
    try {
      const last = await this.#log?.last();
      if (last !== undefined) await this.#o.state.write(last);
    } catch {
      // The next poll meets the same trouble, and reports it.
    }
  }
}

/** A kdb_incr_result_t of some updates. */
function resultOf(updates: readonly Update[], last: LastUpdate): Uint8Array {
  const head = concat(encode(lastUpdate, last), bigEndian(updates.length));
  return concat(head, ...updates.map(encodedUpdate), bigEndian(updateStatuses.ok));
}

function isSamePoint(a: LastUpdate, b: LastUpdate | undefined): boolean {
  return a.serial === b?.serial && a.seconds === b.seconds && a.micros === b.micros;
}

function encodedUpdate(update: Update): Uint8Array {
  const encoded = encode(updateCodec, update);
  if (encoded.length + slotStructureBytes > largestBlockBytes) {
    const reason = `it is ${encoded.length} bytes long, which no update log can hold`;
    throw new KpropError('iprop.bad-update', { serial: update.serial, reason });
  }
  return encoded;
}

/** A status that is neither updates nor the need of a resync, as an error. */
function refusal(status: number): KpropError {
  if (status === updateStatuses.permissionDenied) return new KpropError('iprop.denied', {});
  return new KpropError('iprop.refused', { status });
}
