import { Duplex } from 'node:stream';

import type { HostAddress } from '../../../src/protocol/channel/channel.ts';
import { channelOver, type StreamChannel } from '../../../src/protocol/channel/stream-channel.ts';

/** Sees what one side wrote and says what the other side reads; `last`: and then the line is cut. */
export type Tap = (chunk: Uint8Array) => Uint8Array | { readonly last: Uint8Array };

export interface PairOptions {
  readonly toServer?: Tap;
  readonly toClient?: Tap;
  readonly clientAddress?: HostAddress;
  readonly serverAddress?: HostAddress;
  readonly clientSignal?: AbortSignal;
  readonly serverSignal?: AbortSignal;
}

export const clientAddress: HostAddress = { addrType: 2, address: Uint8Array.of(10, 0, 0, 1) };
export const serverAddress: HostAddress = { addrType: 2, address: Uint8Array.of(10, 0, 0, 2) };

/** Two channels joined in memory. */
export function channelPair(o: PairOptions = {}): { client: StreamChannel; server: StreamChannel } {
  const [near, far] = duplexPair(o);
  const [ours, theirs] = [o.clientAddress ?? clientAddress, o.serverAddress ?? serverAddress];
  const client = { local: ours, remote: theirs, peer: 'the server', signal: o.clientSignal };
  const server = { local: theirs, remote: ours, peer: 'the client', signal: o.serverSignal };
  return { client: channelOver(near, client), server: channelOver(far, server) };
}

/** Two streams that are each other's other end, as two sockets are. */
export function duplexPair(o: Pick<PairOptions, 'toServer' | 'toClient'> = {}): [End, End] {
  const near = new End(o.toServer);
  const far = new End(o.toClient);
  near.other = far;
  far.other = near;
  return [near, far];
}

export class End extends Duplex {
  other!: End;
  readonly #tap: Tap | undefined;
  #roomWanted: (() => void) | undefined;
  #ended = false;

  constructor(tap: Tap | undefined) {
    super();
    this.#tap = tap;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    // A copy: whoever reads may overwrite what it reads.
    const written = Uint8Array.from(chunk);
    const passed = this.#tap === undefined ? written : this.#tap(written);
    if (passed instanceof Uint8Array) {
      this.other.deliver(passed, done);
    } else {
      this.other.deliver(passed.last, () => undefined);
      this.other.hangUp();
      this.destroy();
      done();
    }
  }

  override _read(): void {
    const roomWanted = this.#roomWanted;
    this.#roomWanted = undefined;
    roomWanted?.();
  }

  override _final(done: () => void): void {
    this.other.hangUp();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.other.hangUp();
    this._read();
    done(error);
  }

  deliver(bytes: Uint8Array, done: (error?: Error) => void): void {
    if (this.destroyed || this.#ended) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    } else if (bytes.length === 0 || this.push(bytes)) {
      done();
    } else {
      this.#roomWanted = done;
    }
  }

  hangUp(): void {
    if (this.#ended || this.destroyed) return;
    this.#ended = true;
    this.push(null);
  }
}
