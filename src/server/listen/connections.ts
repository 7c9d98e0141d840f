import type { Socket } from 'node:net';

import { KpropError } from '../../errors/kprop-error.ts';
import { tell } from '../../host/tell.ts';
import type { ReadTarget } from '../../protocol/channel/stream-channel.ts';
import type { ServeOptions } from '../options.ts';
import type { Replica } from '../replica.ts';
import { Arrivals } from './arrivals.ts';
import { connectionLimits } from './connection-limits.ts';
import { DropTally } from './drop-tally.ts';
import { KnownPeers } from './known-peers.ts';
import { peerGroupOf } from './peer-group.ts';
import { Propagations } from './propagations.ts';
import { type Served, startServing } from './served.ts';
import { StrangerPool } from './stranger-pool.ts';

/** The connections of one server: decides which are served, and ends them when told to. */
export class ConnectionRegistry {
  readonly #replica: Replica;
  readonly #options: ServeOptions;
  readonly #strangers: StrangerPool<AbortController>;
  /** Not authenticated yet, but from known addresses. Strangers cannot take these places. */
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
    this.#drops = new DropTally((event) => tell(options.onEvent, { ...event, connection: 0 }));
  }

  /** Looks up the hosts that the ACL names, until `end`. */
  watchAcl(): void {
    this.#known.start();
  }

  /** Serves a socket or drops it; `open` may replace it by one that reads into the target. */
  accept(socket: Socket, open: (target: ReadTarget) => Socket = () => socket): void {
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
      // A reset leaves nothing behind in the kernel. Only TCP sockets can send one.
      if (socket.remoteAddress === undefined) socket.destroy();
      else socket.resetAndDestroy();
      return;
    }
    verdict.instead?.abort(
      new KpropError('aborted', { reason: 'too many connections that did not authenticate' }),
    );
    const { newcomer: control } = verdict;
    this.#count += 1;
    const served = startServing(socket, {
      open,
      replica: this.#replica,
      connection: this.#count,
      control,
      tell: (event) => tell(this.#options.onEvent, event),
      permit: (client) => {
        const leave = this.#propagations.enter(client);
        pool.remove(group, control);
        this.#known.remember(group);
        return leave;
      },
    });
    this.#running.add(served);
    void served.done.then(() => {
      pool.remove(group, control);
      this.#running.delete(served);
    });
  }

  /** Drops strangers and stalled primaries, or everybody, and watches the ACL no more. */
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
    for (const { channel } of this.#running) channel.hurry(this.#replica.limits.stallMillis);
  }

  /** Resolves when nobody is served any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running].map(({ done }) => done));
  }
}

/** A fraction in [0, 1). */
function chanceFrom(random: Uint8Array): number {
  return new DataView(random.buffer, random.byteOffset).getUint32(0) / 2 ** 32;
}
