import { encode } from '../../../src/protocol/der/schema.ts';
import { Krb5Config } from '../../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../../src/protocol/krb5/formats/profile.ts';
import { etypeInfo2 } from '../../../src/protocol/krb5/messages/as.ts';
import { requestServiceTicket, type TicketOptions } from '../../../src/ticket/as-exchange.ts';
import {
  type Asked,
  asReplyTo,
  kdcError,
  preauthRequired,
  type Script,
  scriptedKdc,
} from '../kdc/scripted-kdc.ts';
import { seededAmbient } from './fixed-ambient.ts';
import { entry, keytabOf, nowMicros, primaryName, replicaName, someKey } from './forge.ts';

export const none = new Uint8Array(0);
export const fast = { padataType: 136, padataValue: none };
export const timestamp = { padataType: 2, padataValue: none };
export const cookie = { padataType: 133, padataValue: Uint8Array.of(0x4d, 0x49, 0x54) };
export const hint = (...etypes: number[]) => ({
  padataType: 19,
  padataValue: encode(
    etypeInfo2,
    etypes.map((etype) => ({ etype })),
  ),
});
export const offers = [fast, hint(18), timestamp, cookie];
export const gives = (asked: Asked) => asReplyTo(asked);
export const says = (number: number) => () => kdcError({ number });
export const demands = () => preauthRequired(offers);
export const keytab = keytabOf(entry(primaryName, someKey(18)), entry(primaryName, someKey(17)));

export interface Asking extends Partial<TicketOptions> {
  readonly libdefaults?: readonly string[];
  /** Lines of the realm beside its kdc. */
  readonly realm?: (port: number) => readonly string[];
  /** A datagram ahead of each of the KDC's. */
  readonly ahead?: Uint8Array;
}

export function configOf(libdefaults: readonly string[], realm: readonly string[]): Krb5Config {
  const text = ['[libdefaults]', 'dns_lookup_kdc = false', ...libdefaults]
    .concat(['[realms]', 'EXAMPLE.ORG = {', ...realm, '}'])
    .join('\n');
  return new Krb5Config([parseProfile(text, 'krb5.conf', () => [])], ['krb5.conf']);
}

/** Asks a KDC that follows the script; what it was asked, and what came of it. */
export async function ask(script: Script, o: Asking = {}) {
  const kdc = await scriptedKdc(script, { ahead: o.ahead });
  const lines = [`kdc = 127.0.0.1:${kdc.port}`, ...(o.realm?.(kdc.port) ?? [])];
  const asking = requestServiceTicket({
    client: primaryName,
    server: replicaName,
    keytab,
    config: configOf(o.libdefaults ?? [], lines),
    ambient: seededAmbient(nowMicros, 21),
    ...o,
  });
  const [result] = await Promise.allSettled([asking]);
  return { result, asked: kdc.asked };
}

export const types = ({ request }: Asked) => request.padata?.map(({ padataType }) => padataType);
