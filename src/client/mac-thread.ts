import { Worker } from 'node:worker_threads';
import type { Run } from '../protocol/crypto/cipher.ts';
import type { MacHelper, MacWork } from '../protocol/crypto/mac-helper.ts';

/** A longer run is not shared with the thread. */
const mostMessages = 64;
/** Room for the longest digest, SHA-512's. */
const digestBytes = 64;
/** So long the thread may be about one message; on a loaded machine it may get no core. */
const patienceMillis = 2000;

/** Indices of the numbers that owner and thread tell each other by. */
const mark = { turn: 0, left: 1, done: 2 } as const;

/**
 * A thread that computes the MACs of a run while its owner enciphers it. Both take the next message
 * from one counter: where the thread gets no core its owner does all the work, and it never waits
 * for more than the one message that the thread is about.
 */
export class MacThread implements MacHelper {
  readonly room: Uint8Array;
  readonly #work: MacWork;
  readonly #shared: Shared;
  #run: Run | undefined;
  #isShared = false;
  #lost = false;

  constructor(work: MacWork) {
    this.#work = work;
    const roomBytes = Math.ceil(work.roomBytes / 4) * 4;
    const memory = new SharedArrayBuffer(roomBytes + mostMessages * (8 + digestBytes) + 12);
    this.#shared = divide(memory, roomBytes, mostMessages, digestBytes);
    this.room = this.#shared.room;
    const { hash, macKey } = work;
    const workerData: ThreadData = {
      ...{ memory, roomBytes, mostMessages, digestBytes },
      ...{ hash, macKey },
    };
    // The thread's program is the text of functions: a bundle has no file for it.
    const program = `${divide}\n${claim}\n(${computeMacs})();`;
    const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
    const worker = new Worker(program, { eval: true, workerData, env: {}, resourceLimits });
    // Its owner does the work without it, and nobody has to know.
    worker.on('error', () => {
      this.#lost = true;
    });
    worker.unref();
  }

  begin(run: Run): void {
    this.#run = run;
    this.#isShared =
      !this.#lost && run.padded.buffer === this.room.buffer && run.messages.length <= mostMessages;
    if (!this.#isShared) return;
    const { starts, lengths, marks } = this.#shared;
    for (const [index, message] of run.messages.entries()) {
      starts[index] = message.byteOffset;
      lengths[index] = message.length;
    }
    Atomics.store(marks, mark.done, 0);
    // From here on messages can be claimed: all that is said of them is written.
    Atomics.store(marks, mark.left, run.messages.length);
    Atomics.add(marks, mark.turn, 1);
    Atomics.notify(marks, mark.turn);
  }

  finish(): Uint8Array[] {
    const { messages } = this.#run as Run;
    if (!this.#isShared) return messages.map(this.#work.sum);
    const { marks, digests } = this.#shared;
    // What the thread has not begun with is done here.
    const own = new Map<number, Uint8Array>();
    for (let index = claim(marks); index >= 0; index = claim(marks)) {
      own.set(index, this.#work.sum(messages[index] as Uint8Array));
    }
    this.#waitFor(messages.length - own.size);
    return messages.map((message, index) => {
      const at = index * digestBytes;
      const computed = () =>
        this.#lost ? this.#work.sum(message) : digests.slice(at, at + this.#work.macBytes);
      return own.get(index) ?? computed();
    });
  }

  close(): void {
    Atomics.store(this.#shared.marks, mark.turn, -1);
    Atomics.notify(this.#shared.marks, mark.turn);
  }

  #waitFor(count: number): void {
    const { marks } = this.#shared;
    for (;;) {
      const done = Atomics.load(marks, mark.done);
      if (done === count) return;
      if (Atomics.wait(marks, mark.done, done, patienceMillis) === 'timed-out') {
        // It may still write into what is shared: from now on nothing there is read.
        this.#lost = true;
        return;
      }
    }
  }
}

/** What owner and thread share, cut out of one memory. */
interface Shared {
  readonly room: Uint8Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly marks: Int32Array;
  readonly digests: Uint8Array;
}

interface ThreadData {
  readonly memory: SharedArrayBuffer;
  readonly roomBytes: number;
  readonly mostMessages: number;
  readonly digestBytes: number;
  readonly hash: string;
  readonly macKey: Uint8Array;
}

// The functions from here on run in the thread, too: they count on nothing outside of them.

function divide(memory: SharedArrayBuffer, roomBytes: number, count: number, digestBytes: number) {
  const numbers = new Int32Array(memory, roomBytes, 2 * count + 3);
  return {
    room: new Uint8Array(memory, 0, roomBytes),
    starts: numbers.subarray(0, count),
    lengths: numbers.subarray(count, 2 * count),
    marks: numbers.subarray(2 * count),
    digests: new Uint8Array(memory, roomBytes + numbers.byteLength, count * digestBytes),
  };
}

/** The index of a message that nobody else computes, or -1: `marks[1]` messages are left. */
function claim(marks: Int32Array): number {
  for (;;) {
    const left = Atomics.load(marks, 1);
    if (left <= 0) return -1;
    if (Atomics.compareExchange(marks, 1, left, left - 1) === left) return left - 1;
  }
}

function computeMacs(): void {
  const { createHmac } = process.getBuiltinModule('node:crypto');
  const { workerData } = process.getBuiltinModule('node:worker_threads');
  const { memory, roomBytes, mostMessages, digestBytes, hash, macKey } = workerData as ThreadData;
  const { room, starts, lengths, marks, digests } = divide(
    ...([memory, roomBytes, mostMessages, digestBytes] as const),
  );
  for (;;) {
    const turn = Atomics.load(marks, 0);
    if (turn < 0) return;
    for (let index = claim(marks); index >= 0; index = claim(marks)) {
      const start = starts[index] as number;
      const message = room.subarray(start, start + (lengths[index] as number));
      digests.set(createHmac(hash, macKey).update(message).digest(), index * digestBytes);
      Atomics.add(marks, 2, 1);
      Atomics.notify(marks, 2);
    }
    Atomics.wait(marks, 0, turn);
  }
}
