import type { Key } from '../crypto/key.ts';
import type { Principal } from '../messages/principal.ts';

/** A ticket for a service and what its holder needs to use it. Times in seconds since 1970. */
export interface Credential {
  readonly client: Principal;
  readonly server: Principal;
  readonly sessionKey: Key;
  /** The Ticket as the KDC gave it, DER. */
  readonly ticket: Uint8Array;
  readonly startTime: number;
  readonly endTime: number;
  /** How far the KDC's clock is ahead of ours; 0 if that is unknown. */
  readonly clockOffsetMicros: number;
}
