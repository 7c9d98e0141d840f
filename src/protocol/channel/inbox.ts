/** Chunks shorter than this are copied together: a peer may send one byte at a time. */
const smallBytes = 4096;
/** A slab is of the first size, and then twice as large each time: most peers have little to say. */
const firstSlabBytes = 4096;
const lastSlabBytes = 1 << 18;
/** Less is not worth a system call that reads into it. */
const leastRoomBytes = 32_768;
/** Where all inboxes throw away what arrives too late: nothing is ever read from it. */
const discarded = new Uint8Array(65_536);

/** Bytes in the order of their arrival, however many pieces they came in. */
export class Inbox {
  /** Bytes that are there. */
  arrived = 0;
  #chunks: Uint8Array[] = [];
  /** Chunks before this one are used up; shifting them out one by one would cost a copy of all. */
  #first = 0;
  /** Bytes come to lie here one behind the other; what lies between the marks is no chunk yet. */
  #slab = new Uint8Array(0);
  #start = 0;
  #end = 0;

  /** Told of what arrives once nothing is kept any more. */
  #onDiscarded: ((byteCount: number) => void) | undefined;

  push(chunk: Uint8Array): void {
    if (this.#onDiscarded !== undefined) {
      this.#onDiscarded(chunk.length);
      return;
    }
    if (chunk.length >= smallBytes) {
      this.#closeSlab();
      this.#chunks.push(chunk);
      this.arrived += chunk.length;
      return;
    }
    if (this.#end + chunk.length > this.#slab.length) this.#newSlab();
    this.#slab.set(chunk, this.#end);
    this.filled(chunk.length);
  }

  /**
   * Memory for whoever reads into it; `filled` then says how much it was. Never the same twice, as
   * long as anything is kept.
   */
  room(): Uint8Array {
    if (this.#onDiscarded !== undefined) return this.#slab;
    const least = Math.min(leastRoomBytes, this.#slab.length / 2);
    if (this.#slab.length - this.#end < Math.max(least, 1)) this.#newSlab();
    return this.#slab.subarray(this.#end);
  }

  /** So many bytes have come to the beginning of `room()`. */
  filled(byteCount: number): void {
    if (this.#onDiscarded !== undefined) {
      this.#onDiscarded(byteCount);
      return;
    }
    this.#end += byteCount;
    this.arrived += byteCount;
  }

  /** A copy of the next so many bytes if they are there, else undefined; they stay. */
  peek(byteCount: number): Uint8Array | undefined {
    if (this.arrived < byteCount) return undefined;
    this.#closeSlab();
    const bytes = new Uint8Array(byteCount);
    for (let filled = 0, index = this.#first; filled < byteCount; index += 1) {
      const part = (this.#chunks[index] as Uint8Array).subarray(0, byteCount - filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  /** Exactly so many bytes if they are there, else undefined; a view where they came in one piece. */
  take(byteCount: number): Uint8Array | undefined {
    if (this.arrived < byteCount) return undefined;
    this.#closeSlab();
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

  /** Throws away what is there, and from now on whatever comes: that is only counted. */
  discard(onArrival: (byteCount: number) => void): void {
    this.#onDiscarded = onArrival;
    this.arrived = 0;
    this.#chunks = [];
    this.#slab = discarded;
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

  #newSlab(): void {
    this.#closeSlab();
    const byteCount = Math.min(Math.max(this.#slab.length * 2, firstSlabBytes), lastSlabBytes);
    // Not filled with zeros: nobody sees a byte of it before it was overwritten.
    this.#slab = new Uint8Array(Buffer.allocUnsafeSlow(byteCount).buffer);
    this.#start = 0;
    this.#end = 0;
  }

  #closeSlab(): void {
    if (this.#end === this.#start) return;
    const last = this.#chunks.length - 1;
    const before = last >= this.#first ? this.#chunks[last] : undefined;
    // What goes on where the last chunk ends makes one chunk with it, and is not copied together.
    const joins =
      before?.buffer === this.#slab.buffer && before.byteOffset + before.length === this.#start;
    const start = joins ? before.byteOffset : this.#start;
    const chunk = this.#slab.subarray(start, this.#end);
    if (joins) this.#chunks[last] = chunk;
    else this.#chunks.push(chunk);
    this.#start = this.#end;
  }
}
