import { type BaseBlock, Constructed, Sequence } from 'asn1js';

import { KpropError } from '../../errors/kprop-error.ts';
import { type Element, parseElement, tagClasses } from './element.ts';

/**
 * A DER type: how a value becomes a node of asn1js, and an element the value. `path` names the place
 * in errors.
 */
export interface Codec<T> {
  readonly label: string;
  toNode(value: T): BaseBlock;
  fromElement(element: Element, path: string): T;
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

const { universal: UNIVERSAL, application: APPLICATION, context: CONTEXT } = tagClasses;
const SEQUENCE = 16;

/** Messages of the hand-shake are small; what is larger is refused before it is parsed. */
const messageLimitBytes = 1 << 20;
const elementLimit = 512;

/** DER bytes of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  return new Uint8Array(codec.toNode(value).toBER());
}

/**
 * The value that DER bytes hold: all of them, definite and minimal lengths only, nothing unknown.
 * `elements` limits how many there may be, of all depths. @throws decode.*, message.too-long
 */
export function decode<T>(
  codec: Codec<T>,
  der: Uint8Array,
  { elements = elementLimit }: { readonly elements?: number } = {},
): T {
  if (der.length > messageLimitBytes) {
    throw new KpropError('message.too-long', {
      what: codec.label,
      bytes: der.length,
      limit: messageLimitBytes,
    });
  }
  return codec.fromElement(parseElement(der, codec.label, elements), codec.label);
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
    fromElement(element, path) {
      const children = childrenOf(element, UNIVERSAL, SEQUENCE, path);
      const value: Record<string, unknown> = {};
      let next = 0;
      for (const [name, { tag, codec, optional }] of entries) {
        const child = children[next];
        if (child?.tagClass === CONTEXT && child.tagNumber === tag) {
          value[name] = codec.fromElement(onlyChild(child, CONTEXT, tag, path), `${path}.${name}`);
          next += 1;
        } else if (!optional) {
          throw new KpropError('decode.missing-field', { what: `${path}.${name}` });
        }
      }
      if (next < children.length) {
        throw new KpropError('decode.bad-value', {
          what: path,
          reason: `has an unknown or misplaced field ${tagName(children[next] as Element)}`,
        });
      }
      return value as SequenceValue<F>;
    },
  };
}

/** SEQUENCE OF, with no more than `most` items where that is given. */
export function sequenceOf<T>(
  label: string,
  item: Codec<T>,
  most = Number.POSITIVE_INFINITY,
): Codec<readonly T[]> {
  return {
    label,
    toNode: (values) => new Sequence({ value: values.map((value) => item.toNode(value)) }),
    fromElement(element, path) {
      const children = childrenOf(element, UNIVERSAL, SEQUENCE, path);
      if (children.length > most) {
        throw new KpropError('decode.bad-value', {
          what: path,
          reason: `has more than ${most} parts`,
        });
      }
      return children.map((child, index) => item.fromElement(child, `${path}[${index}]`));
    },
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
    fromElement(element, path) {
      const found = alsoRead.includes(element.tagNumber) ? element.tagNumber : tag;
      return codec.fromElement(onlyChild(element, APPLICATION, found, path), path);
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

/** The content bytes of a primitive element of this universal tag. */
export function primitiveContent(element: Element, tag: number, path: string): Uint8Array {
  requireTag(element, UNIVERSAL, tag, false, path);
  return element.content;
}

function tagged(tagClass: number, tagNumber: number, inner: BaseBlock): BaseBlock {
  return new Constructed({ idBlock: { tagClass, tagNumber }, value: [inner] });
}

function childrenOf(
  element: Element,
  tagClass: number,
  tagNumber: number,
  path: string,
): readonly Element[] {
  requireTag(element, tagClass, tagNumber, true, path);
  return element.children;
}

function onlyChild(element: Element, tagClass: number, tagNumber: number, path: string): Element {
  const children = childrenOf(element, tagClass, tagNumber, path);
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
  element: Element,
  tagClass: number,
  tagNumber: number,
  constructed: boolean,
  path: string,
): void {
  if (
    element.tagClass !== tagClass ||
    element.tagNumber !== tagNumber ||
    element.constructed !== constructed
  ) {
    const wanted = `${classNames[tagClass]} ${tagNumber}`;
    throw new KpropError('decode.unexpected-tag', { what: path, wanted, found: tagName(element) });
  }
}

function tagName({ tagClass, tagNumber, constructed }: Element): string {
  return `${classNames[tagClass]} ${tagNumber}${constructed ? '' : ' (primitive)'}`;
}

const classNames: Readonly<Record<number, string>> = {
  [UNIVERSAL]: 'UNIVERSAL',
  [APPLICATION]: 'APPLICATION',
  [CONTEXT]: 'field',
  [tagClasses.private]: 'PRIVATE',
};
