import {
  formatKeytab as formatVersion2,
  type KeytabFields,
} from '../../../src/protocol/krb5/formats/keytab.ts';
import { nameBytes } from '../../../src/protocol/krb5/messages/principal.ts';
import { ByteWriter } from './byte-writer.ts';

/**
 * A keytab file of these entries, version 2 unless given: nothing writes version 1 any more.
 * @throws keytab.format for an entry of version 2 that no reader could read back
 */
export function formatKeytab(entries: readonly KeytabFields[], version: 1 | 2 = 2): Uint8Array {
  if (version === 2) return formatVersion2(entries);
  const file = new ByteWriter(hostIsLittle).bytes(Uint8Array.of(MAGIC, 1));
  for (const entry of entries) {
    const record = formatEntry(entry);
    file.uint32(record.length).bytes(record);
  }
  return file.finish();
}

function formatEntry({ principal, key, ...entry }: KeytabFields): Uint8Array {
  const names = [principal.realm, ...principal.components].map(nameBytes);
  const writer = new ByteWriter(hostIsLittle).uint16(names.length);
  for (const name of names) writer.uint16(name.length).bytes(name);
  writer.uint32(entry.timestampSeconds).uint8(entry.kvno).uint16(entry.enctype);
  return writer.uint16(key.length).bytes(key).uint32(entry.kvno).finish();
}

const MAGIC = 5;
// Version 1 files are in the byte order of the host that wrote them.
const hostIsLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
