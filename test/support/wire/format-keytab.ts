import { KpropError } from '../../../src/errors/kprop-error.ts';
import type { KeytabFields } from '../../../src/protocol/krb5/formats/keytab.ts';
import { nameBytes } from '../../../src/protocol/krb5/messages/principal.ts';
import { ByteWriter } from './byte-writer.ts';

/**
 * A keytab file of these entries, version 2 unless given. @throws keytab.format for an entry that
 * no reader could read back
 */
export function formatKeytab(entries: readonly KeytabFields[], version: 1 | 2 = 2): Uint8Array {
  const littleEndian = version === 1 && hostIsLittle;
  const file = new ByteWriter(littleEndian).bytes(Uint8Array.of(MAGIC, version));
  for (const entry of entries) {
    const record = formatEntry(entry, version, new ByteWriter(littleEndian));
    file.uint32(record.length).bytes(record);
  }
  return file.finish();
}

function formatEntry(entry: KeytabFields, version: 1 | 2, writer: ByteWriter): Uint8Array {
  const { principal, key } = entry;
  const names = [principal.realm, ...principal.components].map(nameBytes);
  const readable =
    names.length >= 2 &&
    names.length <= MAX_COUNT &&
    names.every((name) => name.length > 0 && name.length <= 0xffff) &&
    key.length > 0 &&
    key.length <= MAX_KEY_BYTES;
  if (!readable) {
    const reason = 'a name or key is empty or too long';
    throw new KpropError('keytab.format', { path: `an entry of ${principal}`, reason });
  }
  writer.uint16(names.length - (version === 1 ? 0 : 1));
  for (const name of names) writer.uint16(name.length).bytes(name);
  if (version === 2) writer.uint32(principal.nameType);
  writer.uint32(entry.timestampSeconds).uint8(entry.kvno).uint16(entry.enctype);
  return writer.uint16(key.length).bytes(key).uint32(entry.kvno).finish();
}

const MAGIC = 5;
const MAX_COUNT = 0x7fff;
const MAX_KEY_BYTES = 0x7fff;
// Version 1 files are in the byte order of the host that wrote them.
const hostIsLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
