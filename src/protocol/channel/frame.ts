import { KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from './channel.ts';

/** The length in front of a message: 4 bytes, big endian. */
const headBytes = 4;

/** One message as it travels: its length, then its pieces in order. */
export function framed(...pieces: readonly Uint8Array[]): Uint8Array[] {
  let byteCount = 0;
  for (const piece of pieces) byteCount += piece.length;
  const head = new Uint8Array(headBytes);
  new DataView(head.buffer).setUint32(0, byteCount);
  return [head, ...pieces];
}

/** Writes one message. */
export function writeFrame(channel: Channel, ...pieces: readonly Uint8Array[]): Promise<void> {
  return channel.write(...framed(...pieces));
}

/** Reads one message. @throws message.too-long, network.*, aborted */
export function readFrame(channel: Channel, what: string, limitBytes: number): Promise<Uint8Array> {
  return new FrameReader(channel, what, limitBytes).read();
}

/**
 * Reads messages of one kind. Nothing is allocated for the length that a message claims: bytes are
 * kept as they arrive, and never more than `limitBytes` of them.
 */
export class FrameReader {
  readonly #channel: Channel;
  readonly #what: string;
  readonly #limitBytes: number;
  /** Length of a message whose head has been read, but not its body. */
  #bodyBytes: number | undefined;

  constructor(channel: Channel, what: string, limitBytes: number) {
    this.#channel = channel;
    this.#what = what;
    this.#limitBytes = limitBytes;
  }

  /** The next message. @throws message.too-long, network.*, aborted */
  async read(): Promise<Uint8Array> {
    const arrived = this.take();
    if (arrived !== undefined) return arrived;
    this.#bodyBytes ??= this.#lengthIn(await this.#channel.read(headBytes));
    const body = await this.#channel.read(this.#bodyBytes);
    this.#bodyBytes = undefined;
    return body;
  }

  /** The next message if all of it has arrived, else undefined. @throws message.too-long */
  take(): Uint8Array | undefined {
    if (this.#bodyBytes === undefined) {
      const head = this.#channel.take(headBytes);
      if (head === undefined) return undefined;
      this.#bodyBytes = this.#lengthIn(head);
    }
    const body = this.#channel.take(this.#bodyBytes);
    if (body !== undefined) this.#bodyBytes = undefined;
    return body;
  }

  #lengthIn(head: Uint8Array): number {
    const bytes = new DataView(head.buffer, head.byteOffset).getUint32(0);
    if (bytes > this.#limitBytes) {
      throw new KpropError('message.too-long', {
        what: this.#what,
        bytes,
        limit: this.#limitBytes,
      });
    }
    return bytes;
  }
}
