import { inPhase } from '../../errors/kprop-error.ts';
import { checkDump, headKind } from '../../kdb/dump/completeness.ts';
import type { DumpRecords } from '../../kdb/dump/record-count.ts';
import type { LoadEvent } from '../events.ts';
import type { Follower, Spool } from '../spool/spool.ts';
import type { LoadGuard } from './load-guard.ts';
import type { LoadQueue } from './load-queue.ts';
import type { LoadJob, LoadWay, LoadWays } from './load-way.ts';
import type { MasterKeyCheck } from './master-key-check.ts';
import type { Arrival, LoadOrder } from './order.ts';

/** What the loads of one replica share. */
export interface LoadRoom {
  readonly ways: LoadWays;
  readonly guard: LoadGuard;
  readonly order: LoadOrder;
  readonly queue: LoadQueue;
  readonly masterKey: MasterKeyCheck;
}

/** A dump that is about to arrive. */
export interface LoadOptions {
  readonly spool: Spool;
  readonly bytes: number;
  readonly arrival: Arrival;
  /** Ends the load. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: LoadEvent) => void;
}

type State =
  /** The first line, which says what kind of dump it is, has not arrived yet. */
  | { readonly at: 'header'; readonly head: Uint8Array }
  | { readonly at: 'arriving'; readonly way: LoadWay }
  | { readonly at: 'over' };

const progressMillis = 1_000;
/** No header is longer than this. */
const headBytes = 256;

/**
 * A dump on its way to be the live database. It follows the dump into its spool, and once the header
 * has arrived the way of loading is chosen. Exactly one of `commit` and `abandon` ends it; to
 * abandon it after a commit does nothing.
 */
export class Load implements Follower {
  readonly #room: LoadRoom;
  readonly #o: LoadOptions;
  readonly #job: LoadJob;
  #state: State = { at: 'header', head: new Uint8Array(0) };
  /** When the last progress was told; the first one is told after a while. */
  #toldAt = performance.now();

  constructor(room: LoadRoom, o: LoadOptions) {
    this.#room = room;
    this.#o = o;
    const { signal, onEvent, arrival } = o;
    this.#job = {
      ...{ spool: o.spool.temporary, client: arrival.client, signal, onEvent },
      failing: new AbortController(),
    };
  }

  /** Aborted with the reason once the dump cannot be loaded, however the rest of it arrives. */
  get failed(): AbortSignal {
    return this.#job.failing.signal;
  }

  /** @throws spool.malformed if the dump begins with no header of one */
  arrived(blocks: readonly Uint8Array[]): void {
    if (this.#state.at !== 'header') return;
    const starts = blocks.map((block) => block.subarray(0, headBytes));
    const head = Buffer.concat([this.#state.head, ...starts]);
    const kind = headKind(head, this.#job.spool);
    if (kind === undefined) {
      this.#state = { at: 'header', head };
      return;
    }
    const { ways, queue } = this.#room;
    const { bytes } = this.#o;
    const way =
      queue.early(() => ways.whileArriving(this.#job, { kind, bytes })) ?? ways.fromFile(this.#job);
    this.#state = { at: 'arriving', way };
  }

  grow(bytes: number): void {
    this.#tellProgress(bytes);
    if (this.#state.at === 'arriving') this.#state.way.grow(bytes);
  }

  /**
   * Resolves when the dump, all of which is in its spool, is the live database. Gives what that holds,
   * if it was counted.
   * @throws spool.superseded, spool.*, loader.*, the signal's reason
   */
  async commit(): Promise<DumpRecords | undefined> {
    const way =
      this.#state.at === 'arriving' ? this.#state.way : this.#room.ways.fromFile(this.#job);
    const { guard, queue } = this.#room;
    const { signal } = this.#o;
    return queue.run(async () => {
      const onWait = () => way.giveWay();
      await inPhase('load', undefined, () => guard.enter({ signal, onWait }));
      try {
        return await this.#commitAlone(way);
      } finally {
        await guard.leave();
      }
    }, way);
  }

  async abandon(): Promise<void> {
    const state = this.#state;
    this.#state = { at: 'over' };
    if (state.at === 'arriving') await state.way.abandon();
  }

  /** Not for every batch: a fast sender has hundreds of them a second. */
  #tellProgress(bytes: number): void {
    const now = performance.now();
    if (now - this.#toldAt < progressMillis) return;
    this.#toldAt = now;
    this.#o.onEvent({ kind: 'progress', bytes, total: this.#o.bytes });
  }

  /** While no other load of this host is under way. */
  async #commitAlone(way: LoadWay): Promise<DumpRecords | undefined> {
    const { spool, bytes, arrival, signal, onEvent } = this.#o;
    const { order, masterKey } = this.#room;
    // Its time may have run out while others loaded.
    await inPhase('load', undefined, async () => signal.throwIfAborted());
    await order.requireNewest(arrival);
    const kind = await inPhase('load', undefined, () => checkDump(spool.temporary));
    const onNotice = (text: string) => onEvent({ kind: 'notice', text });
    await inPhase('load', undefined, () => masterKey.require(spool.temporary, onNotice));
    // As with MIT's kpropd, the dump takes the place of the one before unless its load has failed already.
    this.failed.throwIfAborted();
    await spool.publish();
    const { path } = spool;
    onEvent({ kind: 'loading', path, natively: way.natively });
    const records = await inPhase('load', undefined, () => way.commit({ path, kind, bytes }));
    await order.noteLoaded(arrival, bytes);
    return records;
  }
}
