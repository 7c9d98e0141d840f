import { randomFillSync } from 'node:crypto';

/** Time and randomness, the only two things that the protocol takes from its surroundings. */
export interface Ambient {
  /** Microseconds since 1970-01-01 UTC; no value twice, unless the clock was set back. */
  nowMicros(): number;
  /** Fresh unpredictable bytes. */
  random(byteCount: number): Uint8Array;
}

/** To stay unique, timestamps may run ahead of the clock by this and no more. */
const aheadLimitMicros = 1_000_000;

/**
 * The clock and the random generator of this machine. `clockMillis` is that clock; when it is set
 * back by more than a second, the times go back with it.
 */
export function systemAmbient(clockMillis: () => number = Date.now): Ambient {
  let last = 0;
  // Confounders are 16 bytes a block: drawing them from a pool spares a system call for each.
  let pool = new Uint8Array(0);
  return {
    nowMicros(): number {
      // An authenticator's time must be unique (RFC 4120 §5.5.1), and the clock counts in
      // milliseconds: the steps between are ours.
      const clock = clockMillis() * 1000;
      // A clock that never went back would refuse every peer until the time before the step is
      // reached again (KRB_AP_ERR_SKEW).
      last = last < clock || last >= clock + aheadLimitMicros ? clock : last + 1;
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
