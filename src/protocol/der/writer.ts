import { type BaseBlock, Constructed, Primitive } from 'asn1js';

import { integerContent } from './integer.ts';
import { DerReader } from './reader.ts';
import { contextTag, isConstructed, universalTags } from './tag.ts';

/** An element that is to be written: asn1js works out its length and writes it. */
export type DerNode = BaseBlock;

/** An element that consists of others. */
export function constructed(tag: number, children: readonly DerNode[]): DerNode {
  return new Constructed({ idBlock: idOf(tag), value: [...children] });
}

/** An element with this content. */
export function primitive(tag: number, content: Uint8Array): DerNode {
  const node = new Primitive({ idBlock: idOf(tag), valueHex: content });
  node.idBlock.isConstructed = isConstructed(tag);
  return node;
}

/** One whole element of DER as it is. Only its header is looked at. @throws decode.* */
export function verbatim(der: Uint8Array, what: string): DerNode {
  const reader = new DerReader(der, what);
  const tag = reader.open();
  const content = der.subarray(reader.offset);
  reader.skip();
  reader.finish();
  return primitive(tag, content);
}

/** The bytes of an element. */
export function write(node: DerNode): Uint8Array {
  return new Uint8Array(node.toBER());
}

/**
 * The field of this number with an INTEGER of at most 120 bytes in it, as `write` gives it. There is
 * one in each block of a dump: too many to build nodes for.
 */
export function integerField(number: number, value: number): Uint8Array {
  const content = integerContent(value);
  const field = new Uint8Array(4 + content.length);
  field[0] = contextTag(number);
  field[1] = 2 + content.length;
  field[2] = universalTags.integer;
  field[3] = content.length;
  field.set(content, 4);
  return field;
}

function idOf(tag: number): { readonly tagClass: number; readonly tagNumber: number } {
  // asn1js counts the classes from 1.
  return { tagClass: (tag >> 6) + 1, tagNumber: tag & 0x1f };
}
