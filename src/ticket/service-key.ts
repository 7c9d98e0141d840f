import { readKeytab } from '../host/keytab-file.ts';
import { systemAmbient } from '../protocol/ambient.ts';
import { decode } from '../protocol/der/schema.ts';
import { Key } from '../protocol/krb5/crypto/key.ts';
import { enctypeName } from '../protocol/krb5/crypto/profiles.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../protocol/krb5/formats/profile.ts';
import { usages } from '../protocol/krb5/messages/numbers.ts';
import { Principal } from '../protocol/krb5/messages/principal.ts';
import { encTicketPart, ticket as ticketCodec } from '../protocol/krb5/messages/ticket.ts';
import { openPart } from '../protocol/krb5/session/enc-part.ts';
import { obtainCredential } from './credentials.ts';
import { oneKdc } from './one-kdc.ts';
import { ownPrincipals } from './own-principals.ts';

export interface ServiceKeyOptions {
  /** The KDC to ask, and no other: `host`, `host:port` or `[address]:port`. */
  readonly kdc: string;
  /** The service, such as kpropctl/canary@REALM. */
  readonly service: string;
  /** Keytab name with keys of the service. */
  readonly serviceKeytab: string;
  /** Who asks; host/<this host> unless given. */
  readonly client?: string | undefined;
  /** Keytab name with keys of the client; the configured one unless given. */
  readonly keytab?: string | undefined;
  readonly config: Krb5Config;
  /** For all that is asked. 5 unless given. */
  readonly timeoutSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which key of a service a KDC has. */
export interface ServiceKey {
  readonly kvno: number;
  readonly enctype: string;
  /** Whether the keytab's key of that version opens the ticket: then the KDC really has it. */
  readonly proved: boolean;
}

/**
 * Asks one KDC for a ticket for a service, and opens it with the service's own key. It tells which
 * version of the database a KDC serves, if the service's key is changed with each version.
 * @throws keytab.*, kdc.*, crypto.*, decode.*, network.*, aborted
 */
export async function serviceKeyAt(o: ServiceKeyOptions): Promise<ServiceKey> {
  const server = Principal.parse(o.service);
  const settings = oneKdc(server.realm, o.kdc, o.timeoutSeconds ?? 5);
  const config = o.config.precededBy(parseProfile(settings, 'the KDC to ask', () => []));
  const clients =
    o.client === undefined
      ? await ownPrincipals('host', server.realm, config)
      : ([Principal.parse(o.client, server.realm)] as const);
  const credential = await obtainCredential({
    source: { kind: 'keytab', name: o.keytab },
    ...{ clients, server, config, ambient: systemAmbient(), signal: o.signal },
  });
  const { encPart } = decode(ticketCodec, credential.ticket);
  const kvno = encPart.kvno ?? 0;
  const proved = readKeytab(o.serviceKeytab).entries.some((entry) => {
    if (!entry.principal.equals(server) || entry.enctype !== encPart.etype || entry.kvno !== kvno) {
      return false;
    }
    try {
      openPart(encTicketPart, encPart, Key.of(entry.enctype, entry.key), usages.ticket);
      return true;
    } catch {
      return false;
    }
  });
  return { kvno, enctype: enctypeName(encPart.etype), proved };
}
