import { lookup } from 'node:dns/promises';
import { statSync } from 'node:fs';

import { errnoOf } from '../../errors/com-err.ts';
import { Acl } from '../acl.ts';
import { peerGroupOf } from './peer-group.ts';

/** How many authorized addresses are remembered. A replica has one primary, or a few. */
const rememberedPeers = 256;
/** Hosts that are looked up; an ACL with more lines than this does not list primaries. */
const resolvedHosts = 64;
const lookMillis = 10_000;
const resolveMillis = 300_000;

/**
 * The addresses from which a propagation is to be expected: those from which one was permitted
 * before, and those of the hosts that the ACL names. Connections from there have places of their own,
 * but must authenticate like all others, so a wrong answer of DNS lets nobody in.
 */
export class KnownPeers {
  readonly #aclPath: string;
  /** The address that was authorized last is the last. */
  readonly #authorized = new Set<string>();
  #resolved: ReadonlySet<string> = new Set();
  /** What each host of the ACL resolved to when DNS last answered. */
  readonly #groupsOf = new Map<string, readonly string[]>();
  #aclSeen = '';
  #resolvedAtMillis = Number.NEGATIVE_INFINITY;
  #resolving = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(aclPath: string) {
    this.#aclPath = aclPath;
  }

  /** Resolves the hosts of the ACL, now and soon after each change of it, until `stop`. */
  start(o: { readonly everyMillis?: number } = {}): void {
    void this.#look();
    this.#timer = setInterval(() => void this.#look(), o.everyMillis ?? lookMillis).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  has(group: string): boolean {
    return this.#authorized.has(group) || this.#resolved.has(group);
  }

  /** A peer at this address was permitted to propagate. */
  remember(group: string): void {
    this.#authorized.delete(group);
    this.#authorized.add(group);
    for (const oldest of this.#authorized) {
      if (this.#authorized.size <= rememberedPeers) break;
      this.#authorized.delete(oldest);
    }
  }

  async #look(): Promise<void> {
    const seen = stampOf(this.#aclPath);
    const fresh = performance.now() - this.#resolvedAtMillis < resolveMillis;
    if (this.#resolving || (fresh && seen === this.#aclSeen)) return;
    this.#resolving = true;
    this.#aclSeen = seen;
    const groups = new Set<string>();
    // One after the other: each look-up holds one of the few threads on which Node also reads and
    // writes files, and DNS may not answer for a long time.
    const hosts = Acl.read(this.#aclPath).hosts.slice(0, resolvedHosts);
    for (const host of hosts) {
      for (const group of await this.#groupsAt(host)) groups.add(group);
      // Each result counts at once, because the next look-up may take long.
      this.#resolved = new Set([...this.#resolved, ...groups]);
    }
    this.#resolved = groups;
    for (const host of this.#groupsOf.keys())
      if (!hosts.includes(host)) this.#groupsOf.delete(host);
    this.#resolvedAtMillis = performance.now();
    this.#resolving = false;
  }

  async #groupsAt(host: string): Promise<readonly string[]> {
    try {
      const found = await lookup(host, { all: true });
      this.#groupsOf.set(
        host,
        found.map(({ address }) => peerGroupOf(address)),
      );
    } catch (error) {
      // An attacker may keep DNS from answering. That must take no place away from a primary.
      if (errnoOf(error) === 'ENOTFOUND') this.#groupsOf.delete(host);
    }
    return this.#groupsOf.get(host) ?? [];
  }
}

/** A value that changes when the file does. */
function stampOf(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return '';
  }
}
