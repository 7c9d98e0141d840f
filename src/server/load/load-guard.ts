import type { DumpRecords } from '../../kdb/dump/record-count.ts';

/** Protects the live database around a load by kdb5_util. */
export interface LoadGuard {
  /** At the start of a server: repairs what an earlier one left, and reports what it cannot. */
  inspect(): Promise<void>;
  /**
   * Resolves when no other process loads into this database, until `leave`. If one does, `onWait` is
   * awaited first: it must end what is being loaded here. @throws loader.unprotected, the signal's reason
   */
  enter(o: { readonly signal?: AbortSignal; onWait(): Promise<void> }): Promise<void>;
  leave(): Promise<void>;
  /** Called before the loader may make that dump live. @throws loader.unprotected */
  protect(dump: string): Promise<void>;
  /**
   * Called after the loader's success: resolves when the live database is known to be the whole dump
   * and to survive a power cut. Gives what it holds, if that was counted.
   * @throws loader.unsound; then the old database is back
   */
  confirm(dump: string): Promise<DumpRecords | undefined>;
  /** Called after any other end of a load, perhaps long ago: repairs the database and cleans up. */
  recover(): Promise<void>;
}

export const noGuard: LoadGuard = {
  inspect: async () => undefined,
  enter: async () => undefined,
  leave: async () => undefined,
  protect: async () => undefined,
  confirm: async () => undefined,
  recover: async () => undefined,
};
