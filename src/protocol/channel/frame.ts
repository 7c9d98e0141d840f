import { KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from './channel.ts';

/** One message as it travels: its length in 4 bytes, big endian, then its pieces in order. */
export function framed(...pieces: readonly Uint8Array[]): Uint8Array[] {
  let byteCount = 0;
  for (const piece of pieces) byteCount += piece.length;
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, byteCount);
  return [length, ...pieces];
}

/** Writes one message. */
export function writeFrame(channel: Channel, ...pieces: readonly Uint8Array[]): Promise<void> {
  return channel.write(...framed(...pieces));
}

/**
 * Reads one message. Nothing is allocated for the length that is claimed: bytes are kept as they
 * arrive, and no more than `limitBytes` of them.
 * @throws message.too-long, network.*
 */
export async function readFrame(
  channel: Channel,
  what: string,
  limitBytes: number,
): Promise<Uint8Array> {
  const arrived = takeFrame(channel, what, limitBytes);
  if (arrived !== undefined) return arrived;
  const byteCount = lengthIn(await channel.read(4), what, limitBytes);
  return await channel.read(byteCount);
}

/** The next message if all of it has arrived, else undefined. @throws message.too-long */
export function takeFrame(
  channel: Channel,
  what: string,
  limitBytes: number,
): Uint8Array | undefined {
  const head = channel.peek(4);
  if (head === undefined) return undefined;
  const byteCount = lengthIn(head, what, limitBytes);
  return channel.take(4 + byteCount)?.subarray(4);
}

function lengthIn(head: Uint8Array, what: string, limitBytes: number): number {
  const byteCount = new DataView(head.buffer, head.byteOffset).getUint32(0);
  if (byteCount > limitBytes) {
    throw new KpropError('message.too-long', { what, bytes: byteCount, limit: limitBytes });
  }
  return byteCount;
}
