import { keytabFile } from '../errors/advice.ts';
import { staleKey } from '../errors/kdc-advice.ts';
import { isKpropError, KpropError } from '../errors/kprop-error.ts';
import type { Ambient } from '../protocol/ambient.ts';
import { decode, encode } from '../protocol/der/schema.ts';
import { Key } from '../protocol/krb5/crypto/key.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { asRep, asReq, paEncTsEnc } from '../protocol/krb5/messages/as.ts';
import { isKrbError, type KrbError, readKrbError } from '../protocol/krb5/messages/error.ts';
import {
  kdcOptions,
  krbErrors,
  padataTypes,
  tags,
  usages,
} from '../protocol/krb5/messages/numbers.ts';
import { encryptedData, methodData, nameOf, type PaData } from '../protocol/krb5/messages/parts.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import { keyOf } from '../protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../protocol/krb5/session/credential.ts';
import { sealPart } from '../protocol/krb5/session/enc-part.ts';
import { openAsReply, type SentAsReq } from './as-reply.ts';
import { chosenEtype, etypesToAsk } from './etypes-to-ask.ts';
import { askKdc, type KdcServer } from './kdc.ts';
import { isPrimaryKdc } from './locate-kdc.ts';

export interface TicketOptions {
  readonly client: Principal;
  readonly server: Principal;
  readonly keytab: Keytab;
  readonly config: Krb5Config;
  readonly ambient: Ambient;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A KRB-ERROR is not protected: its clock is believed if it differs from ours by a day at most, and for
 * the next request only. The offset that is kept comes from the AS-REP, which the reply key protects.
 */
const believedOffsetMicros = 86_400 * 1_000_000;

/** The number of requests after which MIT's clients give up (krb5 get_in_tkt.c). */
const requestLimit = 16;

/**
 * A ticket for the service itself, from one AS exchange with a key of the keytab: it needs no TGT and
 * no credential cache. @throws keytab.no-key, kdc.*, crypto.*, decode.*
 */
export async function requestServiceTicket(options: TicketOptions): Promise<Credential> {
  const etypes = etypesToAsk(options);
  const first = new AsExchange(options, etypes, false);
  try {
    return await first.run();
  } catch (error) {
    // The database of a replica KDC may be older: the answer of the primary counts, if it gives one.
    const answered = first.server;
    const { server, config } = options;
    if (answered === undefined || isUnreachable(error)) throw error;
    if (await isPrimaryKdc(answered, server.realm, config)) throw error;
    try {
      return await new AsExchange(options, etypes, true).run();
    } catch (second) {
      throw isUnreachable(second) ? error : second;
    }
  }
}

/** One AS exchange: each request is made by what the KDC has asked for so far. */
class AsExchange {
  /** The KDC that answered last. */
  server: KdcServer | undefined;
  readonly #o: TicketOptions;
  readonly #etypes: readonly number[];
  readonly #primaryOnly: boolean;
  #tcpOnly = false;
  #negotiate = true;
  #preauth: readonly PaData[] | undefined;
  #clockOffsetMicros = 0;

  constructor(options: TicketOptions, etypes: readonly number[], primaryOnly: boolean) {
    this.#o = options;
    this.#etypes = etypes;
    this.#primaryOnly = primaryOnly;
  }

  async run(): Promise<Credential> {
    for (let requests = 0; requests < requestLimit; requests += 1) {
      const sentMicros = this.#o.ambient.nowMicros();
      const sent = this.#makeRequest();
      const message = await this.#ask(sent.message);
      if (!isKrbError(message)) return this.#accept(message, sent, sentMicros);
      this.#heed(readKrbError(message));
    }
    throw new KpropError('kdc.looping', { requests: requestLimit });
  }

  async #ask(message: Uint8Array): Promise<Uint8Array> {
    const { server, config, signal } = this.#o;
    const answer = await askKdc(message, {
      realm: server.realm,
      config,
      tcpOnly: this.#tcpOnly,
      primaryOnly: this.#primaryOnly,
      ...(signal && { signal }),
      isReply,
      accept: (reply) => !isServiceUnavailable(reply),
    });
    this.server = answer.server;
    return answer.reply;
  }

