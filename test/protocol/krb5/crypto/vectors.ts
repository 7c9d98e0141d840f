import { readFileSync } from 'node:fs';

/** The rows of test/vectors/crypto-NAME.json; bytes in them are hexadecimal. */
export function vectors<Row extends { readonly source: string }>(name: string): readonly Row[] {
  const file = new URL(`../../../vectors/crypto-${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Row[];
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
