import { KpropError } from '../../errors/kprop-error.ts';
import { concat } from '../bytes.ts';
import type { Channel } from './channel.ts';

/** The mark before a fragment of a record: the last one's bit, and the length (RFC 5531 §11). */
const markBytes = 4;
const lastFragment = 0x8000_0000;

/** Writes a record as one fragment. */
export function writeRecord(channel: Channel, record: Uint8Array): Promise<void> {
  const mark = new Uint8Array(markBytes);
  new DataView(mark.buffer).setUint32(0, lastFragment + record.length);
  return channel.write(mark, record);
}

/**
 * Reads a record, of however many fragments. Nothing is allocated for the length that a fragment
 * claims: bytes are kept as they arrive, and never more than `limitBytes` of them.
 * @throws message.too-long, network.*, aborted
 */
export async function readRecord(
  channel: Channel,
  what: string,
  limitBytes: number,
): Promise<Uint8Array> {
  const fragments: Uint8Array[] = [];
  let bytes = 0;
  // A fragment may be empty: somebody who sends such ones for ever must not be listened to for ever.
  let empty = 0;
  for (;;) {
    const head = await channel.read(markBytes);
    const mark = new DataView(head.buffer, head.byteOffset).getUint32(0);
    const length = mark & ~lastFragment;
    bytes += length;
    if (length === 0) empty += 1;
    if (bytes > limitBytes || empty > 1) {
      throw new KpropError('message.too-long', { what, bytes, limit: limitBytes });
    }
    fragments.push(await channel.read(length));
    if (mark >= lastFragment) break;
  }
  const [only = new Uint8Array(0)] = fragments;
  return fragments.length === 1 ? only : concat(...fragments);
}