  #makeRequest(): SentAsReq {
    const { client, server, config, ambient } = this.#o;
    const nowSeconds = Math.floor(this.#kdcMicros() / 1_000_000);
    const renewSeconds = config.renewLifetimeSeconds(client.realm);
    const till = nowSeconds + config.ticketLifetimeSeconds(client.realm);
    const random = ambient.random(4);
    const nonce = new DataView(random.buffer, random.byteOffset).getUint32(0) & 0x7fffffff;
    const negotiation = this.#negotiate ? negotiationPadata : [];
    const padata = [...(this.#preauth ?? []), ...negotiation];
    const message = encode(asReq, {
      pvno: 5,
      msgType: tags.asReq,
      ...(padata.length > 0 && { padata }),
      reqBody: {
        kdcOptions: optionsToAsk(config, client.realm, renewSeconds > 0),
        cname: nameOf(client),
        realm: server.realm,
        sname: nameOf(server),
        till,
        ...(renewSeconds > 0 && { rtime: nowSeconds + renewSeconds }),
        nonce,
        etype: this.#etypes,
      },
    });
    return {
      message,
      client,
      server,
      etypes: this.#etypes,
      nonce,
      till,
      renewAsked: renewSeconds > 0,
    };
  }

  /** Prepares the next request as a KRB-ERROR asks for it. @throws kdc.error */
  #heed(answer: ReturnType<typeof readKrbError>): void {
    const { client, server } = this.#o;
    const { number } = answer;
    if (number === krbErrors.responseTooBig && !this.#tcpOnly) {
      this.#tcpOnly = true;
      return;
    }
    if (number === krbErrors.preauthRequired && this.#preauth === undefined) {
      this.#preauth = this.#preauthFor(answer.message);
      if (this.#preauth !== undefined) return;
    }
    if (number === krbErrors.preauthFailed && this.#preauth === undefined && this.#negotiate) {
      // KDCs older than RFC 6806 may fail over the negotiation items.
      this.#negotiate = false;
      return;
    }
    throw new KpropError('kdc.error', {
      number,
      text: answer.text,
      client: `${client}`,
      server: `${server}`,
      keytab: this.#o.keytab.name,
    });
  }

  /** The KDC's cookie and PA-ENC-TIMESTAMP; undefined if the KDC does not offer the latter. */
  #preauthFor(error: KrbError): readonly PaData[] | undefined {
    const { config, ambient } = this.#o;
    const offered = decode(methodData, error.eData ?? emptySequence);
    if (!offered.some(({ padataType }) => padataType === padataTypes.encTimestamp)) {
      return undefined;
    }
    if (config.kdcTimesync) {
      const offsetMicros = error.stime * 1_000_000 + error.susec - ambient.nowMicros();
      // A larger offset is not used: if our own clock is wrong, the KDC will say so.
      if (Math.abs(offsetMicros) <= believedOffsetMicros) this.#clockOffsetMicros = offsetMicros;
    }
    const nowMicros = this.#kdcMicros();
    const stamp = {
      patimestamp: Math.floor(nowMicros / 1_000_000),
      pausec: nowMicros % 1_000_000,
    };
    const key = this.#replyKey(chosenEtype(offered, this.#etypes));
    const sealed = sealPart(paEncTsEnc, stamp, key, usages.asReqTimestamp, { ambient });
    const cookies = offered.filter(({ padataType }) => padataType === padataTypes.fxCookie);
    const padataValue = encode(encryptedData, sealed);
    return [...cookies, { padataType: padataTypes.encTimestamp, padataValue }];
  }

  #accept(message: Uint8Array, sent: SentAsReq, sentMicros: number): Credential {
    const { client, server, config } = this.#o;
    const { ticket, part } = this.#open(message, sent);
    const startTime = part.starttime ?? part.authtime;
    const sentSeconds = Math.floor(sentMicros / 1_000_000);
    const seconds = Math.abs(startTime - sentSeconds);
    if (!config.kdcTimesync && seconds > config.clockSkewSeconds) {
      throw new KpropError('kdc.skew', { seconds });
    }
    return {
      client,
      server,
      sessionKey: keyOf(part.key),
      ticket,
      startTime,
      endTime: part.endtime,
      clockOffsetMicros: config.kdcTimesync ? (part.authtime - sentSeconds) * 1_000_000 : 0,
    };
  }

  #open(message: Uint8Array, sent: SentAsReq): ReturnType<typeof openAsReply> {
    try {
      return openAsReply(message, sent, (enctype) => this.#replyKey(enctype));
    } catch (error) {
      if (!isKpropError(error, 'crypto.integrity')) throw error;
      throw error.advise(
        staleKey({ client: `${this.#o.client}`, keytab: keytabFile(this.#o.keytab.name) }),
      );
    }
  }

  /** The keytab's newest key of the enctype, whatever kvno the reply names. */
  #replyKey(enctype: number): Key {
    return Key.of(enctype, this.#o.keytab.find(this.#o.client, 0, enctype).key);
  }

  /** The KDC's time: our own until an offset is known. */
  #kdcMicros(): number {
    return this.#o.ambient.nowMicros() + this.#clockOffsetMicros;
  }
}

function optionsToAsk(config: Krb5Config, realm: string, renew: boolean): number {
  let options = config.kdcDefaultOptions;
  if (renew) options = (options & ~kdcOptions.renewableOk) | kdcOptions.renewable;
  if (config.forwardable(realm)) options |= kdcOptions.forwardable;
  if (config.proxiable(realm)) options |= kdcOptions.proxiable;
  return options >>> 0;
}

/** Whether bytes have the form of an answer. Only the enc-part can prove that it is the KDC's. */
function isReply(bytes: Uint8Array): boolean {
  try {
    if (isKrbError(bytes)) readKrbError(bytes);
    else decode(asRep, bytes);
    return true;
  } catch (error) {
    // An answer of another protocol version is an answer.
    return isKpropError(error, 'message.bad-version');
  }
}

function isServiceUnavailable(reply: Uint8Array): boolean {
  return isKrbError(reply) && readKrbError(reply).number === krbErrors.serviceUnavailable;
}

function isUnreachable(error: unknown): boolean {
  return (
    isKpropError(error, 'kdc.unreachable') ||
    isKpropError(error, 'kdc.unresolved') ||
    isKpropError(error, 'kdc.unknown-realm')
  );
}

const emptyValue = new Uint8Array(0);
const negotiationPadata: readonly PaData[] = [
  { padataType: padataTypes.asFreshness, padataValue: emptyValue },
  { padataType: padataTypes.reqEncPaRep, padataValue: emptyValue },
];
const emptySequence = Uint8Array.of(0x30, 0);
