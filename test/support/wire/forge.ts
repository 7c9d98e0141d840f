import type { Ambient } from '../../../src/protocol/ambient.ts';
import { encode } from '../../../src/protocol/der/schema.ts';
import { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { Keytab, KeytabEntry } from '../../../src/protocol/krb5/formats/keytab.ts';
import {
  type Authenticator,
  apReq,
  authenticator,
} from '../../../src/protocol/krb5/messages/ap.ts';
import { apOptions } from '../../../src/protocol/krb5/messages/numbers.ts';
import { nameOf } from '../../../src/protocol/krb5/messages/parts.ts';
import { nameTypes, Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import {
  type EncTicketPart,
  encTicketPart,
  ticket as ticketCodec,
} from '../../../src/protocol/krb5/messages/ticket.ts';
import {
  type AcceptorOptions,
  initialSequence,
  makeApReq,
  type SentApReq,
} from '../../../src/protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { sealPart } from '../../../src/protocol/krb5/session/enc-part.ts';
import { memoryReplayCache } from '../../../src/protocol/krb5/session/replay.ts';
import { enctypes } from './enctypes.ts';
import { seededAmbient } from './fixed-ambient.ts';

export const realm = 'EXAMPLE.ORG';
/** 22 November 2026, 13:47:19 UTC: what the clocks of the forgery say. */
export const nowSeconds = 1_795_355_239;
export const nowMicros = nowSeconds * 1_000_000 + 516_321;
export const primaryName = Principal.of(realm, ['host', 'primary.example'], nameTypes.srvHst);
export const replicaName = Principal.of(realm, ['host', 'replica.example'], nameTypes.srvHst);
const ambient = seededAmbient(nowMicros, 754);

/** A key of this enctype, the same for the same seed. */
export function someKey(enctype: number, seed = enctype): Key {
  return Key.random(enctype, seededAmbient(0, seed));
}

export function entry(
  principal: Principal,
  key: Key,
  o: { readonly kvno?: number; readonly bytes?: Uint8Array } = {},
): KeytabEntry {
  return new KeytabEntry({
    principal,
    timestampSeconds: nowSeconds,
    kvno: o.kvno ?? 2,
    enctype: key.profile.number,
    key: o.bytes ?? key.bytes,
  });
}

export interface TicketFields extends Partial<EncTicketPart> {
  /** Enctypes of ticket and session key; 18 unless given. */
  readonly enctype?: number;
  readonly sessionEnctype?: number;
  /** The key that seals the ticket; someKey of its enctype unless given. */
  readonly serviceKey?: Key;
  /** Null leaves it out. */
  readonly kvno?: number | null;
  readonly service?: Principal;
  readonly client?: Principal;
}

/** A ticket as a KDC makes it, and the session key in it. */
export function forgeCredential(o: TicketFields = {}): Credential {
  const { enctype = 18, service = replicaName, client = primaryName } = o;
  const sessionKey = someKey(o.sessionEnctype ?? enctype, 1000 + enctype);
  const part: EncTicketPart = {
    flags: o.flags ?? 0x00410000,
    key: o.key ?? { keytype: sessionKey.profile.number, keyvalue: sessionKey.bytes },
    crealm: o.crealm ?? client.realm,
    cname: o.cname ?? nameOf(client),
    transited: o.transited ?? { trType: 1, contents: new Uint8Array(0) },
    authtime: o.authtime ?? nowSeconds,
    starttime: o.starttime,
    endtime: o.endtime ?? nowSeconds + 86_400,
    renewTill: o.renewTill,
    caddr: o.caddr,
    authorizationData: o.authorizationData,
  };
  const kvno = o.kvno === undefined ? 2 : o.kvno;
  const serviceKey = o.serviceKey ?? someKey(enctype);
  const encPart = sealPart(encTicketPart, part, serviceKey, 2, {
    ambient,
    ...(kvno !== null && { kvno }),
  });
  return {
    client,
    server: service,
    sessionKey,
    ticket: encode(ticketCodec, {
      tktVno: 5,
      realm: service.realm,
      sname: nameOf(service),
      encPart,
    }),
    startTime: part.starttime ?? part.authtime,
    endTime: part.endtime,
    clockOffsetMicros: 0,
  };
}

/** The AP-REQ that kprop sends with this credential. */
export function kpropApReq(credential: Credential, ambient: Ambient): SentApReq {
  return makeApReq(credential, {
    apOptions: apOptions.mutualRequired,
    sequence: initialSequence(ambient),
    ambient,
  });
}

export interface RequestFields extends Partial<Authenticator> {
  readonly apOptions?: number;
  readonly pvno?: number;
  readonly msgType?: number;
  /** Seals the authenticator; the session key unless given. */
  readonly sealedWith?: Key;
}

/** An AP-REQ as a client makes it, with whatever differs. */
export function forgeApReq(credential: Credential, o: RequestFields = {}): Uint8Array {
  const { client, sessionKey } = credential;
  const part: Authenticator = {
    authenticatorVno: o.authenticatorVno ?? 5,
    crealm: o.crealm ?? client.realm,
    cname: o.cname ?? nameOf(client),
    cksum: o.cksum,
    cusec: o.cusec ?? 1,
    ctime: o.ctime ?? nowSeconds,
    subkey: o.subkey,
    seqNumber: o.seqNumber,
    authorizationData: o.authorizationData,
  };
  return encode(apReq, {
    pvno: o.pvno ?? 5,
    msgType: o.msgType ?? 14,
    apOptions: o.apOptions ?? 0x20000000,
    ticket: { raw: credential.ticket, value: undefined as never },
    authenticator: sealPart(authenticator, part, o.sealedWith ?? sessionKey, 11, { ambient }),
  });
}

/** An acceptor that holds the key of forged tickets, with whatever differs. */
export function acceptor(o: Partial<AcceptorOptions> = {}): AcceptorOptions {
  return {
    services: [replicaName],
    anyHost: false,
    keytab: holding(...enctypes.map((enctype) => entry(replicaName, someKey(enctype)))),
    permittedEnctypes: enctypes,
    clockSkewSeconds: 300,
    replay: memoryReplayCache(300),
    ambient: seededAmbient(nowMicros, 755),
    ...o,
  };
}

/** The same for an acceptor, which asks for it. */
export function holding(...entries: readonly KeytabEntry[]): () => Keytab {
  return () => keytabOf(...entries);
}

export function keytabOf(...entries: readonly KeytabEntry[]): Keytab {
  return new Keytab('FILE:forged', entries);
}
