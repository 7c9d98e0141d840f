import type { Socket } from 'node:net';

import { KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from '../../protocol/channel/channel.ts';
import { channelOver, type Intake } from '../../protocol/channel/stream-channel.ts';
import { directionalAddress, hostAddressOf } from '../../protocol/krb5/messages/address.ts';
import { descriptorOf } from '../adopt.ts';
import { after } from '../after.ts';
import { type ConnectionEvent, type Replica, serveConnection } from '../connection.ts';
import { type ServeOptions, tell } from '../options.ts';
import { Arrivals } from './arrivals.ts';
import { connectionLimits } from './connection-limits.ts';
import { DropTally } from './drop-tally.ts';
import { KnownPeers } from './known-peers.ts';
import { peerGroupOf } from './peer-group.ts';
import { Propagations } from './propagations.ts';
import { StrangerPool } from './stranger-pool.ts';

/** One connection that is served. */
interface Served {
  readonly control: AbortController;
  readonly channel: Channel;
  readonly done: Promise<void>;
}

/** The connections of one server: it decides who is served, and ends them when told. */
export class ConnectionRegistry {
  readonly #replica: Replica;
  readonly #options: ServeOptions;
  readonly #strangers: StrangerPool<AbortController>;
  /** Strangers, too, but where a primary is to be expected: nobody else can take their room. */
  readonly #expected: StrangerPool<AbortController>;
  readonly #arrivals: Arrivals;
  readonly #propagations: Propagations;
  readonly #known: KnownPeers;
  readonly #drops: DropTally;
  readonly #running = new Set<Served>();
  #count = 0;

  constructor(replica: Replica, options: ServeOptions) {
    this.#replica = replica;
    this.#options = options;
    const limits = connectionLimits(options);
    const ambient = {
      chance: () => chanceFrom(replica.ambient.random(4)),
      nowMillis: () => performance.now(),
    };
    this.#strangers = new StrangerPool(limits.strangers, ambient);
    this.#expected = new StrangerPool(limits.known, ambient);
    this.#arrivals = new Arrivals(limits.arrivalsPerSecond);
    this.#propagations = new Propagations(limits);
    this.#known = new KnownPeers(options.acl);
    this.#drops = new DropTally((event) => tell(options, { ...event, connection: 0 }));
  }

  /** Learns from the ACL where primaries are, until `close`. */
  watchAcl(): void {
    this.#known.start();
  }

  /** Serves a socket or drops it; `open` may replace it by one that reads into the intake. */
  accept(socket: Socket, open: (intake: Intake) => Socket = () => socket): void {
    const address = socket.remoteAddress ?? 'unknown address';
    const group = peerGroupOf(address);
    const expected = this.#known.has(group);
    const pool = expected ? this.#expected : this.#strangers;
    const verdict =
      expected || this.#arrivals.admit(group, performance.now())
        ? pool.admit(group, () => new AbortController())
        : ({ kind: 'dropped' } as const);
    if (verdict.kind === 'dropped') {
      this.#drops.add(group);
      // A reset leaves nothing behind in the kernel. Other sockets than those of TCP know none.
      if (socket.remoteAddress === undefined) socket.destroy();
      else socket.resetAndDestroy();
      return;
    }
    verdict.instead?.abort(
      new KpropError('aborted', { reason: 'too many connections that did not authenticate' }),
    );
    const { newcomer: control } = verdict;
    this.#serve(socket, open, address, control, {
      permit: (client) => {
        const leave = this.#propagations.enter(client);
        pool.remove(group, control);
        this.#known.remember(group);
        return leave;
      },
      remove: () => pool.remove(group, control),
    });
  }

  /**
   * Drops strangers, and primaries that have stalled; or everybody. Listens to the ACL no more.
   */
  end(whom: 'unhurried' | 'all'): void {
    this.#known.stop();
    this.#drops.flush();
    const reason = new KpropError('aborted', { reason: 'the server is shutting down' });
    if (whom === 'all') {
      for (const { control } of this.#running) control.abort(reason);
      return;
    }
    for (const pool of [this.#strangers, this.#expected]) {
      for (const control of pool.members()) control.abort(reason);
    }
    for (const { channel } of this.#running) channel.hurry(this.#replica.limits.stall);
  }

  /** Resolves when nobody is served any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running].map(({ done }) => done));
  }

  #serve(
    socket: Socket,
    open: (intake: Intake) => Socket,
    address: string,
    control: AbortController,
    membership: { permit(client: string): () => void; remove(): void },
  ): void {
    this.#count += 1;
    const connection = this.#count;
    // Ends a load, and leaves the connection: its primary is there, and is told.
    const load = new AbortController();
    let received = false;
    const onEvent = (event: ConnectionEvent) => {
      received ||= event.kind === 'received';
      tell(this.#options, { ...event, connection });
    };
    const peer = `${address} port ${socket.remotePort ?? 0}`;
    const { authenticate, total } = this.#replica.limits;
    // From the first byte to the last of the hand-shake: who sends a byte now and then is a stranger, too.
    const strangerTimer = after(authenticate, () => {
      const detail = { peer, while: 'authenticating', millis: authenticate };
      control.abort(new KpropError('network.timeout', detail));
    });
    const timer = after(total, () => {
      const error = new KpropError('server.timeout', { millis: total });
      load.abort(error);
      if (!received) control.abort(error);
    });
    onEvent({ kind: 'connected', address });
    // It went away before this call, and will not say so again.
    if (socket.destroyed) {
      control.abort(new KpropError('network.closed', { peer, while: 'authenticating' }));
    }
    const descriptor = descriptorOf(socket);
    const channel = channelOver(open, {
      local: hostAddressOf(socket.localAddress ?? '') ?? directionalAddress('server'),
      remote: hostAddressOf(address) ?? directionalAddress('client'),
      peer,
      signal: control.signal,
    });
    let leave: () => void = () => undefined;
    const done = serveConnection(channel, {
      replica: this.#replica,
      descriptor,
      signal: AbortSignal.any([control.signal, load.signal]),
      onEvent,
      onPermitted: (client) => {
        leave = membership.permit(client);
        clearTimeout(strangerTimer);
      },
    }).finally(() => {
      clearTimeout(strangerTimer);
      clearTimeout(timer);
      membership.remove();
      leave();
      this.#running.delete(served);
    });
    const served = { control, channel, done };
    this.#running.add(served);
  }
}

/** A fraction from 0 up to, and without, 1. */
function chanceFrom(random: Uint8Array): number {
  return new DataView(random.buffer, random.byteOffset).getUint32(0) / 2 ** 32;
}
