import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { decode, encode } from '../../der/schema.ts';
import { applicationTag } from '../../der/tag.ts';
import { Key } from '../crypto/key.ts';
import type { Keytab } from '../formats/keytab.ts';
import { apRep, apReq, authenticator, encApRepPart } from '../messages/ap.ts';
import { apOptions, tags, ticketFlags, usages } from '../messages/numbers.ts';
import { type Checksum, type EncryptionKey, nameOf, principalOf } from '../messages/parts.ts';
import type { Principal } from '../messages/principal.ts';
import { type EncTicketPart, ticket as ticketCodec } from '../messages/ticket.ts';
import { openTicket } from './accept-ticket.ts';
import type { Credential } from './credential.ts';
import { openPart, sealPart } from './enc-part.ts';
import { type ReplayCache, replayTag } from './replay.ts';
import { requirePermitted, requireWithin } from './validity.ts';

/** What differs from one use of the AP exchange to another. */
export interface ApReqOptions {
  /** Flags of the table `apOptions`. Without `mutualRequired` the acceptor sends no AP-REP. */
  readonly apOptions: number;
  /** The initial sequence number, as `initialSequence` draws it; without one counting starts at 0. */
  readonly sequence: number | undefined;
  /** The client's choice of a key for what follows; without it that is the session key. */
  readonly subkey?: Key | undefined;
  /** What goes with the authenticator; of type 0x8003 for a GSS context (RFC 4121 §4.1.1). */
  readonly checksum?: Checksum | undefined;
  readonly ambient: Ambient;
}

/** The AP-REQ that was sent, and what its answer must repeat. */
export interface SentApReq {
  readonly message: Uint8Array;
  readonly ctime: number;
  readonly cusec: number;
  /** The client's initial sequence number. */
  readonly sequence: number;
}

/**
 * An AP-REQ for the service of the credential. @see krb5 mk_req_ext.c
 * @throws decode.* if the credential's ticket is not DER of a Ticket
 */
export function makeApReq(credential: Credential, options: ApReqOptions): SentApReq {
  const { ambient, subkey } = options;
  const now = ambient.nowMicros();
  const ctime = Math.floor(now / 1_000_000);
  const cusec = now % 1_000_000;
  const part = {
    authenticatorVno: 5,
    crealm: credential.client.realm,
    cname: nameOf(credential.client),
    cksum: options.checksum,
    cusec,
    ctime,
    subkey: subkey && encryptionKeyOf(subkey),
    seqNumber: options.sequence,
  };
  const message = encode(apReq, {
    pvno: 5,
    msgType: tags.apReq,
    apOptions: options.apOptions,
    ticket: { raw: credential.ticket, value: decode(ticketCodec, credential.ticket) },
    authenticator: sealPart(authenticator, part, credential.sessionKey, usages.authenticator, {
      ambient,
    }),
  });
  return { message, ctime, cusec, sequence: options.sequence ?? 0 };
}

/** What an acceptor is set up with. */
export interface AcceptorOptions {
  /** Its own names, in order of preference: host/<this host>@REALM. */
  readonly services: readonly Principal[];
  /** Whether any host key of the keytab will do (ignore_acceptor_hostname, krb5.conf(5)). */
  readonly anyHost: boolean;
  /** Called when there is a ticket to open. The peer is told about what it throws. */
  readonly keytab: () => Keytab;
  readonly permittedEnctypes: readonly number[];
  readonly clockSkewSeconds: number;
  readonly replay: ReplayCache;
  readonly ambient: Ambient;
  /**
   * Which key protects what follows the AP-REP. `fresh`, the default: one that the acceptor makes
   * for this connection, so that a recorded session cannot be replayed, with or without a replay
   * cache. `as-client`: the client's subkey or the session key, as with MIT's acceptors.
   */
  readonly subkey?: 'fresh' | 'as-client' | undefined;
}

/** Anybody may send an AP-REQ. One has 30 elements, and one more for each component of a name. */
const apReqElements = 96;

/** The client that was accepted, and what its AP-REQ said. */
export interface AcceptedApReq {
  readonly client: Principal;
  /** The name whose key opened the ticket. */
  readonly server: Principal;
  /** The ticket's own encryption type, which is what kpropd.acl means. */
  readonly ticketEnctype: number;
  readonly sessionKey: Key;
  /** The subkey if the client sent one, else the session key. */
  readonly messageKey: Key;
  readonly subkey: EncryptionKey | undefined;
  /** The client's time, authenticated: seconds since 1970 and microseconds. */
  readonly ctime: number;
  readonly cusec: number;
  /** The client's initial sequence number; 0 if it sent none. */
  readonly sequence: number;
}

/**
 * Checks an AP-REQ as libkrb5's acceptor does, in its order. @see krb5 rd_req_dec.c
 * @throws message.unexpected, message.bad-version, decode.*, crypto.*, keytab.*, auth.*
 */
