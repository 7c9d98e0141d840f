/** The address of one end of a connection, as Kerberos messages carry it (RFC 4120 §5.2.5). */
export interface HostAddress {
  readonly addrType: number;
  readonly address: Uint8Array;
}

/** The two ends of a connection. */
export interface Ends {
  readonly local: HostAddress;
  readonly remote: HostAddress;
  /** The other side in words, for errors: "replica.example port 754". */
  readonly peer: string;
}

/** How much a side that closes still reads and discards. */
export interface Linger {
  readonly lingerMillis: number;
  readonly lingerBytes: number;
}

/** A connection, as far as a conversation knows it. */
export interface Channel {
  readonly ends: Ends;
  /** Names the step for errors, and sets how long a wait may last while nothing moves; 0: for ever. */
  during(step: string, idleMillis: number): void;
  /** Exactly `byteCount` bytes. @throws network.closed, network.failed, network.timeout, aborted */
  read(byteCount: number): Promise<Uint8Array>;
  /** Exactly `byteCount` bytes if they have arrived, else undefined. */
  take(byteCount: number): Uint8Array | undefined;
  /** Sends the parts in order; resolves when the buffers have room again. @throws network.*, aborted */
  write(...parts: readonly Uint8Array[]): Promise<void>;
  /**
   * Drops the connection at once. With a linger it first sends what was written, and discards what
   * still arrives, until the other side has closed or a limit is reached.
   */
  close(linger?: Linger): Promise<void>;
}
