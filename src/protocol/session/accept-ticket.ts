import { Key } from '../crypto/key.ts';
import { enctypeName, profileOf } from '../crypto/profiles.ts';
import { isKpropError, KpropError } from '../errors.ts';
import type { Keytab, KeytabEntry } from '../formats/keytab.ts';
import { usages } from '../messages/numbers.ts';
import { principalOf } from '../messages/parts.ts';
import type { Principal } from '../messages/principal.ts';
import { type EncTicketPart, encTicketPart, type Ticket } from '../messages/ticket.ts';
import { openPart } from './enc-part.ts';

export interface TicketOpener {
  readonly services: readonly Principal[];
  readonly anyHost: boolean;
  readonly keytab: Keytab;
  readonly permittedEnctypes: readonly number[];
}

export interface OpenedTicket {
  readonly part: EncTicketPart;
  /** The name whose key opened it. */
  readonly server: Principal;
}

/**
 * Opens a ticket with a key of the keytab. Which key, and which error means what:
 * krb5 lib/krb5/krb/rd_req_dec.c, decrypt_ticket.
 * @throws auth.no-key, auth.wrong-kvno, auth.not-us, crypto.*
 */
export function openTicket(ticket: Ticket, options: TicketOpener): OpenedTicket {
  const wanted = principalOf(ticket.realm, ticket.sname);
  const entries = options.anyHost
    ? entriesOfAnyHost(ticket, wanted, options)
    : [entryOfService(ticket, wanted, options)];
  requirePermitted(ticket.encPart.etype, options.permittedEnctypes);
  for (const entry of entries) {
    const key = Key.of(entry.enctype, entry.key);
    try {
      const part = openPart(encTicketPart, ticket.encPart, key, usages.ticket);
      return { part, server: entry.principal };
    } catch (error) {
      if (!isKpropError(error, 'crypto.integrity')) throw error;
    }
  }
  const own = options.anyHost || options.services.some((service) => service.equals(wanted));
  throw own ? new KpropError('crypto.integrity', { what: 'ticket' }) : notUs(wanted, options);
}

/** The one entry of the first own name that the keytab knows. */
function entryOfService(ticket: Ticket, wanted: Principal, options: TicketOpener): KeytabEntry {
  const { kvno = 0, etype } = ticket.encPart;
  for (const service of options.services) {
    try {
      return options.keytab.find(service, kvno, etype);
    } catch (error) {
      if (isKpropError(error, 'keytab.no-key')) continue;
      if (!isKpropError(error, 'keytab.wrong-kvno')) throw error;
      throw service.equals(wanted) ? wrongKvno(wanted, kvno, options) : notUs(wanted, options);
    }
  }
  throw noKey(options);
}

/** Every entry of this service, of whatever host, that may open the ticket. */
function entriesOfAnyHost(
  ticket: Ticket,
  wanted: Principal,
  options: TicketOpener,
): readonly KeytabEntry[] {
  const { kvno = 0, etype } = ticket.encPart;
  const { keytab, services } = options;
  const ours = keytab.entries.filter(({ principal }) => isService(principal, services));
  if (ours.length === 0) throw noKey(options);
  const usable = ours.filter((entry) => entry.enctype === etype);
  const named = ours.filter((entry) => entry.principal.equals(wanted));
  if (usable.length > 0 && named.length === 0) return usable;
  if (named.length === 0) throw notUs(wanted, options);
  if (!named.some((entry) => (kvno === 0 || entry.kvno === kvno) && entry.enctype === etype)) {
    if (usable.length === 0) throw wrongKvno(wanted, kvno, options);
  }
  return usable;
}

function isService(principal: Principal, services: readonly Principal[]): boolean {
  return services.some(
    (service) =>
      principal.realm === service.realm &&
      principal.components.length === 2 &&
      principal.components[0] === service.components[0],
  );
}

/** @throws crypto.unsupported-enctype, crypto.not-permitted */
function requirePermitted(enctype: number, permitted: readonly number[]): void {
  profileOf(enctype);
  if (!permitted.includes(enctype)) {
    throw new KpropError('crypto.not-permitted', { enctype: enctypeName(enctype) });
  }
}

function noKey({ services, keytab }: TicketOpener): KpropError {
  return new KpropError('auth.no-key', {
    principal: services.map(String).join(' or '),
    keytab: keytab.name,
  });
}

function wrongKvno(wanted: Principal, kvno: number, { keytab }: TicketOpener): KpropError {
  return new KpropError('auth.wrong-kvno', {
    principal: wanted.toString(),
    kvno,
    keytab: keytab.name,
  });
}

function notUs(wanted: Principal, { services }: TicketOpener): KpropError {
  return new KpropError('auth.not-us', {
    principal: services.map(String).join(' or '),
    wanted: wanted.toString(),
  });
}
