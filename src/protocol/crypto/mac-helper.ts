import { mac } from './checksum.ts';
import type { Run } from './cipher.ts';
import type { Key } from './key.ts';

/** Computes the MACs of a run while whoever asked for them enciphers it. */
export interface MacHelper {
  /** Where a run must lie to be helped with. */
  readonly room: Uint8Array;
  /** Begins with a run, which must stay as it is until `finish`. */
  begin(run: Run): void;
  /** The MACs of the run's messages. */
  finish(): Uint8Array[];
  close(): void;
}

/** All that a helper has to know. */
export interface MacWork {
  /** Of the HMAC, as node:crypto names it. */
  readonly hash: string;
  readonly macKey: Uint8Array;
  readonly macBytes: number;
  /** For the longest run, filled up to whole blocks. */
  readonly roomBytes: number;
  /** The MAC of one message, computed here and now. */
  readonly sum: (message: Uint8Array) => Uint8Array;
}

/** The work of one key and usage; undefined where the MAC is no HMAC of the plaintext. */
export function macWork(key: Key, usage: number, roomBytes: number): MacWork | undefined {
  const { profile } = key;
  if (profile.construction !== 'mac-of-plaintext' || profile.mac !== 'hmac') return undefined;
  const macKey = key.macKey(usage, 'integrity');
  return {
    hash: profile.hash,
    macKey: key.derived(usage, 'integrity'),
    macBytes: profile.macBytes,
    roomBytes,
    sum: (message) => mac(profile, macKey, [message]),
  };
}
