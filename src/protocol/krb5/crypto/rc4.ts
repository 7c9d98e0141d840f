/** The RC4 keystream of one key, which runs on from call to call. Key of 1 to 256 bytes. */
export class Rc4 {
  readonly #box: Uint8Array;
  #i = 0;
  #j = 0;

  constructor(key: Uint8Array) {
    const box = Uint8Array.from({ length: 256 }, (_, index) => index);
    for (let i = 0, j = 0; i < 256; i++) {
      const swapped = box[i]!;
      j = (j + swapped + key[i % key.length]!) & 0xff;
      box[i] = box[j]!;
      box[j] = swapped;
    }
    this.#box = box;
  }

  /** Turns plaintext into ciphertext or back, in place. */
  apply(data: Uint8Array): void {
    const box = this.#box;
    let i = this.#i;
    let j = this.#j;
    for (let at = 0; at < data.length; at++) {
      i = (i + 1) & 0xff;
      const a = box[i]!;
      j = (j + a) & 0xff;
      const b = box[j]!;
      box[i] = b;
      box[j] = a;
      data[at]! ^= box[(a + b) & 0xff]!;
    }
    this.#i = i;
    this.#j = j;
  }
}
