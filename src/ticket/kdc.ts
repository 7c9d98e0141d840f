import { abortError, KpropError } from '../errors/kprop-error.ts';
import { exchangeByTcp, exchangeByUdp, type KdcExchange } from './kdc-exchange.ts';
import {
  type KdcAddress,
  type KdcConfig,
  type KdcResolver,
  type KdcServer,
  locateKdcs,
  systemResolver,
} from './locate-kdc.ts';

export type { KdcConfig, KdcResolver, KdcServer } from './locate-kdc.ts';

export interface AskOptions {
  readonly realm: string;
  readonly config: KdcConfig;
  /** After KRB_ERR_RESPONSE_TOO_BIG (52). */
  readonly tcpOnly?: boolean;
  /** Only KDCs that are known to hold the database that is written. */
  readonly primaryOnly?: boolean;
  readonly signal?: AbortSignal;
  /** Whether bytes are a reply of a KDC at all: anybody may send others, and they are ignored. */
  readonly isReply?: (bytes: Uint8Array) => boolean;
  /** False lets the search go on, as KDC_ERR_SVC_UNAVAILABLE (29) should. */
  readonly accept?: (reply: Uint8Array) => boolean;
  readonly resolver?: KdcResolver;
  /** Length of a second of the schedule, for tests. */
  readonly secondMillis?: number;
}

export interface KdcAnswer {
  readonly reply: Uint8Array;
  readonly server: KdcServer;
}

/**
 * The first reply of any KDC of the realm that `accept` takes, and the KDC that sent it; else the last
 * that it declined, or what came and was no reply. Three passes over all servers take at most
 * 3·U + T + 14 s for U UDP and T TCP addresses, plus 10 s if a TCP connection was made.
 * @throws kdc.unknown-realm, kdc.unresolved, kdc.unreachable, config.value, aborted
 * @see MIT krb5, sendto_kdc.c; RFC 4120 §7.2
 */
export async function askKdc(request: Uint8Array, o: AskOptions): Promise<KdcAnswer> {
  const search = new KdcSearch(request, o);
  try {
    return await search.answer;
  } finally {
    search.close();
  }
}

/** How long a KDC may take once a TCP connection to it is made (sendto_kdc.c). */
const tcpPatienceSeconds = 10;

/** One address over one transport. */
interface Attempt {
  readonly server: KdcServer;
  readonly address: KdcAddress;
  readonly transport: 'udp' | 'tcp';
  state: 'new' | 'live' | 'dead';
  exchange?: KdcExchange;
  /** performance.now() until which a TCP connection that was made is waited for. */
  patientUntil: number;
}

class KdcSearch {
  readonly answer: Promise<KdcAnswer>;
  readonly #request: Uint8Array;
  readonly #o: AskOptions;
  readonly #secondMillis: number;
  readonly #resolver: KdcResolver;
  readonly #preferred: 'udp' | 'tcp';
  readonly #attempts: Attempt[] = [];
  readonly #notTried: string[] = [];
  readonly #unresolved: string[] = [];
  readonly #cleanup: (() => void)[] = [];
  #declined?: KdcAnswer;
  #over = false;
  #wake: () => void = () => {};
  #resolve!: (answer: KdcAnswer) => void;
  #reject!: (error: unknown) => void;

  constructor(request: Uint8Array, o: AskOptions) {
    this.#request = request;
    this.#o = o;
    this.#secondMillis = o.secondMillis ?? 1000;
    this.#resolver = o.resolver ?? systemResolver();
    this.#preferred = o.tcpOnly || request.length > o.config.udpPreferenceLimit ? 'tcp' : 'udp';
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#watchTheEnd();
    this.#schedule().then(() => this.#giveUp(), this.#reject);
  }

