import type { Duplex } from 'node:stream';

import { abortError, KpropError } from '../../errors/kprop-error.ts';
import type { Channel, Ends, Linger } from './channel.ts';
import { IdleTimer } from './idle-timer.ts';
import { Inbox } from './inbox.ts';

export interface ChannelOptions extends Ends {
  /** Ends the connection, with its reason as the error of whatever waits. */
  readonly signal?: AbortSignal | undefined;
}

/** Above this many unread bytes the sender is held back (TCP's window closes). */
const highWaterBytes = 1 << 20;

/** Memory into which the kernel copies what arrives: the `onread` option of net.Socket. */
export interface ReadTarget {
  buffer(): Uint8Array;
  callback(byteCount: number): boolean;
}

/**
 * A Channel over a socket, a pipe or a test's stream, which belongs to the channel from now on. A
 * function makes the stream, and may let it read straight into the target; else it emits 'data'.
 */
export function channelOver(
  stream: Duplex | ((target: ReadTarget) => Duplex),
  options: ChannelOptions,
): StreamChannel {
  return new StreamChannel(stream, options);
}

export type { StreamChannel };

/** The channel, and what only the owner of its stream needs. */
class StreamChannel implements Channel {
  readonly ends: Ends;
  readonly #stream: Duplex;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#fail(abortError(this.#signal?.reason));
  #step = 'connecting';
  readonly #idle = new IdleTimer((millis) => this.#onIdle(millis));
  readonly #inbox = new Inbox();
  #reading: { byteCount: number; resolve(b: Uint8Array): void; reject(e: Error): void } | undefined;
  #writing: { resolve(): void; reject(error: Error): void } | undefined;
  /** Ends the wait of `close` for the other side. */
  #endLinger: (() => void) | undefined;
  #endedByPeer = false;
  #failure: Error | undefined;
  #interruption: Error | undefined;

  constructor(source: Duplex | ((target: ReadTarget) => Duplex), options: ChannelOptions) {
    const { signal, ...ends } = options;
    this.ends = ends;
    this.#signal = signal;
    const target: ReadTarget = {
      buffer: () => this.#inbox.room(),
      callback: (byteCount) => {
        this.#onArrival(byteCount);
        return true;
      },
    };
    const stream = typeof source === 'function' ? source(target) : source;
    this.#stream = stream;
    stream.on('data', (chunk: Uint8Array) => this.#onArrival(chunk));
    stream.on('end', () => this.#onEnd());
    stream.on('drain', () => this.#onDrain());
    stream.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    stream.on('close', () => this.#onClose());
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Bytes that have arrived and were not read. */
  get arrived(): number {
    return this.#inbox.arrived;
  }

  during(step: string, idleMillis: number): void {
    this.#step = step;
    this.#idle.set(idleMillis);
    this.#restartIdle();
  }

  /** From now on nothing may stand still for longer than this, whatever `during` says. */
  hurry(idleMillis: number): void {
    this.#idle.cap(idleMillis);
    this.#restartIdle();
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
    if (this.#endedByPeer) return Promise.reject(this.#closedByPeer());
    if (this.#reading !== undefined) throw new Error('two reads at once on one channel');
    const interruption = this.#interruption;
    this.#interruption = undefined;
    if (interruption !== undefined) return Promise.reject(interruption);
    return new Promise((resolve, reject) => {
      this.#reading = { byteCount, resolve, reject };
      if (this.#stream.isPaused()) this.#stream.resume();
      this.#restartIdle();
    });
  }

  write(...parts: readonly Uint8Array[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#stream.cork();
    for (const part of parts) this.#stream.write(part);
    this.#stream.uncork();
    const written = this.#stream.writableNeedDrain
      ? new Promise<void>((resolve, reject) => {
          this.#writing = { resolve, reject };
        })
      : Promise.resolve();
    // A read may wait at the same time: for it, too, something has moved.
    this.#restartIdle();
    return written;
  }

  /** Gives up the read that is under way, or the next one, with this error; the connection remains. */
  interrupt(error: Error): void {
    if (this.#reading === undefined) this.#interruption = error;
    else {
      this.#reading.reject(error);
      this.#reading = undefined;
    }
  }

  async close(linger?: Linger): Promise<void> {
    // A socket closed with unread data is reset, and a reset can overtake our last message: the
    // peer would never read why we refused. So its data is read, and thrown away, for a while.
    if (linger !== undefined) await this.#linger(linger);
    this.#fail(new KpropError('aborted', { reason: 'the connection was closed on this side' }));
    this.#stream.destroy();
  }

  async #linger({ lingerMillis, lingerBytes }: Linger): Promise<void> {
    this.#stream.end();
    // Only `hurry` limits how long it may stand still.
    this.during(this.#step, 0);
    let allowance = lingerBytes - this.arrived;
    if (this.#endedByPeer || this.#failure !== undefined || allowance <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lingerMillis);
      const end = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#endLinger = end;
      this.#inbox.discard((byteCount) => {
        allowance -= byteCount;
        if (allowance <= 0) end();
      });
      this.#stream.resume();
      this.#restartIdle();
    });
  }

  /** A chunk that the stream gave, or the number of bytes that came into the read target. */
  #onArrival(arrived: Uint8Array | number): void {
    try {
      if (typeof arrived === 'number') this.#inbox.filled(arrived);
      else this.#inbox.push(arrived);
      this.#serveReading();
    } catch (error) {
      // Whatever it is, it must not reach the process: other connections live in it.
      this.#fail(error as Error);
    }
  }

  #serveReading(): void {
    const reading = this.#reading;
    if (reading !== undefined && this.arrived >= reading.byteCount) {
      this.#reading = undefined;
      reading.resolve(this.take(reading.byteCount) as Uint8Array);
    } else if (reading !== undefined) {
      this.#restartIdle();
    } else if (this.arrived > highWaterBytes) {
      this.#stream.pause();
    }
  }

  #onEnd(): void {
    if (this.#endedByPeer) return;
    this.#endedByPeer = true;
    this.#idle.stop();
    this.#reading?.reject(this.#closedByPeer());
    this.#reading = undefined;
    this.#endLinger?.();
    this.#restartIdle();
  }

  /** Unlike after an end, nothing can be written any more. */
  #onClose(): void {
    this.#onEnd();
    this.#fail(this.#closedByPeer());
  }

  #onDrain(): void {
    this.#writing?.resolve();
    this.#writing = undefined;
    this.#restartIdle();
  }

  #onError(error: NodeJS.ErrnoException): void {
    const detail = {
      peer: this.ends.peer,
      while: this.#step,
      errno: error.code ?? error.message,
    };
    this.#fail(new KpropError('network.failed', detail, { cause: error }));
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#idle.stop();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#reading?.reject(error);
    this.#reading = undefined;
    this.#writing?.reject(error);
    this.#writing = undefined;
    this.#endLinger?.();
    this.#stream.destroy();
  }

  get #waiting(): boolean {
    return (this.#reading ?? this.#writing ?? this.#endLinger) !== undefined;
  }

  #restartIdle(): void {
    if (this.#waiting && this.#failure === undefined) this.#idle.restart();
  }

  #onIdle(millis: number): void {
    // It runs on when a wait is over, for another may not be, such as that of a write.
    if (!this.#waiting) return;
    const detail = { peer: this.ends.peer, while: this.#step, millis };
    this.#fail(new KpropError('network.timeout', detail));
  }

  #closedByPeer(): KpropError {
    return new KpropError('network.closed', { peer: this.ends.peer, while: this.#step });
  }
}
