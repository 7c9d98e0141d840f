import { TokenBucket } from './token-bucket.ts';

/** How many unauthenticated connections may be open at once. */
export interface PoolLimits {
  readonly total: number;
  /** From one group of addresses (see peerGroupOf). */
  readonly perGroup: number;
}

/** The randomness and the clock of a pool. */
export interface PoolAmbient {
  /** A new random number in [0, 1). */
  chance(): number;
  /** A clock that never goes back. */
  nowMillis(): number;
}

/** Whether a newcomer is served, and which connection must end to make room for it. */
export type Verdict<T> =
  | { readonly kind: 'admitted'; readonly newcomer: T; readonly instead: T | undefined }
  | { readonly kind: 'dropped' };

interface Group<T> {
  readonly members: T[];
  readonly replacements: TokenBucket;
}

/** Above this part of the total, newcomers are dropped at random if their group holds a place already. */
const earlyDropFrom = 3 / 4;
/**
 * While all places are taken, this part of them goes to newcomers each second. If newcomers are few,
 * each gets one, so that connections that only wait shut nobody out. If they are many, few get one: a
 * connection then keeps its place for a fifth of a second with a chance above one half, which is
 * enough to authenticate from far away, and the connections that are dropped cost next to nothing.
 */
const replacedPerSecond = 3;

/**
 * The connections that have not authenticated, and the choice of those that end when there are too
 * many. It does not choose the oldest: under a fast attack that would always be a distant primary. It
 * chooses at random from the group that holds most places, so that a group with few finds room.
 */
export class StrangerPool<T> {
  readonly #limits: PoolLimits;
  readonly #ambient: PoolAmbient;
  readonly #groups = new Map<string, Group<T>>();
  readonly #replacements: TokenBucket;
  #size = 0;

  constructor(limits: PoolLimits, ambient: PoolAmbient) {
    this.#limits = limits;
    this.#ambient = ambient;
    this.#replacements = this.#bucketFor(limits.total);
  }

  get size(): number {
    return this.#size;
  }

  /** Decides about a newcomer. An admitted one joins the pool; the one that it replaces leaves. */
  admit(name: string, newcomer: () => T): Verdict<T> {
    const group = this.#groups.get(name);
    const own = group?.members.length ?? 0;
    const { total, perGroup } = this.#limits;
    let from: string | undefined;
    if (group !== undefined && own >= perGroup) {
      if (!group.replacements.take(this.#ambient.nowMillis())) return { kind: 'dropped' };
      from = name;
    } else if (this.#size >= total) {
      const [busiest, most] = this.#busiest();
      const isFair = own + 1 < most;
      if (!isFair && !this.#replacements.take(this.#ambient.nowMillis())) {
        return { kind: 'dropped' };
      }
      from = busiest;
    } else if (own > 0 && this.#ambient.chance() < this.#pressure()) {
      return { kind: 'dropped' };
    }
    const instead = from === undefined ? undefined : this.#removeAny(from);
    const admitted = newcomer();
    this.#add(name, admitted);
    return { kind: 'admitted', newcomer: admitted, instead };
  }

  remove(name: string, member: T): void {
    const at = this.#groups.get(name)?.members.indexOf(member) ?? -1;
    if (at >= 0) this.#removeAt(name, at);
  }

  members(): readonly T[] {
    return [...this.#groups.values()].flatMap(({ members }) => members);
  }

  /** From 0 (much room) to 1 (none). */
  #pressure(): number {
    const start = this.#limits.total * earlyDropFrom;
    return (this.#size - start) / (this.#limits.total - start);
  }

  /** The group that holds most places, chosen at random among equals, and how many it holds. */
  #busiest(): readonly [string, number] {
    let most = 0;
    let names: string[] = [];
    for (const [name, { members }] of this.#groups) {
      if (members.length > most) {
        most = members.length;
        names = [];
      }
      if (members.length === most) names.push(name);
    }
    return [names[Math.floor(this.#ambient.chance() * names.length)] ?? '', most];
  }

  #add(name: string, member: T): void {
    const group = this.#groups.get(name) ?? {
      members: [],
      replacements: this.#bucketFor(this.#limits.perGroup),
    };
    group.members.push(member);
    this.#groups.set(name, group);
    this.#size += 1;
  }

  #removeAny(name: string): T | undefined {
    const held = this.#groups.get(name)?.members.length ?? 0;
    return this.#removeAt(name, Math.floor(this.#ambient.chance() * held));
  }

  #removeAt(name: string, at: number): T | undefined {
    const members = this.#groups.get(name)?.members ?? [];
    const [removed] = members.splice(at, 1);
    if (members.length === 0) this.#groups.delete(name);
    if (removed !== undefined) this.#size -= 1;
    return removed;
  }

  #bucketFor(places: number): TokenBucket {
    const burst = Math.max(places / 4, 1);
    return new TokenBucket({ perSecond: places * replacedPerSecond, burst });
  }
}
