import { randomFillSync } from 'node:crypto';

/** Time and randomness, the only two things that the protocol takes from its surroundings. */
export interface Ambient {
  /** Microseconds since 1970-01-01 UTC; never the same value twice from one Ambient. */
  nowMicros(): number;
  /** Fresh unpredictable octets. */
  random(byteCount: number): Uint8Array;
}

/** The clock and the random generator of this machine. */
export function systemAmbient(): Ambient {
  let last = 0;
  // Confounders are 16 octets a block: drawing them from a pool spares a system call for each.
  let pool = new Uint8Array(0);
  return {
    nowMicros(): number {
      // An authenticator's time must be unique (RFC 4120 §5.5.1), and Date.now() counts in
      // milliseconds: the steps between are ours.
      last = Math.max(last + 1, Date.now() * 1000);
      return last;
    },
    random(byteCount: number): Uint8Array {
      if (pool.length < byteCount) pool = randomFillSync(new Uint8Array(Math.max(4096, byteCount)));
      const drawn = pool.subarray(0, byteCount);
      pool = pool.subarray(byteCount);
      return drawn;
    },
  };
}

/** The same randomness with a clock that is `offsetMicros` ahead (kdc_timesync, krb5.conf(5)). */
export function shiftedAmbient(ambient: Ambient, offsetMicros: number): Ambient {
  return {
    nowMicros: () => ambient.nowMicros() + offsetMicros,
    random: (byteCount) => ambient.random(byteCount),
  };
}
