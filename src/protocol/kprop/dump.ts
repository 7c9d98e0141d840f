/** kprop's application version in sendauth; it never changed (krb5 src/kprop/kprop.h). */
export const applicationVersion = 'kprop5_01';

/** Every block but the last has this size. Old receivers have never met a larger one. */
export const blockBytes = 32_768;

/**
 * How many blocks go together: this many are read from a dump file at once, sealed and written at once
 * as messages, and handed on at once by a receiver.
 */
export const blocksAtOnce = 32;

/**
 * A database dump: its size, and its bytes in order, in pieces of any length. A piece is valid until
 * the one after the next is asked for.
 */
export interface Dump {
  readonly bytes: number;
  pieces(): AsyncIterable<Uint8Array>;
}

/** A dump that is being received: its size, and its blocks in order, in batches as they arrive. */
export interface ReceivedDump {
  readonly bytes: number;
  batches(): AsyncIterable<readonly Uint8Array[]>;
}

/** How long a step may wait while nothing moves; 0: for ever. */
export interface ConversationLimits {
  readonly idleMillis: number;
  /** From the last block to the confirmation, while the replica loads its database. */
  readonly confirmMillis: number;
}
