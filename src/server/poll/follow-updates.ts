import { setTimeout as sleep } from 'node:timers/promises';

import { tell } from '../../host/tell.ts';
import { systemAmbient } from '../../protocol/ambient.ts';
import {
  type LastUpdate,
  type Update,
  type UpdatesReply,
  updateStatuses,
} from '../../protocol/iprop/updates.ts';
import { ownPrincipals } from '../../ticket/own-principals.ts';
import { connectToPrimary, type PrimaryLink, type PrimaryOptions } from './primary.ts';

/** What happens while updates are followed. */
export type FollowEvent =
  | { readonly kind: 'connecting'; readonly client: string }
  | { readonly kind: 'connected' }
  /** No connection; it is tried again after that. */
  | { readonly kind: 'unreachable'; readonly error: unknown; readonly retrySeconds: number }
  /** The follower does not know where it stands; it is tried again after that. */
  | { readonly kind: 'no-position'; readonly error: unknown; readonly retrySeconds: number }
  | { readonly kind: 'asking'; readonly last: LastUpdate }
  | { readonly kind: 'call-failed'; readonly error: unknown; readonly call: FollowCall }
  | { readonly kind: 'updates'; readonly last: LastUpdate; readonly count: number }
  | { readonly kind: 'synchronized' }
  /** A full resync was asked for or is under way, and has not arrived. */
  | { readonly kind: 'resync-awaited' }
  | { readonly kind: 'resync-needed' }
  | { readonly kind: 'resync-answered'; readonly status: number }
  /** The primary did not answer with updates: it is busy, denies them, or failed. */
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'waiting'; readonly seconds: number; readonly busy: boolean };

export type FollowCall = 'get_updates' | 'full_resync';

export interface FollowOptions extends Omit<PrimaryOptions, 'ambient'> {
  readonly ambient?: PrimaryOptions['ambient'] | undefined;
  /** Where the follower stands; asked for before every poll. */
  readonly position: () => LastUpdate | Promise<LastUpdate>;
  /** Between two polls; iprop_replica_poll unless given. */
  readonly pollSeconds?: number | undefined;
  /** Before the first poll, so that replicas that start together do not ask together. 0 unless given. */
  readonly firstPollMillis?: number | undefined;
  /**
   * Whether the primary is asked for a full resync when it cannot say what has changed. It sends that to
   * the kpropd of this host, and the position is another one then. False unless given: the event
   * `resync-needed` says that the follower needs a position that the primary knows.
   */
  readonly asksForResync?: boolean | undefined;
  /** Ends after the first answer that is not the need of a resync. */
  readonly once?: boolean | undefined;
  /** Whether a full resync is arriving or being loaded: another one is not asked for then. */
  readonly isResyncing?: (() => boolean) | undefined;
  readonly onEvent?: ((event: FollowEvent) => void) | undefined;
}

/** The updates of one answer, in order. */
export interface UpdateBatch {
  readonly updates: readonly Update[];
  /** Where the primary stands. */
  readonly last: LastUpdate;
  readonly reply: UpdatesReply;
}

/**
 * The updates of a primary as they come: `for await (const batch of following)`. The next poll is made
 * when the loop's body has done with a batch. Whatever goes wrong is an event, and tried again.
 */
export interface Following extends AsyncIterable<UpdateBatch> {
  /** Polls now, or as soon as the poll under way is done. */
  pollNow(): void;
  /** A full resync has ended; after one that failed another one may be asked for, later each time. */
  resyncEnded(o: { readonly succeeded: boolean }): void;
}

/** Follows the update log of a primary. @see MIT krb5 src/kprop/kpropd.c, do_iprop */
export function followUpdates(options: FollowOptions): Following {
  return new Follower(options);
}

class Follower implements Following {
  readonly #o: FollowOptions;
  readonly #full: PrimaryOptions;
  readonly #pollSeconds: number;
  #link: PrimaryLink | undefined;
  #wake = new AbortController();
  /** Failed connections, or failed calls on connections just made, in a row. */
  #failures = 0;
  /** Refusals in a row: busy, denied. */
  #refusals = 0;
  /** When a resync was asked for that has not arrived yet, in milliseconds. */
  #resyncAskedAt: number | undefined;
  #failedResyncs = 0;
  /** When the resync that was asked for last came, and failed; undefined while it may be on its way. */
  #resyncFailedAt: number | undefined;
  /** The primary was lost since it was asked for a resync, and the resync perhaps with it. */
  #isResyncDoubtful = false;

  constructor(o: FollowOptions) {
    this.#o = o;
    this.#full = { ...o, ambient: o.ambient ?? systemAmbient() };
    this.#pollSeconds = o.pollSeconds ?? o.config.ipropPollSeconds(o.realm);
  }

  pollNow(): void {
    this.#wake.abort();
  }

