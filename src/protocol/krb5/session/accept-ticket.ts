import { isKpropError, KpropError } from '../../../errors/kprop-error.ts';
import { Key } from '../crypto/key.ts';
import type { Keytab, KeytabEntry } from '../formats/keytab.ts';
import { usages } from '../messages/numbers.ts';
import { principalOf } from '../messages/parts.ts';
import type { Principal } from '../messages/principal.ts';
import { type EncTicketPart, encTicketPart, type Ticket } from '../messages/ticket.ts';
import { openPart } from './enc-part.ts';
import { requirePermitted } from './validity.ts';

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
 * Opens a ticket with a key of the keytab. Which keys are tried, and how failures are named, is as
 * in krb5 lib/krb5/krb/rd_req_dec.c, decrypt_ticket.
 * @throws auth.no-key, auth.wrong-kvno, auth.not-us, crypto.*
 */
export function openTicket(ticket: Ticket, options: TicketOpener): OpenedTicket {
  const wanted = principalOf(ticket.realm, ticket.sname);
  const { anyHost, permittedEnctypes } = options;
  const entries = anyHost
    ? entriesOfAnyHost(ticket, options)
    : [entryOfService(ticket, wanted, options)];
  if (entries.length === 0) throw failureOfAnyHost(ticket, wanted, options);
  requirePermitted(ticket.encPart.etype, permittedEnctypes);
  for (const entry of entries) {
    try {
      const key = Key.of(entry.enctype, entry.key);
      const part = openPart(encTicketPart, ticket.encPart, key, usages.ticket);
      return { part, server: entry.principal };
    } catch (error) {
      if (isKpropError(error, 'crypto.integrity')) continue;
      // One damaged entry must not hide the good ones behind it.
      if (anyHost && isKpropError(error, 'crypto.bad-key-size')) continue;
      throw error;
    }
  }
  if (anyHost) throw failureOfAnyHost(ticket, wanted, options);
  const named = entries.some(({ principal }) => principal.equals(wanted));
  throw named ? damaged() : notUs(wanted, options);
}

/** The matching entry for the first of our names that the keytab has. */
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

/** The peer has proved nothing yet: no more keys are tried, and no more bytes decrypted, than this. */
const keysTried = 8;
const triedBytes = 64 * 1024;

/**
 * The entries of this service, for any host and any key version, that may open the ticket; those
 * with the ticket's own name and version first. MIT tries them all.
 */
function entriesOfAnyHost(ticket: Ticket, options: TicketOpener): readonly KeytabEntry[] {
  const { keytab, services } = options;
  const { kvno = 0, etype, cipher } = ticket.encPart;
  const wanted = principalOf(ticket.realm, ticket.sname);
  const distance = (entry: KeytabEntry) =>
    (entry.principal.equals(wanted) ? 0 : 2) + (entry.kvno === kvno ? 0 : 1);
  const most = Math.max(1, Math.min(keysTried, Math.floor(triedBytes / (cipher.length + 1))));
  return keytab.entries
    .filter(({ principal, enctype }) => enctype === etype && isService(principal, services))
    .map((entry) => ({ entry, distance: distance(entry) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ entry }) => entry);
}

/** Why no entry opened the ticket: the first thing that the keytab lacks. */
function failureOfAnyHost(ticket: Ticket, wanted: Principal, options: TicketOpener): KpropError {
  const { kvno = 0, etype } = ticket.encPart;
  const { keytab, services } = options;
  const ours = keytab.entries.filter(({ principal }) => isService(principal, services));
  if (ours.length === 0) return noKey(options);
  const named = ours.filter(({ principal }) => principal.equals(wanted));
  if (named.length === 0) return notUs(wanted, options);
  const held = named.some(
    (entry) => entry.enctype === etype && (kvno === 0 || entry.kvno === kvno),
  );
  return held ? damaged() : wrongKvno(wanted, kvno, options);
}

function isService(principal: Principal, services: readonly Principal[]): boolean {
  return services.some(
    (service) =>
      principal.realm === service.realm &&
      principal.components.length === 2 &&
      principal.components[0] === service.components[0],
  );
}

function damaged(): KpropError {
  return new KpropError('crypto.integrity', { what: 'ticket' });
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
