import { KpropError } from '../errors/kprop-error.ts';
import { decode } from '../protocol/der/schema.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { etypeInfo, etypeInfo2 } from '../protocol/krb5/messages/as.ts';
import { padataTypes } from '../protocol/krb5/messages/numbers.ts';
import type { PaData } from '../protocol/krb5/messages/parts.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';

/** The permitted enctypes, those of the keytab's newest keys first. @throws keytab.no-key */
export function etypesToAsk({
  client,
  keytab,
  config,
}: {
  readonly client: Principal;
  readonly keytab: Keytab;
  readonly config: Krb5Config;
}): readonly number[] {
  const permitted = config.ticketEnctypes;
  const held = keytab.enctypesOf(client);
  const usable = permitted.filter((enctype) => held.includes(enctype));
  if (usable.length === 0) {
    throw new KpropError('keytab.no-key', { principal: `${client}`, keytab: keytab.name });
  }
  return [...usable, ...permitted.filter((enctype) => !held.includes(enctype))];
}

/** The first enctype of our list that the KDC's hints name; without hints, our first. */
export function chosenEtype(offered: readonly PaData[], etypes: readonly number[]): number {
  const hintOf = (type: number) =>
    offered.find(({ padataType }) => padataType === type)?.padataValue;
  const newHint = hintOf(padataTypes.etypeInfo2);
  const oldHint = hintOf(padataTypes.etypeInfo);
  const hints =
    newHint !== undefined
      ? decode(etypeInfo2, newHint)
      : oldHint !== undefined
        ? decode(etypeInfo, oldHint)
        : etypes.map((etype) => ({ etype }));
  const chosen = etypes.find((etype) => hints.some((hint) => hint.etype === etype));
  if (chosen === undefined) throw new KpropError('kdc.enctype', { enctype: hints[0]?.etype ?? 0 });
  return chosen;
}