  close(): void {
    this.#over = true;
    this.#wake();
    for (const attempt of this.#attempts) attempt.exchange?.close();
    for (const undo of this.#cleanup) undo();
  }

  #watchTheEnd(): void {
    const { signal, config } = this.#o;
    if (signal) {
      const abort = () => this.#reject(abortError(signal.reason));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      this.#cleanup.push(() => signal.removeEventListener('abort', abort));
    }
    if (config.requestTimeoutSeconds > 0) {
      const limitMillis = config.requestTimeoutSeconds * this.#secondMillis;
      const timer = setTimeout(() => this.#giveUp(), limitMillis);
      this.#cleanup.push(() => clearTimeout(timer));
    }
  }

  /** Returns when every pass is over or every server is known to be dead. */
  async #schedule(): Promise<void> {
    if (this.#o.signal?.aborted) return;
    const { realm, config, primaryOnly = false } = this.#o;
    const servers = await locateKdcs(realm, config, { primaryOnly, resolver: this.#resolver });
    for (const server of servers) {
      const found = await this.#attemptsAt(server);
      if (this.#over) return;
      this.#attempts.push(...found);
      for (const attempt of found) {
        if (attempt.transport === this.#preferred) await this.#contact(attempt);
      }
    }
    for (const attempt of this.#attempts) {
      if (attempt.state === 'new') await this.#contact(attempt);
    }
    await this.#wait(2);
    for (const pauseSeconds of [4, 8]) {
      for (const attempt of this.#attempts) {
        // By TCP nothing gets lost: there it is enough to wait.
        if (attempt.transport === 'udp') await this.#contact(attempt);
      }
      await this.#wait(pauseSeconds);
    }
  }

  async #attemptsAt(server: KdcServer): Promise<Attempt[]> {
    const { host, port, transport } = server;
    const transports = (['udp', 'tcp'] as const).filter(
      (each) =>
        (transport === 'either' || transport === each) && !(each === 'udp' && this.#o.tcpOnly),
    );
    if (transports.length === 0) {
      this.#notTried.push(transport === 'kkdcp' ? host : `${host} ${port}/${transport}`);
      return [];
    }
    // An SRV record whose target is "." has port 0: the service does not exist here (RFC 2782).
    const addresses = this.#over || port === 0 ? [] : await this.#resolver.addresses(host);
    if (addresses.length === 0) this.#unresolved.push(host);
    return transports.flatMap((each) =>
      addresses.map((address): Attempt => {
        return { server, address, transport: each, state: 'new', patientUntil: 0 };
      }),
    );
  }

  /** Sends the request to one address, for the first time or again, and listens to all for a second. */
  async #contact(attempt: Attempt): Promise<void> {
    if (this.#over || attempt.state === 'dead') return;
    if (attempt.state === 'new') {
      attempt.state = 'live';
      const begin = attempt.transport === 'udp' ? exchangeByUdp : exchangeByTcp;
      attempt.exchange = begin(attempt.address, attempt.server.port, this.#request, {
        connected: () => {
          attempt.patientUntil = performance.now() + tcpPatienceSeconds * this.#secondMillis;
          this.#wake();
        },
        reply: (bytes) => this.#take(bytes, attempt),
        failed: () => this.#bury(attempt),
      });
    } else {
      attempt.exchange?.resend();
    }
    await this.#wait(1, attempt);
  }

  /** Ends early once `asked`, or every attempt, is dead; late while a TCP connection may still answer. */
  async #wait(seconds: number, asked?: Attempt): Promise<void> {
    const end = performance.now() + seconds * this.#secondMillis;
    for (;;) {
      const live = this.#attempts.filter(({ state }) => state === 'live');
      if (this.#over || asked?.state === 'dead' || live.length === 0) return;
      const until = Math.max(end, ...live.map(({ patientUntil }) => patientUntil));
      const leftMillis = until - performance.now();
      if (leftMillis <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMillis);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #take(reply: Uint8Array, attempt: Attempt): void {
    const answer = { reply, server: attempt.server };
    try {
      if (!(this.#o.isReply?.(reply) ?? true)) this.#declined ??= answer;
      else if (this.#o.accept?.(reply) ?? true) this.#resolve(answer);
      else this.#declined = answer;
    } catch (error) {
      this.#reject(error);
    }
    // By UDP a forged reply may have come first: the KDC's own may follow, and is asked for again.
    if (attempt.transport === 'tcp') this.#bury(attempt);
  }

  #bury(attempt: Attempt): void {
    attempt.state = 'dead';
    attempt.exchange?.close();
    this.#wake();
  }

  #giveUp(): void {
    if (this.#declined) this.#resolve(this.#declined);
    const { realm } = this.#o;
    const contacted = this.#attempts
      .filter(({ state }) => state !== 'new')
      .map(({ server, transport }) => `${server.host} ${server.port}/${transport}`);
    const hosts = [...new Set(this.#unresolved)];
    const others = hosts.map((host) => `${host} (does not resolve)`);
    const tried = contacted.length > 0 ? [...contacted, ...others] : this.#notTried;
    this.#reject(
      contacted.length === 0 && hosts.length > 0
        ? new KpropError('kdc.unresolved', { realm, hosts })
        : new KpropError('kdc.unreachable', { realm, tried: [...new Set(tried)] }),
    );
  }
}
