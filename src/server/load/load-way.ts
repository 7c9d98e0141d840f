import type { DumpKind } from '../../kdb/dump/header.ts';
import type { DumpRecords } from '../../kdb/dump/record-count.ts';
import type { LoadEvent } from '../events.ts';

/** A dump that has arrived, is complete, and lies in its place. */
export interface CompleteDump {
  readonly path: string;
  readonly kind: DumpKind;
  readonly bytes: number;
}

/**
 * One way to make a dump the live database: natively, kdb5_util from a file, kdb5_util fed while the
 * dump arrives. Each object is for one dump.
 */
export interface LoadWay {
  /** Whether it begins without kdb5_util. */
  readonly natively: boolean;
  /** This many bytes of the dump, from its start, can be read back from the spool. */
  grow(bytes: number): void;
  /** Stops and cleans up, so that somebody else can load. A commit after that begins anew. */
  giveWay(): Promise<void>;
  /**
   * Resolves when the dump is the live database, whole and on the disk. Gives what that holds, if it
   * was counted. @throws loader.*, aborted
   */
  commit(dump: CompleteDump): Promise<DumpRecords | undefined>;
  /** Stops and cleans up; nothing becomes live any more. Does nothing after a commit. */
  abandon(): Promise<void>;
}

/** A way that works while the dump arrives. */
export interface EarlyLoad extends LoadWay {
  /** Resolves when it has ended, in whatever way, and nothing of it is left behind. */
  readonly over: Promise<void>;
}

/** What every way is told about the load that it is for. */
export interface LoadJob {
  /** The file where the dump is being spooled. */
  readonly spool: string;
  /** The principal that sends it. */
  readonly client: string;
  /** Ends the load; its reason is what `commit` throws. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: LoadEvent) => void;
  /** Aborted by the way, with the reason, if the dump cannot be loaded however it goes on. */
  readonly failing: AbortController;
}

/** The ways of one replica. */
export interface LoadWays {
  fromFile(job: LoadJob): LoadWay;
  /** undefined: a dump of this kind and size is better loaded when it is complete. */
  whileArriving(job: LoadJob, head: Omit<CompleteDump, 'path'>): EarlyLoad | undefined;
}
