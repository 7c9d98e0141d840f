/** What is done around a load, for the sake of the database that is live. */
export interface LoadGuard {
  /** At the start of a server: puts right what an earlier one left, and says what it cannot. */
  inspect(): Promise<void>;
  /**
   * Resolves when no other process loads into this database, until `leave`. `onWait` is awaited if
   * one does: what is loading already here must be given up. @throws loader.unprotected, the signal's reason
   */
  enter(o: { readonly signal?: AbortSignal; onWait(): Promise<void> }): Promise<void>;
  leave(): Promise<void>;
  /** Before the loader may make its database of that dump live. @throws loader.unprotected */
  protect(dump: string): Promise<void>;
  /**
   * After the loader's success: resolves when what is live is known to be the whole dump and to
   * survive a power cut. @throws loader.unsound, when the old database is back in its place
   */
  confirm(dump: string): Promise<void>;
  /** It ended in another way, perhaps long ago: the database is put right, and all is cleaned up. */
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
