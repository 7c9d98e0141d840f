import type { Duplex } from 'node:stream';

import { abortError, KpropError } from '../../errors/kprop-error.ts';
import type { Address, Channel } from './channel.ts';
import { IdleTimer } from './idle-timer.ts';
import { Inbox } from './inbox.ts';

export interface ChannelOptions {
  readonly local: Address;
  readonly remote: Address;
  readonly peer: string;
  readonly signal?: AbortSignal | undefined;
}

/** Above this many unread bytes the sender is held back (TCP's window closes). */
const highWaterBytes = 1 << 20;

/** Where what arrives may be put at once: the `onread` option of net.Socket. */
export interface Intake {
  buffer(): Uint8Array;
  callback(byteCount: number): boolean;
}

/**
 * A Channel over a socket, a pipe or a test's stream. It takes the stream over. A function makes
 * the stream, and may let it read straight into the intake; else the stream emits 'data'.
 */
export function channelOver(
  stream: Duplex | ((intake: Intake) => Duplex),
  options: ChannelOptions,
): Channel {
  return new StreamChannel(stream, options);
}

class StreamChannel implements Channel {
  readonly local: Address;
  readonly remote: Address;
  readonly peer: string;
  readonly #stream: Duplex;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#fail(abortError(this.#signal?.reason));
  #step = 'connecting';
  readonly #idle = new IdleTimer((millis) => this.#onIdle(millis));
  readonly #inbox = new Inbox();
  #waiter: { byteCount: number; resolve(b: Uint8Array): void; reject(e: Error): void } | undefined;
  /** Something else is waited for, and given up when the connection is. */
  #elsewhere: ((error: Error) => void) | undefined;
  #drained: { resolve(): void; reject(error: Error): void } | undefined;
  #ended = false;
  #failure: Error | undefined;
  #interruption: Error | undefined;

