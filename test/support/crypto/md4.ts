/** MD4, 16 bytes. @see RFC 1320 */
export function md4(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const words = new DataView(padded.buffer);
  words.setBigUint64(padded.length - 8, BigInt(message.length) * 8n, true);

  const digest = new DataView(new ArrayBuffer(16));
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let at = 0; at < padded.length; at += 64) mixBlock(state, words, at);
  state.forEach((word, index) => {
    digest.setUint32(index * 4, word, true);
  });
  return new Uint8Array(digest.buffer);
}

/** The three rounds of RFC 1320 §3.4; the four state words rotate after every step. */
function mixBlock(state: number[], words: DataView, at: number): void {
  let [a, b, c, d] = state as [number, number, number, number];
  for (const { order, shifts, addend, mix } of md4Rounds) {
    for (let step = 0; step < 16; step++) {
      const word = words.getUint32(at + order[step]! * 4, true);
      const sum = (a + mix(b, c, d) + word + addend) | 0;
      const shift = shifts[step % 4]!;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    }
  }
  [a, b, c, d].forEach((word, index) => {
    state[index] = (state[index]! + word) >>> 0;
  });
}

interface Md4Round {
  readonly order: readonly number[];
  readonly shifts: readonly number[];
  readonly addend: number;
  mix(x: number, y: number, z: number): number;
}

const md4Rounds: readonly Md4Round[] = [
  {
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
    addend: 0,
    mix: (x, y, z) => (x & y) | (~x & z),
  },
  {
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
    addend: 0x5a827999,
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
  },
  {
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
    addend: 0x6ed9eba1,
    mix: (x, y, z) => x ^ y ^ z,
  },
];
