/** kprop's application version in sendauth; it never changed (krb5 src/kprop/kprop.h). */
export const applicationVersion = 'kprop5_01';

/** Blocks are of this size but for the last. Old receivers have seen nothing larger. */
export const blockBytes = 32_768;

/**
 * How many blocks go together: one read of a dump file is so many blocks, one gathered write so many
 * messages, and a receiver hands on what so many messages held.
 */
export const blocksAtOnce = 32;

/** A database dump: its size, and its bytes in order, in pieces of any length. */
export interface Dump {
  readonly bytes: number;
  pieces(): AsyncIterable<Uint8Array>;
}

/** A dump that is being received: its size, and its blocks in order, all that are there at a time. */
export interface ReceivedDump {
  readonly bytes: number;
  batches(): AsyncIterable<readonly Uint8Array[]>;
}

/** How long nothing may move, by step; 0 is for ever. Milliseconds. */
export interface ConversationLimits {
  readonly idleMillis: number;
  /** From the last block to the confirmation: the replica loads its database meanwhile. */
  readonly confirmMillis: number;
}