  constructor(source: Duplex | ((intake: Intake) => Duplex), options: ChannelOptions) {
    this.local = options.local;
    this.remote = options.remote;
    this.peer = options.peer;
    this.#signal = options.signal;
    const filled = (byteCount: number) => {
      this.#onArrival(() => this.#inbox.filled(byteCount));
      return true;
    };
    const intake: Intake = { buffer: () => this.#inbox.room(), callback: filled };
    const stream = typeof source === 'function' ? source(intake) : source;
    this.#stream = stream;
    stream.on('data', (chunk: Uint8Array) => this.#onArrival(() => this.#inbox.push(chunk)));
    stream.on('end', () => this.#onEnd());
    stream.on('drain', () => this.#onDrain());
    stream.on('error', (error: NodeJS.ErrnoException) =>
      this.#fail(this.#failed(error.code ?? error.message, { cause: error })),
    );
    stream.on('close', () => this.#onClose());
    if (this.#signal?.aborted) this.#onAbort();
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get arrived(): number {
    return this.#inbox.arrived;
  }

  during(step: string, idleMillis: number): void {
    this.#step = step;
    this.#idle.set(idleMillis);
    this.#rearm();
  }

  hurry(idleMillis: number): void {
    this.#idle.cap(idleMillis);
    this.#rearm();
  }

  peek(byteCount: number): Uint8Array | undefined {
    return this.#inbox.peek(byteCount);
  }

  take(byteCount: number): Uint8Array | undefined {
    const taken = this.#inbox.take(byteCount);
    if (this.arrived < highWaterBytes && this.#stream.isPaused()) this.#stream.resume();
    return taken;
  }

  read(byteCount: number): Promise<Uint8Array> {
    const ready = this.take(byteCount);
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.reject(this.#closedByPeer());
    if (this.#waiter !== undefined) throw new Error('two reads at once on one channel');
    const interruption = this.#interruption;
    this.#interruption = undefined;
    if (interruption !== undefined) return Promise.reject(interruption);
    return new Promise((resolve, reject) => {
      this.#waiter = { byteCount, resolve, reject };
      if (this.#stream.isPaused()) this.#stream.resume();
      this.#rearm();
    });
  }

  write(...parts: readonly Uint8Array[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#stream.cork();
    for (const part of parts) this.#stream.write(part);
    this.#stream.uncork();
    if (!this.#stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#drained = { resolve, reject };
      this.#rearm();
    });
  }

  waitFor<T>(work: Promise<T>): Promise<T> {
    // Also where nobody waits for it any more.
    work.catch(() => undefined);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    // What writing would give once a peer has left while we have more to say.
    if (this.#ended) return Promise.reject(this.#failed('EPIPE'));
    return new Promise<T>((resolve, reject) => {
      this.#elsewhere = reject;
      this.#rearm();
      work.then(resolve, reject).finally(() => {
        this.#elsewhere = undefined;
        this.#rearm();
      });
    });
  }

  interrupt(error: Error): void {
    if (this.#waiter === undefined) this.#interruption = error;
    else {
      this.#waiter.reject(error);
      this.#waiter = undefined;
    }
  }

  async finish(limits: { lingerMillis: number; lingerBytes: number }): Promise<void> {
    // A socket closed with unread data is reset, and a reset can overtake our last message: the
    // peer would never read why we refused. So its data is read, and thrown away, for a while.
    this.#stream.end();
    this.during(this.#step, 0);
    let allowance = limits.lingerBytes - this.arrived;
    if (!this.#ended && this.#failure === undefined && allowance > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, limits.lingerMillis);
        const over = () => {
          clearTimeout(timer);
          resolve();
        };
        this.#elsewhere = over;
        this.#inbox.discard((byteCount) => {
          allowance -= byteCount;
          if (allowance <= 0) over();
        });
        this.#stream.resume();
        // Only where somebody is in a hurry.
        this.#rearm();
      });
    }
    this.close();
  }

  close(): void {
    this.#fail(new KpropError('aborted', { reason: 'the connection was closed on this side' }));
    this.#stream.destroy();
  }

  #onArrival(put: () => void): void {
    try {
      put();
      this.#serveWaiter();
    } catch (error) {
      // Whatever it is, it must not reach the process: other connections live in it.
      this.#fail(error as Error);
    }
  }

  #serveWaiter(): void {
    const waiter = this.#waiter;
    if (waiter !== undefined && this.arrived >= waiter.byteCount) {
      this.#waiter = undefined;
      waiter.resolve(this.take(waiter.byteCount) as Uint8Array);
    } else if (waiter !== undefined) {
      this.#rearm();
    } else if (this.arrived > highWaterBytes) {
      this.#stream.pause();
    }
  }

  #onEnd(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#idle.stop();
    this.#waiter?.reject(this.#closedByPeer());
    this.#waiter = undefined;
    this.#elsewhere?.(this.#failed('EPIPE'));
    this.#rearm();
  }

  /** Unlike an end, which leaves us the right to write. */
  #onClose(): void {
    this.#onEnd();
    this.#fail(this.#closedByPeer());
  }

  #onDrain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#rearm();
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#idle.stop();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#waiter?.reject(error);
    this.#waiter = undefined;
    this.#drained?.reject(error);
    this.#drained = undefined;
    this.#elsewhere?.(error);
    this.#stream.destroy();
  }

  get #waiting(): boolean {
    return (this.#waiter ?? this.#drained ?? this.#elsewhere) !== undefined;
  }

  #rearm(): void {
    if (this.#waiting && this.#failure === undefined) this.#idle.wind();
  }

  #onIdle(millis: number): void {
    // It runs on when a wait is over, for another may not be, such as that of a write.
    if (!this.#waiting) return;
    this.#fail(new KpropError('network.timeout', { peer: this.peer, while: this.#step, millis }));
  }

  #closedByPeer(): KpropError {
    return new KpropError('network.closed', { peer: this.peer, while: this.#step });
  }

  #failed(errno: string, options?: ErrorOptions): KpropError {
    return new KpropError('network.failed', { peer: this.peer, while: this.#step, errno }, options);
  }
}
