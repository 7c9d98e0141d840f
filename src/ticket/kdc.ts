import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

import { abortError, KpropError } from '../errors/kprop-error.ts';
import { ByteReader, ByteWriter, concat } from '../protocol/bytes.ts';
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
  /** Only KDCs that are known to write the database. */
  readonly primaryOnly?: boolean;
  readonly signal?: AbortSignal;
  /** Whether bytes are a reply of a KDC at all: others, which anybody may send, are passed over. */
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
 * The first acceptable reply of any KDC of the realm, and who gave it; else the last one declined, or
 * the last that was no reply. Three passes over all servers take 3·U + T + 14 s at most for U UDP and
 * T TCP addresses, plus 10 s if a TCP connection was made.
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

/** One address over one transport. */
interface Attempt {
  readonly server: KdcServer;
  readonly address: KdcAddress;
  readonly transport: 'udp' | 'tcp';
  state: 'new' | 'live' | 'dead';
  line?: Line;
  /** performance.now() until which an established TCP connection is waited for. */
  patientUntil: number;
}

interface Line {
  send(): void;
  close(): void;
}

interface LineEvents {
  established(): void;
  reply(bytes: Uint8Array): void;
  failed(): void;
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
    for (const attempt of this.#attempts) attempt.line?.close();
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
        // A TCP connection that was made once is only listened to.
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
    // Port 0 goes with the target "." of an SRV record: no such service here (RFC 2782).
    const addresses = this.#over || port === 0 ? [] : await this.#resolver.addresses(host);
    if (addresses.length === 0) this.#unresolved.push(host);
    return transports.flatMap((each) =>
      addresses.map((address): Attempt => {
        return { server, address, transport: each, state: 'new', patientUntil: 0 };
      }),
    );
  }

  /** Sends the request to one address, once more if need be, and listens to all for a second. */
  async #contact(attempt: Attempt): Promise<void> {
    if (this.#over || attempt.state === 'dead') return;
    if (attempt.state === 'new') {
      attempt.state = 'live';
      const open = attempt.transport === 'udp' ? udpLine : tcpLine;
      attempt.line = open(attempt.address, attempt.server.port, this.#request, {
        established: () => {
          attempt.patientUntil = performance.now() + TCP_PATIENCE_SECONDS * this.#secondMillis;
          this.#wake();
        },
        reply: (bytes) => this.#take(bytes, attempt),
        failed: () => this.#bury(attempt),
      });
    } else {
      attempt.line?.send();
    }
    await this.#wait(1, attempt);
  }

  /** Ends early once `asked`, or everybody, is dead; late while a TCP connection may yet answer. */
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
    // By UDP the KDC's own answer may follow, and it is asked again in the next pass.
    if (attempt.transport === 'tcp') this.#bury(attempt);
  }

  #bury(attempt: Attempt): void {
    attempt.state = 'dead';
    attempt.line?.close();
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

/** A connected socket: the kernel hands on ICMP errors, and datagrams of nobody else. */
function udpLine(to: KdcAddress, port: number, request: Uint8Array, on: LineEvents): Line {
  const socket = createSocket(to.family === 6 ? 'udp6' : 'udp4');
  let state: 'connecting' | 'connected' | 'closed' = 'connecting';
  const send = () => {
    if (state === 'connected') socket.send(request);
  };
  socket.on('connect', () => {
    if (state === 'connecting') state = 'connected';
    send();
  });
  socket.on('message', (datagram) => on.reply(new Uint8Array(datagram)));
  socket.on('error', on.failed);
  socket.connect(port, to.address);
  const close = () => {
    if (state !== 'closed') socket.close();
    state = 'closed';
  };
  return { send, close };
}

/** Messages both ways behind their length in 4 bytes, RFC 4120 §7.2.2. */
function tcpLine(to: KdcAddress, port: number, request: Uint8Array, on: LineEvents): Line {
  const socket = connect({ host: to.address, port });
  let received: Uint8Array[] = [];
  let receivedBytes = 0;
  let wantedBytes = LENGTH_BYTES;
  socket.on('connect', () => {
    socket.write(new ByteWriter().uint32(request.length).bytes(request).finish());
    on.established();
  });
  socket.on('data', (chunk) => {
    received.push(chunk);
    receivedBytes += chunk.length;
    if (receivedBytes < wantedBytes) return;
    const stream = concat(...received);
    received = [stream];
    wantedBytes = LENGTH_BYTES + new ByteReader(stream, 'reply of the KDC').uint32();
    if (wantedBytes > LENGTH_BYTES + LONGEST_REPLY_BYTES) on.failed();
    else if (receivedBytes >= wantedBytes) on.reply(stream.slice(LENGTH_BYTES, wantedBytes));
  });
  socket.on('error', on.failed);
  socket.on('close', on.failed);
  return { send: () => {}, close: () => socket.destroy() };
}

const LENGTH_BYTES = 4;
const LONGEST_REPLY_BYTES = 1 << 20;
const TCP_PATIENCE_SECONDS = 10;
