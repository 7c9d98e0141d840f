/** Shorter chunks are copied together into a slab: a peer may send one byte at a time. */
const smallBytes = 4096;
/** Each slab is twice as large as the one before, up to the last size: most peers send little. */
const firstSlabBytes = 4096;
const lastSlabBytes = 1 << 18;
/** A slab with less room left is replaced, so that no system call reads just a few bytes. */
const leastRoomBytes = 32_768;
/** Shared by all inboxes that discard: the kernel writes into it, and nothing reads from it. */
const discarded = new Uint8Array(65_536);

/** Bytes in the order of their arrival, whatever the pieces in which they came. */
export class Inbox {
  /** Bytes that have arrived and were not taken. */
  arrived = 0;
  #chunks: Uint8Array[] = [];
  /** Index of the first chunk that is not used up. Shifting the array each time would copy it. */
  #first = 0;
  /** Memory that is filled from its start; what lies from `#start` to `#end` is not yet a chunk. */
  #slab = new Uint8Array(0);
  #start = 0;
  #end = 0;

  /** Set once arriving bytes are discarded: it is told their number. */
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
   * Memory to read into, to be reported with `filled`. While bytes are kept, no two calls with bytes
   * between them give the same memory.
   */
  room(): Uint8Array {
    if (this.#onDiscarded !== undefined) return this.#slab;
    const least = Math.min(leastRoomBytes, this.#slab.length / 2);
    if (this.#slab.length - this.#end < Math.max(least, 1)) this.#newSlab();
    return this.#slab.subarray(this.#end);
  }

  /** Reports that `byteCount` bytes were put at the start of `room()`. */
  filled(byteCount: number): void {
    if (this.#onDiscarded !== undefined) {
      this.#onDiscarded(byteCount);
      return;
    }
    this.#end += byteCount;
    this.arrived += byteCount;
  }

  /** Exactly `byteCount` bytes if they have arrived, else undefined; not a copy if they lie together. */
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

  /** Discards what has arrived; what arrives from now on is only counted. */
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
    // Used chunks are dropped once they are half of the array: so each chunk is moved once at most.
    if (this.#first * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    return chunk;
  }

  #newSlab(): void {
    this.#closeSlab();
    const byteCount = Math.min(Math.max(this.#slab.length * 2, firstSlabBytes), lastSlabBytes);
    // Not filled with zeros: its bytes are read only after they were written.
    this.#slab = new Uint8Array(Buffer.allocUnsafeSlow(byteCount).buffer);
    this.#start = 0;
    this.#end = 0;
  }

  #closeSlab(): void {
    if (this.#end === this.#start) return;
    const last = this.#chunks.length - 1;
    const before = last >= this.#first ? this.#chunks[last] : undefined;
    // Bytes that follow the last chunk in the same slab lengthen it: no copy joins them later.
    const isNext =
      before?.buffer === this.#slab.buffer && before.byteOffset + before.length === this.#start;
    const start = isNext ? before.byteOffset : this.#start;
    const chunk = this.#slab.subarray(start, this.#end);
    if (isNext) this.#chunks[last] = chunk;
    else this.#chunks.push(chunk);
    this.#start = this.#end;
  }
}
