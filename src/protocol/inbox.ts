/** Chunks shorter than this are copied together: a peer may send one octet at a time. */
const smallBytes = 4096;
const roomBytes = 65_536;

/** Bytes in the order of their arrival, however many pieces they came in. */
export class Inbox {
  /** Bytes that are there. */
  arrived = 0;
  #chunks: Uint8Array[] = [];
  /** Chunks before this one are used up; shifting them out one by one would cost a copy of all. */
  #first = 0;
  /** Small chunks go here; what lies between the two marks is not among the chunks yet. */
  #room = new Uint8Array(0);
  #roomStart = 0;
  #roomEnd = 0;

  push(chunk: Uint8Array): void {
    this.arrived += chunk.length;
    if (chunk.length >= smallBytes) {
      this.#closeRoom();
      this.#chunks.push(chunk);
      return;
    }
    if (this.#roomEnd + chunk.length > this.#room.length) {
      this.#closeRoom();
      this.#room = new Uint8Array(roomBytes);
      this.#roomStart = 0;
      this.#roomEnd = 0;
    }
    this.#room.set(chunk, this.#roomEnd);
    this.#roomEnd += chunk.length;
  }

  /** Exactly so many bytes if they are there, else undefined; a view where they came in one piece. */
  take(byteCount: number): Uint8Array | undefined {
    if (this.arrived < byteCount) return undefined;
    this.#closeRoom();
    this.arrived -= byteCount;
    const first = this.#chunks[this.#first];
    if (first !== undefined && first.length >= byteCount) return this.#cut(first, byteCount);
    const gathered = new Uint8Array(byteCount);
    for (let filled = 0; filled < byteCount; ) {
      const chunk = this.#chunks[this.#first] as Uint8Array;
      const part = this.#cut(chunk, Math.min(chunk.length, byteCount - filled));
      gathered.set(part, filled);
      filled += part.length;
    }
    return gathered;
  }

  /** Throws away what is there. */
  clear(): void {
    this.arrived = 0;
    this.#chunks = [];
    this.#first = 0;
    this.#roomStart = this.#roomEnd;
  }

  #cut(chunk: Uint8Array, byteCount: number): Uint8Array {
    if (byteCount < chunk.length) {
      this.#chunks[this.#first] = chunk.subarray(byteCount);
      return chunk.subarray(0, byteCount);
    }
    this.#first += 1;
    // Used up ones go when they are half of all: each is moved once at the most, and none is kept.
    if (this.#first * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    return chunk;
  }

  #closeRoom(): void {
    if (this.#roomEnd > this.#roomStart) {
      this.#chunks.push(this.#room.subarray(this.#roomStart, this.#roomEnd));
      this.#roomStart = this.#roomEnd;
    }
  }
}
