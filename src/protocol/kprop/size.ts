import { KpropError } from '../../errors/kprop-error.ts';

// The size of a dump is the user data of the first KRB-SAFE, and of the one that confirms the load.

/** A size of 1 to 2^32 - 1 in 4 bytes, any other in 12 of which the first 4 are zero. @see kprop_util.c */
export function encodeSize(bytes: number): Uint8Array {
  const short = bytes > 0 && bytes <= 0xffffffff;
  const encoded = new Uint8Array(short ? 4 : 12);
  const view = new DataView(encoded.buffer);
  if (short) view.setUint32(0, bytes);
  else view.setBigUint64(4, BigInt(bytes));
  return encoded;
}

/** The size that encodeSize wrote; old peers write 0 in 4 bytes. @throws kprop.bad-size */
export function decodeSize(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length === 4) return view.getUint32(0);
  if (data.length !== 12) throw badSize(`it has ${data.length} bytes, not 4 or 12`);
  if (view.getUint32(0) !== 0) throw badSize('its first four bytes are not zero');
  const bytes = view.getBigUint64(4);
  if (bytes > 0n && bytes <= 0xffffffffn) throw badSize('it is longer than its value needs');
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw badSize('it is larger than any disk');
  return Number(bytes);
}

function badSize(reason: string): KpropError {
  return new KpropError('kprop.bad-size', { reason });
}