  resyncEnded({ succeeded }: { readonly succeeded: boolean }): void {
    if (succeeded) this.#failedResyncs = 0;
    else if (this.#resyncAskedAt !== undefined) {
      this.#failedResyncs += 1;
      this.#resyncFailedAt = performance.now();
    }
    this.pollNow();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<UpdateBatch, void, undefined> {
    const { signal, once = false, firstPollMillis = 0 } = this.#o;
    try {
      await this.#pause(firstPollMillis);
      while (signal?.aborted !== true) {
        const answer = await this.#poll();
        if (answer === undefined) continue;
        if (answer.status === updateStatuses.ok) {
          const { updates, last } = answer;
          yield { updates, last, reply: answer };
        }
        if (once && answer.status !== updateStatuses.fullResyncNeeded) return;
        const busy = this.#refusals > 0;
        const seconds = busy ? backOffSeconds(this.#refusals) : this.#pollSeconds;
        this.#tell({ kind: 'waiting', seconds, busy });
        await this.#pause(seconds * 1000);
      }
    } finally {
      await this.#disconnect();
    }
  }

  /** One answer; undefined if there was none and it is to be tried again. */
  async #poll(): Promise<UpdatesReply | undefined> {
    const source = await this.#connected();
    if (source === undefined) return undefined;
    const last = await this.#position();
    if (last === undefined) return undefined;
    this.#tell({ kind: 'asking', last });
    let call: FollowCall = 'get_updates';
    try {
      const answer = await source.updatesSince(last);
      this.#failures = 0;
      this.#handle(answer);
      if (answer.status === updateStatuses.fullResyncNeeded && this.#mayAskForResync()) {
        call = 'full_resync';
        this.#tell({ kind: 'resync-needed' });
        if (this.#o.asksForResync !== true) return answer;
        this.#resyncAskedAt = performance.now();
        this.#resyncFailedAt = undefined;
        this.#isResyncDoubtful = false;
        const status = await source.requestResync();
        this.#refusals = status === updateStatuses.ok ? 0 : this.#refusals + 1;
        this.#tell({ kind: 'resync-answered', status });
      }
      return answer;
    } catch (error) {
      if (this.#o.signal?.aborted) return undefined;
      this.#tell({ kind: 'call-failed', error, call });
      this.#isResyncDoubtful = true;
      await this.#disconnect();
      // A primary that hung up between two polls is asked again at once; one that always fails is not.
      this.#failures += 1;
      if (this.#failures > 1) await this.#pause(backOffSeconds(this.#failures - 1) * 1000);
      return undefined;
    }
  }

  async #position(): Promise<LastUpdate | undefined> {
    try {
      return await this.#o.position();
    } catch (error) {
      if (this.#o.signal?.aborted) return undefined;
      this.#failures += 1;
      const retrySeconds = backOffSeconds(this.#failures);
      this.#tell({ kind: 'no-position', error, retrySeconds });
      await this.#pause(retrySeconds * 1000);
      return undefined;
    }
  }

  #handle({ status, updates, last }: UpdatesReply): void {
    const { ok, nil, fullResyncNeeded } = updateStatuses;
    if (status === ok || status === nil) {
      this.#refusals = 0;
      this.#resyncAskedAt = undefined;
      this.#failedResyncs = 0;
      if (status === nil) this.#tell({ kind: 'synchronized' });
      else this.#tell({ kind: 'updates', last, count: updates.length });
    } else if (status !== fullResyncNeeded) {
      this.#refusals += 1;
      this.#tell({ kind: 'refused', status });
    }
  }

  #mayAskForResync(): boolean {
    const underWay = this.#o.isResyncing?.() === true;
    if (!underWay && this.#resyncAskedAt === undefined) return true;
    const { config, realm } = this.#o;
    const limitSeconds = config.ipropResyncTimeoutSeconds(realm) || 300;
    // Neither one that failed nor one that may never come is waited for until the limit.
    const waitSeconds = Math.min(
      limitSeconds,
      this.#resyncFailedAt !== undefined
        ? this.#pollSeconds * 2 ** (this.#failedResyncs - 1)
        : this.#isResyncDoubtful
          ? Math.max(doubtSeconds, 2 * this.#pollSeconds)
          : limitSeconds,
    );
    const waited = (performance.now() - (this.#resyncFailedAt ?? this.#resyncAskedAt ?? 0)) / 1000;
    if (!underWay && waited >= waitSeconds) return true;
    this.#tell({ kind: 'resync-awaited' });
    return false;
  }

  async #connected(): Promise<PrimaryLink['source'] | undefined> {
    if (this.#link !== undefined) return this.#link.source;
    const { realm, config, signal } = this.#o;
    try {
      const clients = await ownPrincipals('kiprop', realm, config);
      this.#tell({ kind: 'connecting', client: `${clients[0]}` });
      this.#link = await connectToPrimary(clients, this.#full);
      this.#tell({ kind: 'connected' });
      return this.#link.source;
    } catch (error) {
      if (signal?.aborted) return undefined;
      this.#failures += 1;
      const retrySeconds = backOffSeconds(this.#failures);
      this.#tell({ kind: 'unreachable', error, retrySeconds });
      await this.#pause(retrySeconds * 1000);
      return undefined;
    }
  }

  async #disconnect(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    if (link === undefined) return;
    if (this.#o.signal?.aborted !== true) {
      // A primary that does not answer must not hold up what comes next.
      await Promise.race([link.source.end(), sleep(farewellMillis, undefined, { ref: false })]);
    }
    await link.close();
  }

  /** Waits, unless it is told to poll now. What it was told during the poll counts. */
  async #pause(millis: number): Promise<void> {
    const signals = [this.#wake.signal, ...(this.#o.signal ? [this.#o.signal] : [])];
    await sleep(Math.min(millis, longestMillis), undefined, {
      signal: AbortSignal.any(signals),
    }).catch(() => undefined);
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }

  #tell(event: FollowEvent): void {
    tell(this.#o.onEvent, event);
  }
}

/** 4, 8, 16 … and 300 seconds at most. */
export function backOffSeconds(failures: number): number {
  return Math.min(300, 2 << Math.min(failures, 8));
}

/** A resync whose primary was lost may be on its way all the same: a dump takes its time. */
const doubtSeconds = 15;
const farewellMillis = 1_000;
/** The longest that a timer of Node's can wait. */
const longestMillis = 2 ** 31 - 1;
