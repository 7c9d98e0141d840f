import { systemAmbient } from '../protocol/ambient.ts';
import { encode } from '../protocol/der/schema.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../protocol/krb5/formats/profile.ts';
import { asReq } from '../protocol/krb5/messages/as.ts';
import { isKrbError, readKrbError } from '../protocol/krb5/messages/error.ts';
import { tags } from '../protocol/krb5/messages/numbers.ts';
import { nameOf } from '../protocol/krb5/messages/parts.ts';
import { nameTypes, Principal } from '../protocol/krb5/messages/principal.ts';
import { askKdc } from './kdc.ts';
import { oneKdc } from './one-kdc.ts';

export interface KdcClockOptions {
  /** The KDC to ask, and no other: `host`, `host:port` or `[address]:port`. */
  readonly kdc: string;
  readonly realm: string;
  readonly config: Krb5Config;
  /** 5 unless given. */
  readonly timeoutSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a KDC's clock shows. */
export interface KdcClock {
  /** How far the KDC's clock is ahead of this host's, to half of `millis`; negative if it is behind. */
  readonly aheadMillis: number;
  /** From the request to the answer. */
  readonly millis: number;
}

/**
 * Asks one KDC for its time. It needs no key: what is asked for cannot be given (no encryption type
 * that there is), and the refusal, a KRB-ERROR, carries the KDC's time. Nobody signs it: it is good for
 * a diagnosis, not for a decision.
 * @throws kdc.unreachable, kdc.unresolved, decode.*, aborted
 * @see RFC 4120 §5.9.1, stime
 */
export async function kdcClock(o: KdcClockOptions): Promise<KdcClock> {
  const { realm, signal } = o;
  const ambient = systemAmbient();
  const sentMicros = ambient.nowMicros();
  const { reply } = await askKdc(requestOfNothing(realm, sentMicros), {
    ...{ realm, isReply: isKrbError, ...(signal && { signal }) },
    config: o.config.precededBy(
      parseProfile(oneKdc(realm, o.kdc, o.timeoutSeconds ?? 5), 'the KDC to ask', () => []),
    ),
  });
  const receivedMicros = ambient.nowMicros();
  const { message } = readKrbError(reply);
  const kdcMicros = message.stime * 1_000_000 + message.susec;
  return {
    aheadMillis: (kdcMicros - (sentMicros + receivedMicros) / 2) / 1000,
    millis: (receivedMicros - sentMicros) / 1000,
  };
}

function requestOfNothing(realm: string, nowMicros: number): Uint8Array {
  const server = ticketService(realm);
  return encode(asReq, {
    pvno: 5,
    msgType: tags.asReq,
    reqBody: {
      kdcOptions: 0,
      cname: nameOf(server),
      realm,
      sname: nameOf(server),
      till: Math.floor(nowMicros / 1_000_000) + 300,
      nonce: nowMicros % 0x7fffffff,
      etype: [noEnctype],
    },
  });
}

function ticketService(realm: string): Principal {
  return Principal.of(realm, ['krbtgt', realm], nameTypes.srvInst);
}

/** Of the numbers that are for local use (RFC 3961 §8). */
const noEnctype = -1;
