import { KpropError } from '../../errors/kprop-error.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { Attribute, LastUpdate, Update } from '../../protocol/iprop/updates.ts';
import { Principal } from '../../protocol/krb5/messages/principal.ts';

/**
 * The updates that may be handed to MIT's library: those up to the first that is not committed, which
 * the primary will send again. What the library would crash on, or take for another principal, is
 * refused. @throws iprop.bad-update @see krb5 src/lib/kdb/kdb_convert.c, ulog_conv_2dbentry
 */
export function checkedUpdates(updates: readonly Update[], since: LastUpdate): readonly Update[] {
  const end = updates.findIndex((update) => !update.committed);
  const committed = end < 0 ? updates : updates.slice(0, end);
  for (const [index, update] of committed.entries()) {
    const fault = faultIn(update, since.serial + 1 + index);
    if (fault !== undefined) throw badUpdate(update, fault);
  }
  return committed;
}

/**
 * The names of which the database must have entries already, since the updates that change them are not
 * whole entries. An entry that an earlier update makes is there by then.
 */
export function namesThatMustExist(updates: readonly Update[]): readonly Uint8Array[] {
  const made = new Map<string, boolean>();
  const names: Uint8Array[] = [];
  for (const update of updates) {
    const name = latin1(update.name);
    if (!update.deleted && !isWhole(update)) {
      const known = made.get(name);
      if (known === false) throw badUpdate(update, 'it changes an entry that was deleted before');
      if (known === undefined) names.push(update.name);
    }
    made.set(name, !update.deleted);
  }
  return names;
}

/** Whether an update has all that an entry needs, and not only what has changed. */
function isWhole({ attributes }: Update): boolean {
  const has = (type: Attribute['type']) => attributes.some((attribute) => attribute.type === type);
  return has('principal') && has('keys') && has('length');
}

function faultIn(update: Update, serial: number): string | undefined {
  if (update.serial !== serial) return `its serial number should be ${serial}`;
  const name = principalNamed(update.name);
  if (name === undefined) return 'its name is not a principal';
  if (update.deleted) return undefined;
  if (!update.attributes.some(({ type }) => type === 'principal')) return 'it lacks its principal';
  for (const attribute of update.attributes) {
    const fault = faultOf(attribute, name);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOf(attribute: Attribute, name: Principal): string | undefined {
  switch (attribute.type) {
    case 'principal': {
      const { realm, components } = attribute.value;
      const same =
        isText(realm, name.realm) &&
        components.length === name.components.length &&
        components.every(({ data }, index) => isText(data, name.components[index] as string));
      return same ? undefined : 'its name and its principal differ';
    }
    case 'keys':
      for (const { version, enctypes, contents } of attribute.value) {
        if (version !== 1 && version !== 2) return `a key has version ${version}`;
        if (enctypes.length < version || contents.length < version) return 'a key lacks a part';
        if (contents.some(({ length }) => length > mostBytes)) return 'a key is too long';
      }
      return undefined;
    case 'typedData':
      return attribute.value.some(({ data }) => data.length > mostBytes)
        ? 'its typed data is too long'
        : undefined;
    case 'length':
      return attribute.value === baseLength ? undefined : `its base length is ${attribute.value}`;
    default:
      return undefined;
  }
}

function principalNamed(name: Uint8Array): Principal | undefined {
  if (name.includes(0)) return undefined;
  try {
    return Principal.parse(latin1(name));
  } catch {
    return undefined;
  }
}

/** Bytes that are no text keep their values: components are compared byte by byte. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function isText(bytes: Uint8Array, text: string): boolean {
  return equalBytes(bytes, Buffer.from(text, 'latin1'));
}

function badUpdate({ serial }: Update, reason: string): KpropError {
  return new KpropError('iprop.bad-update', { serial, reason });
}

/** C holds these lengths in 16 bits, with a sign. */
const mostBytes = 32_767;
/** KRB5_KDB_V1_BASE_LENGTH */
const baseLength = 38;
