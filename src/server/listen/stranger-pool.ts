import { TokenBucket } from './token-bucket.ts';

/** How many connections may be open at once that have not authenticated yet. */
export interface PoolLimits {
  readonly total: number;
  /** Of one group of addresses: see peerGroupOf. */
  readonly perGroup: number;
}

/** What a pool takes from its surroundings. */
export interface PoolAmbient {
  /** A fresh random number from 0 up to, and without, 1. */
  chance(): number;
  /** A clock that never goes back. */
  nowMillis(): number;
}

/** Whether a newcomer is served, and who must go for it. */
export type Verdict<T> =
  | { readonly kind: 'admitted'; readonly newcomer: T; readonly instead: T | undefined }
  | { readonly kind: 'dropped' };

interface Group<T> {
  readonly members: T[];
  readonly replacements: TokenBucket;
}

/** From this part of the total on, newcomers are dropped at random if their group has one already. */
const earlyDropFrom = 3 / 4;
/**
 * Of so many places, this part is given to newcomers each second while all are taken. Against few
 * newcomers that is every one of them, so that connections which only wait shut nobody out. Against
 * many it is few: who is in has a fifth of a second, time enough to authenticate from far away,
 * with a chance above one half; and the others cost next to nothing.
 */
const replacedPerSecond = 3;

/**
 * Connections that have not authenticated, and which of them stay when they are too many. It is not
 * the oldest that goes: against a fast attacker that is always a primary that is far away. It is
 * any one of the group that holds most, so that who holds little always finds room.
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

  /** Decides about a newcomer, and keeps it if it is admitted; who must go for it is removed. */
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

  /** From 0, where there is much room, to 1, where there is none. */
  #pressure(): number {
    const start = this.#limits.total * earlyDropFrom;
    return (this.#size - start) / (this.#limits.total - start);
  }

  /** The group that holds most, one of them at random if there are several, and how many it holds. */
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