export async function acceptApReq(
  message: Uint8Array,
  options: AcceptorOptions,
): Promise<AcceptedApReq> {
  const { ambient, clockSkewSeconds } = options;
  if (message[0] !== applicationTag(tags.apReq)) {
    throw new KpropError('message.unexpected', { wanted: 'AP-REQ', found: firstByte(message) });
  }
  const request = decode(apReq, message, { elements: apReqElements });
  if (request.msgType !== tags.apReq) {
    const found = `type ${request.msgType}`;
    throw new KpropError('message.unexpected', { wanted: `AP-REQ (type ${tags.apReq})`, found });
  }
  const opened = openTicket(request.ticket.value, { ...options, keytab: options.keytab() });
  const ticket = opened.part;
  const sessionKey = keyOf(ticket.key);
  const presented = openPart(
    authenticator,
    request.authenticator,
    sessionKey,
    usages.authenticator,
  );
  const client = principalOf(ticket.crealm, ticket.cname);
  const claimed = principalOf(presented.crealm, presented.cname);
  if (!client.equals(claimed)) {
    throw new KpropError('auth.mismatch', {
      ticket: client.toString(),
      authenticator: claimed.toString(),
    });
  }
  requireKnownPath(ticket, client);
  const nowSeconds = Math.floor(ambient.nowMicros() / 1_000_000);
  const tag = replayTag(request.authenticator.cipher, sessionKey.profile.macBytes);
  await options.replay.store(tag, nowSeconds, client.toString());
  requireValidTimes(ticket, presented.ctime, nowSeconds, clockSkewSeconds);
  if ((ticket.flags & ticketFlags.invalid) !== 0) throw new KpropError('auth.invalid-ticket', {});
  const messageKey = presented.subkey === undefined ? sessionKey : keyOf(presented.subkey);
  requirePermitted(messageKey.profile.number, options.permittedEnctypes);
  requirePermitted(sessionKey.profile.number, options.permittedEnctypes);
  // Nothing protects this flag. If an attacker clears it, no AP-REP would bring the fresh subkey.
  if ((request.apOptions & apOptions.mutualRequired) === 0) {
    throw new KpropError('auth.not-mutual', { client: client.toString() });
  }
  return {
    client,
    server: opened.server,
    ticketEnctype: request.ticket.value.encPart.etype,
    sessionKey,
    messageKey,
    subkey: presented.subkey,
    ctime: presented.ctime,
    cusec: presented.cusec,
    sequence: presented.seqNumber ?? 0,
  };
}

/**
 * The AP-REP for an accepted request, the acceptor's initial sequence number, and the key that
 * protects what follows: the acceptor's choice of it overrides the client's (RFC 4120 §5.5.2).
 */
export function makeApRep(
  accepted: AcceptedApReq,
  { ambient, subkey = 'fresh' }: Pick<AcceptorOptions, 'ambient' | 'subkey'>,
): { readonly message: Uint8Array; readonly sequence: number; readonly key: Key } {
  const sequence = initialSequence(ambient);
  // Of the session key's encryption type, like MIT's krb5_generate_subkey.
  const fresh =
    subkey === 'fresh' ? Key.random(accepted.sessionKey.profile.number, ambient) : undefined;
  const part = {
    ctime: accepted.ctime,
    cusec: accepted.cusec,
    subkey: fresh === undefined ? accepted.subkey : encryptionKeyOf(fresh),
    seqNumber: sequence,
  };
  // Sealed with the session key even if a subkey protects what follows (RFC 4120 §3.2.4).
  const encPart = sealPart(encApRepPart, part, accepted.sessionKey, usages.apRepEncPart, {
    ambient,
  });
  const message = encode(apRep, { pvno: 5, msgType: tags.apRep, encPart });
  return { message, sequence, key: fresh ?? accepted.messageKey };
}

/**
 * Checks the AP-REP and gives the acceptor's initial sequence number, and its subkey if it chose
 * one. @throws session.mutual-failed, crypto.integrity, decode.*
 */
export function acceptApRep(
  message: Uint8Array,
  sent: SentApReq,
  sessionKey: Key,
): { readonly sequence: number; readonly subkey: Key | undefined } {
  const reply = decode(apRep, message);
  const part = openPart(encApRepPart, reply.encPart, sessionKey, usages.apRepEncPart);
  if (reply.msgType !== tags.apRep || part.ctime !== sent.ctime || part.cusec !== sent.cusec) {
    throw new KpropError('session.mutual-failed', {});
  }
  return { sequence: part.seqNumber ?? 0, subkey: part.subkey && keyOf(part.subkey) };
}

/** The key in an EncryptionKey. @throws crypto.unsupported-enctype, crypto.bad-key-size */
export function keyOf(part: EncryptionKey): Key {
  return Key.of(part.keytype, part.keyvalue);
}

/** A key as the messages carry it; the reverse of `keyOf`. */
function encryptionKeyOf({ profile, bytes }: Key): EncryptionKey {
  return { keytype: profile.number, keyvalue: bytes };
}

/**
 * An initial sequence number, random, 1 to 2^30 - 1: old implementations read it as a signed number
 * (krb5 gen_seqnum.c).
 */
export function initialSequence(ambient: Ambient): number {
  const bytes = ambient.random(4);
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) & 0x3fffffff;
  return number === 0 ? 1 : number;
}

/** Primary and replica are in one realm: a path through others that no KDC checked is refused. */
function requireKnownPath(ticket: EncTicketPart, client: Principal): void {
  const checked = (ticket.flags & ticketFlags.transitPolicyChecked) !== 0;
  if (!checked && ticket.transited.contents.length > 0) {
    throw new KpropError('auth.transited', { client: client.toString() });
  }
}

function requireValidTimes(
  ticket: EncTicketPart,
  ctime: number,
  nowSeconds: number,
  skewSeconds: number,
): void {
  const startSeconds = ticket.starttime ?? ticket.authtime;
  requireWithin({ startSeconds, endSeconds: ticket.endtime }, nowSeconds, skewSeconds);
  const seconds = Math.abs(ctime - nowSeconds);
  if (seconds > skewSeconds) {
    throw new KpropError('auth.clock-skew', { seconds, limit: skewSeconds });
  }
}

/** The first byte of a message in words, for errors. */
export function firstByte(message: Uint8Array): string {
  return message.length === 0 ? 'an empty message' : `first byte 0x${message[0]?.toString(16)}`;
}
