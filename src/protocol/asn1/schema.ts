import { type BaseBlock, Constructed, Sequence, fromBER } from 'asn1js';
import { ByteReader } from '../bytes.ts';
import { KpropError } from '../errors.ts';

/** A DER type: how a value becomes a node and back. `path` names the place in errors. */
export interface Codec<T> {
  readonly label: string;
  toNode(value: T): BaseBlock;
  fromNode(node: BaseBlock, path: string): T;
}

/** The TypeScript type that a codec reads and writes. */
export type Decoded<C> = C extends Codec<infer T> ? T : never;

/** One context-tagged component of a SEQUENCE. */
export interface Field<T, Optional extends boolean> {
  readonly tag: number;
  readonly codec: Codec<T>;
  readonly optional: Optional;
}

type AnyField = Field<unknown, boolean>;
type Fields = Readonly<Record<string, AnyField>>;
type ValueOf<F> = F extends Field<infer T, boolean> ? T : never;
type RequiredKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<unknown, false> ? K : never;
}[keyof F];
type OptionalKeys<F extends Fields> = Exclude<keyof F, RequiredKeys<F>>;
type SequenceValue<F extends Fields> = { readonly [K in RequiredKeys<F>]: ValueOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: ValueOf<F[K]> | undefined;
};

const APPLICATION = 2;
const CONTEXT = 3;
const UNIVERSAL = 1;
const SEQUENCE = 16;
const constructedBit = 0x20;

/** Messages of the hand-shake are small; what is larger is refused before it is parsed. */
const messageLimitBytes = 1 << 20;
const depthLimit = 24;
const nodeLimit = 4096;

/** DER octets of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  return new Uint8Array(codec.toNode(value).toBER());
}

/**
 * The value that DER octets hold: all of them, definite and minimal lengths only, nothing unknown.
 * @throws decode.*
 */
export function decode<T>(codec: Codec<T>, der: Uint8Array): T {
  if (der.length > messageLimitBytes) {
    throw new KpropError('message.too-long', {
      what: codec.label,
      bytes: der.length,
      limit: messageLimitBytes,
    });
  }
  return codec.fromNode(nodeOf(der, codec.label), codec.label);
}

/** The node of a whole DER encoding. asn1js would look inside octet strings: not here. */
export function nodeOf(der: Uint8Array, label: string): BaseBlock {
  const reader = new ByteReader(der, label);
  requireElement(reader, label, 0);
  if (reader.remaining > 0) {
    throw new KpropError('decode.trailing', { what: label, extra: reader.remaining });
  }
  try {
    const { offset, result } = fromBER(der, {
      parseEmbedded: false,
      copyInput: false,
      maxDepth: depthLimit,
      maxNodes: nodeLimit,
      maxContentLength: messageLimitBytes,
    });
    if (offset === der.length && !result.error) return result;
  } catch {
    // Where it cannot read a value, such as a date, asn1js throws; or runs out of stack.
  }
  throw notDer(label, 'is not DER');
}

/**
 * Passes one element, and all within it: single tag octets, lengths definite and minimal, nothing
 * beyond its parent's end. asn1js reads on past such an end.
 */
function requireElement(reader: ByteReader, label: string, depth: number): void {
  const tag = reader.uint8();
  if ((tag & 0x1f) === 0x1f) throw notDer(label, 'has a tag that is not DER of Kerberos');
  const content = reader.bytes(elementLength(reader, label));
  if ((tag & constructedBit) === 0) return;
  if (depth === depthLimit) throw notDer(label, `is nested more than ${depthLimit} deep`);
  const inner = new ByteReader(content, label);
  while (inner.remaining > 0) requireElement(inner, label, depth + 1);
}

function elementLength(reader: ByteReader, label: string): number {
  const first = reader.uint8();
  if (first < 0x80) return first;
  const octets = first & 0x7f;
  let length = 0;
  if (octets <= 4) for (const octet of reader.bytes(octets)) length = length * 256 + octet;
  if (length < 0x80 || length < 256 ** (octets - 1)) {
    throw notDer(label, 'has a length that is not DER');
  }
  return length;
}

function notDer(label: string, reason: string): KpropError {
  return new KpropError('decode.bad-value', { what: label, reason });
}

