import { KpropError } from '../errors/kprop-error.ts';
import { decode } from '../protocol/der/schema.ts';
import { verifyChecksum } from '../protocol/krb5/crypto/checksum.ts';
import type { Key } from '../protocol/krb5/crypto/key.ts';
import {
  type AsRep,
  asRep,
  type EncAsRepPart,
  encAsRepPart,
} from '../protocol/krb5/messages/as.ts';
import { padataTypes, tags, ticketFlags, usages } from '../protocol/krb5/messages/numbers.ts';
import { checksum, principalOf } from '../protocol/krb5/messages/parts.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import { firstByte } from '../protocol/krb5/session/ap-exchange.ts';
import { openPart } from '../protocol/krb5/session/enc-part.ts';

/** The AS-REQ that was sent last, with the values that its reply must repeat. Times in seconds. */
export interface SentAsReq {
  readonly message: Uint8Array;
  readonly client: Principal;
  readonly server: Principal;
  readonly etypes: readonly number[];
  readonly nonce: number;
  readonly till: number;
  readonly renewAsked: boolean;
}

/** The contents of an AS-REP that has passed all checks. */
export interface AsReply {
  /** The Ticket as received, in DER. */
  readonly ticket: Uint8Array;
  readonly part: EncAsRepPart;
}

/**
 * Opens an AS-REP with the reply key that `keyFor` gives for its enctype, and checks what MIT's
 * verify_as_reply checks. @see krb5 lib/krb5/krb/get_in_tkt.c
 * @throws message.unexpected, kdc.enctype, kdc.bad-reply, crypto.integrity, decode.*
 */
export function openAsReply(
  message: Uint8Array,
  sent: SentAsReq,
  keyFor: (enctype: number) => Key,
): AsReply {
  const wanted = 'AS-REP or KRB-ERROR';
  if (message[0] !== (0x60 | tags.asRep)) {
    throw new KpropError('message.unexpected', { wanted, found: firstByte(message) });
  }
  const reply = decode(asRep, message);
  if (reply.msgType !== tags.asRep) {
    throw new KpropError('message.unexpected', { wanted, found: `type ${reply.msgType}` });
  }
  if (!sent.etypes.includes(reply.encPart.etype)) {
    throw new KpropError('kdc.enctype', { enctype: reply.encPart.etype });
  }
  const key = keyFor(reply.encPart.etype);
  const part = openPart(encAsRepPart, reply.encPart, key, usages.asRepEncPart);
  requireProof(part, key, sent.message);
  requireAsAsked(reply, part, sent);
  return { ticket: reply.ticket.raw, part };
}

/** A KDC that supports RFC 6806 §11 proves with the reply key that our request reached it unaltered. */
function requireProof(part: EncAsRepPart, key: Key, request: Uint8Array): void {
  if ((part.flags & ticketFlags.encPaRep) === 0) return;
  const proof = part.encryptedPaData?.find(
    ({ padataType }) => padataType === padataTypes.reqEncPaRep,
  );
  if (proof === undefined) throw badReply('the proof of the request is missing');
  const sum = decode(checksum, proof.padataValue);
  if (sum.cksumtype !== key.profile.checksumType) {
    throw badReply('the proof of the request is of the wrong kind');
  }
  try {
    verifyChecksum(key, usages.asReqChecksum, request, sum.checksum);
  } catch (cause) {
    throw new KpropError(
      'kdc.bad-reply',
      { reason: 'the KDC received another request than we sent' },
      { cause },
    );
  }
}

function requireAsAsked(reply: AsRep, part: EncAsRepPart, sent: SentAsReq): void {
  const server = principalOf(part.srealm, part.sname);
  const ticketServer = principalOf(reply.ticket.value.realm, reply.ticket.value.sname);
  const renewable = (part.flags & ticketFlags.renewable) !== 0;
  const renewTill = part.renewTill ?? 0;
  const faults: readonly (readonly [boolean, string])[] = [
    [!server.equals(sent.server), `it is for ${server}, not ${sent.server}`],
    [!server.equals(ticketServer), `its ticket is for ${ticketServer}, not ${server}`],
    [!principalOf(reply.crealm, reply.cname).equals(sent.client), 'it is for another client'],
    [part.nonce !== sent.nonce, 'it answers another request'],
    [part.endtime > sent.till, 'its ticket lives longer than asked for'],
    [
      renewable && !sent.renewAsked && renewTill > sent.till,
      'its ticket is renewable for longer than asked for',
    ],
  ];
  const fault = faults.find(([found]) => found);
  if (fault !== undefined) throw badReply(fault[1]);
}

function badReply(reason: string): KpropError {
  return new KpropError('kdc.bad-reply', { reason });
}
