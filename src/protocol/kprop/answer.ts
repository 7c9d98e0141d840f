import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from '../channel/channel.ts';
import { readFrame } from '../channel/frame.ts';
import { refusedBy } from '../krb5/session/sendauth.ts';

/** The confirmation, or a KRB-ERROR in its place, is not longer than this. */
const answerLimitBytes = 64 * 1024;

/**
 * The one message with which a replica answers a dump. It is awaited from the start: a replica that
 * answers before it has the whole dump refuses it, and its reason says more than the broken pipe that
 * follows.
 */
export class ReplicaAnswer {
  readonly #channel: Channel;
  readonly #reading: Promise<Uint8Array>;
  #message: Uint8Array | undefined;
  /** Why no answer will come. */
  #failure: unknown;
  /** Ends the wait for a part of the dump. */
  #stopWaiting: (() => void) | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#reading = readFrame(channel, 'answer of the replica', answerLimitBytes);
    this.#reading.then(
      (message) => {
        this.#message = message;
        this.#stopWaiting?.();
      },
      (error: unknown) => {
        this.#failure = error;
        this.#stopWaiting?.();
      },
    );
  }

  /**
   * The message, whatever it is, once the whole dump is sent. `idleMillis` limits the load; 0: for ever.
   * @throws message.too-long, network.*, aborted
   */
  async afterAll(idleMillis: number): Promise<Uint8Array> {
    const step = 'waiting for the replica to load the database';
    this.#channel.during(step, idleMillis);
    // The replica may have hung up earlier, while we could still write: the error names this step.
    if (isKpropError(this.#failure, 'network.closed')) {
      throw new KpropError('network.closed', { ...this.#failure.detail, while: step });
    }
    return await this.#reading;
  }

  /**
   * Waits for a write. An answer after any but the `last` is a refusal, and ends the sending.
   * @throws peer.refused, session.bad-response, network.*, aborted
   */
  async duringWrite(write: Promise<void>, { last }: { readonly last: boolean }): Promise<void> {
    try {
      await write;
    } catch (error) {
      // The connection is lost: by now the answer has arrived, or never will.
      throw await this.#reading.then(
        (message) => refusedBy(this.#channel, message),
        () => error,
      );
    }
    if (!last && this.#message !== undefined) throw refusedBy(this.#channel, this.#message);
  }

  /**
   * What comes next of the dump, unless the replica answers or the connection ends before.
   * @throws peer.refused, session.bad-response, network.*, aborted, and what the work throws
   */
  duringWait<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#stopWaiting = () => reject(this.#whyToStop());
      work.then((value) => {
        this.#stopWaiting = undefined;
        resolve(value);
      }, reject);
      if (this.#message !== undefined || this.#failure !== undefined) this.#stopWaiting();
    });
  }

  #whyToStop(): unknown {
    if (this.#message !== undefined) return refusedBy(this.#channel, this.#message);
    if (!isKpropError(this.#failure, 'network.closed')) return this.#failure;
    // There is more to send, and this is what the next write would fail with.
    return new KpropError('network.failed', { ...this.#failure.detail, errno: 'EPIPE' });
  }
}