/** SEQUENCE with explicit context tags, in ascending order, no others. */
export function sequence<F extends Fields>(label: string, fields: F): Codec<SequenceValue<F>> {
  const entries = Object.entries(fields).sort(([, a], [, b]) => a.tag - b.tag);
  return {
    label,
    toNode(value) {
      const present: BaseBlock[] = [];
      for (const [name, { tag, codec }] of entries) {
        const item = (value as Record<string, unknown>)[name];
        if (item !== undefined) present.push(tagged(CONTEXT, tag, codec.toNode(item)));
      }
      return new Sequence({ value: present });
    },
    fromNode(node, path) {
      const children = childrenOf(node, UNIVERSAL, SEQUENCE, path);
      const value: Record<string, unknown> = {};
      let next = 0;
      for (const [name, { tag, codec, optional }] of entries) {
        const child = children[next];
        if (child?.idBlock.tagClass === CONTEXT && child.idBlock.tagNumber === tag) {
          value[name] = codec.fromNode(onlyChild(child, CONTEXT, tag, path), `${path}.${name}`);
          next += 1;
        } else if (!optional) {
          throw new KpropError('decode.missing-field', { what: `${path}.${name}` });
        }
      }
      if (next < children.length) {
        throw new KpropError('decode.bad-value', {
          what: path,
          reason: `has an unknown or misplaced field ${tagName(children[next] as BaseBlock)}`,
        });
      }
      return value as SequenceValue<F>;
    },
  };
}

/** SEQUENCE OF. */
export function sequenceOf<T>(label: string, item: Codec<T>): Codec<readonly T[]> {
  return {
    label,
    toNode: (values) => new Sequence({ value: values.map((value) => item.toNode(value)) }),
    fromNode: (node, path) =>
      childrenOf(node, UNIVERSAL, SEQUENCE, path).map((child, index) =>
        item.fromNode(child, `${path}[${index}]`),
      ),
  };
}

/** [APPLICATION tag], explicit. Several tags may be read (MIT's KDC writes 26 where 25 belongs). */
export function application<T>(
  tag: number,
  codec: Codec<T>,
  alsoRead: readonly number[] = [],
): Codec<T> {
  return {
    label: codec.label,
    toNode: (value) => tagged(APPLICATION, tag, codec.toNode(value)),
    fromNode(node, path) {
      const found = alsoRead.includes(node.idBlock.tagNumber) ? node.idBlock.tagNumber : tag;
      return codec.fromNode(onlyChild(node, APPLICATION, found, path), path);
    },
  };
}

/** A required component. */
export function field<T>(tag: number, codec: Codec<T>): Field<T, false> {
  return { tag, codec, optional: false };
}

/** An OPTIONAL component; absent is undefined. */
export function optional<T>(tag: number, codec: Codec<T>): Field<T, true> {
  return { tag, codec, optional: true };
}

/** The content octets of a primitive node of this universal tag. */
export function primitiveContent(node: BaseBlock, tag: number, path: string): Uint8Array {
  requireTag(node, UNIVERSAL, tag, false, path);
  return node.valueBeforeDecodeView.subarray(node.idBlock.blockLength + node.lenBlock.blockLength);
}

function tagged(tagClass: number, tagNumber: number, inner: BaseBlock): BaseBlock {
  return new Constructed({ idBlock: { tagClass, tagNumber }, value: [inner] });
}

function childrenOf(node: BaseBlock, tagClass: number, tagNumber: number, path: string) {
  requireTag(node, tagClass, tagNumber, true, path);
  return (node as Constructed).valueBlock.value as unknown as readonly BaseBlock[];
}

function onlyChild(node: BaseBlock, tagClass: number, tagNumber: number, path: string): BaseBlock {
  const children = childrenOf(node, tagClass, tagNumber, path);
  const [child] = children;
  if (child === undefined || children.length !== 1) {
    throw new KpropError('decode.bad-value', {
      what: path,
      reason: `holds ${children.length} values where one belongs`,
    });
  }
  return child;
}

function requireTag(
  node: BaseBlock,
  tagClass: number,
  tagNumber: number,
  constructed: boolean,
  path: string,
): void {
  const { idBlock } = node;
  const wanted = `${classNames[tagClass]} ${tagNumber}`;
  if (
    idBlock.tagClass !== tagClass ||
    idBlock.tagNumber !== tagNumber ||
    idBlock.isConstructed !== constructed
  ) {
    throw new KpropError('decode.unexpected-tag', { what: path, wanted, found: tagName(node) });
  }
}

function tagName(node: BaseBlock): string {
  const { tagClass, tagNumber, isConstructed } = node.idBlock;
  return `${classNames[tagClass] ?? 'tag class'} ${tagNumber}${isConstructed ? '' : ' (primitive)'}`;
}

const classNames: Readonly<Record<number, string>> = {
  [UNIVERSAL]: 'UNIVERSAL',
  [APPLICATION]: 'APPLICATION',
  [CONTEXT]: 'field',
  4: 'PRIVATE',
};
