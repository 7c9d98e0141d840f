import { lookupService } from 'node:dns/promises';

/**
 * The names of peers, for the log: by getnameinfo(3), so that they are those that MIT's kpropd logs. That
 * may wait for a DNS server for long, in one of the few threads that write files, too: so there is one
 * look-up at a time, and what is found is kept for a while.
 */
export class PeerNames {
  readonly #known = new Map<string, { readonly name: string | undefined; readonly at: number }>();
  readonly #lookUp: (address: string) => Promise<string | undefined>;
  #busy = false;

  constructor(lookUp = hostOf) {
    this.#lookUp = lookUp;
  }

  /** undefined if it has none, if that is not known within a second, or if another one is looked up. */
  async nameOf(address: string): Promise<string | undefined> {
    const known = this.#known.get(address);
    if (known !== undefined && performance.now() - known.at < keptMillis) return known.name;
    if (this.#busy) return undefined;
    this.#busy = true;
    const found = this.#find(address);
    const late = new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), patienceMillis).unref();
    });
    return Promise.race([found, late]);
  }

  async #find(address: string): Promise<string | undefined> {
    const name = await this.#lookUp(address).catch(() => undefined);
    this.#busy = false;
    if (this.#known.size >= knownLimit) this.#known.clear();
    this.#known.set(address, { name, at: performance.now() });
    return name;
  }
}

async function hostOf(address: string): Promise<string | undefined> {
  return (await lookupService(address, 0)).hostname;
}

const keptMillis = 300_000;
const knownLimit = 256;
const patienceMillis = 1_000;
