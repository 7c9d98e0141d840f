/** One end of a connection: a HostAddress of RFC 4120 §5.2.5. */
export interface Address {
  readonly addrType: number;
  readonly address: Uint8Array;
}

/** A connection, as far as a conversation knows it. */
export interface Channel {
  /** This end and the other end of the socket, as Kerberos addresses. */
  readonly local: Address;
  readonly remote: Address;
  /** The other side in words, for errors: "replica.example port 754". */
  readonly peer: string;
  /** Names the step for errors and sets how long nothing may move meanwhile; 0 is for ever. */
  during(step: string, idleMillis: number): void;
  /** From now on nothing may stand still for longer than this, whatever `during` says. */
  hurry(idleMillis: number): void;
  /** A copy of the next so many bytes if they have arrived, else undefined; they stay unread. */
  peek(byteCount: number): Uint8Array | undefined;
  /** Exactly so many bytes if they have arrived, else undefined. */
  take(byteCount: number): Uint8Array | undefined;
  /** Exactly so many bytes. @throws network.closed, network.failed, network.timeout, aborted */
  read(byteCount: number): Promise<Uint8Array>;
  /** Sends the parts in order; resolves when the buffers have room again. @throws network.* */
  write(...parts: readonly Uint8Array[]): Promise<void>;
  /**
   * What the work gives, unless the connection fails, ends or stays idle for too long before.
   * @throws network.*, aborted, and what the work throws
   */
  waitFor<T>(work: Promise<T>): Promise<T>;
  /** Bytes that have arrived and were not read. */
  readonly arrived: number;
  /** Gives up the read that is under way, or the next one, with this error. The connection stays. */
  interrupt(error: Error): void;
  /** Says that no more will be written, then discards what still arrives, up to the limits. */
  finish(limits: { readonly lingerMillis: number; readonly lingerBytes: number }): Promise<void>;
  /** Drops the connection at once. */
  close(): void;
}
