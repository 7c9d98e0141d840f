import { KpropError } from '../../errors/kprop-error.ts';
import { type Element, type ElementLimits, parseElement } from './element.ts';
import { applicationTag, constructedBit, contextTag, tagName, universalTags } from './tag.ts';
import { constructed, type DerNode, write } from './writer.ts';

/**
 * A DER type: how a value becomes an element to write, and an element that was read the value.
 * `path` names the place in errors.
 */
export interface Codec<T> {
  readonly label: string;
  toNode(value: T): DerNode;
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

/** Messages of the handshake are small; what is larger is refused before it is parsed. */
const messageLimitBytes = 1 << 20;
const elementLimit = 512;

/** DER bytes of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  return write(codec.toNode(value));
}

/** DER bytes of one component, as they stand in its SEQUENCE. */
export function encodeField<T>({ tag, codec }: Field<T, boolean>, value: T): Uint8Array {
  return write(constructed(contextTag(tag), [codec.toNode(value)]));
}

/**
 * The value that DER bytes hold: all of them, definite and minimal lengths only, nothing unknown.
 * `elements` limits how many elements there may be, of all depths; `paddingBytes` how many zero
 * bytes may follow. @throws decode.*, message.too-long
 */
export function decode<T>(
  codec: Codec<T>,
  der: Uint8Array,
  { elements = elementLimit, paddingBytes = 0 }: Partial<ElementLimits> = {},
): T {
  if (der.length > messageLimitBytes) {
    throw new KpropError('message.too-long', {
      what: codec.label,
      bytes: der.length,
      limit: messageLimitBytes,
    });
  }
  return codec.fromElement(parseElement(der, codec.label, { elements, paddingBytes }), codec.label);
}

/** SEQUENCE of fields with explicit context tags, in ascending order. Unknown ones are refused. */
export function sequence<F extends Fields>(label: string, fields: F): Codec<SequenceValue<F>> {
  const entries = Object.entries(fields).sort(([, a], [, b]) => a.tag - b.tag);
  return {
    label,
    toNode(value) {
      const present: DerNode[] = [];
      for (const [name, { tag, codec }] of entries) {
        const item = (value as Record<string, unknown>)[name];
        if (item !== undefined) present.push(constructed(contextTag(tag), [codec.toNode(item)]));
      }
      return constructed(universalTags.sequence, present);
    },
    fromElement(element, path) {
      const children = childrenOf(element, universalTags.sequence, path);
      const value: Record<string, unknown> = {};
      let next = 0;
      for (const [name, { tag, codec, optional }] of entries) {
        const child = children[next];
        if (child !== undefined && isField(child, tag)) {
          const inner = onlyChild(child, contextTag(tag), path);
          value[name] = codec.fromElement(inner, `${path}.${name}`);
          next += 1;
        } else if (!optional) {
          throw new KpropError('decode.missing-field', { what: `${path}.${name}` });
        }
      }
      if (next < children.length) {
        throw new KpropError('decode.bad-value', {
          what: path,
          reason: `has an unknown or misplaced field ${tagName((children[next] as Element).tag)}`,
        });
      }
      return value as SequenceValue<F>;
    },
  };
}

/** SEQUENCE OF, with at most `most` items. */
export function sequenceOf<T>(
  label: string,
  item: Codec<T>,
  most = Number.POSITIVE_INFINITY,
): Codec<readonly T[]> {
  return {
    label,
    toNode: (values) =>
      constructed(
        universalTags.sequence,
        values.map((value) => item.toNode(value)),
      ),
    fromElement(element, path) {
      const children = childrenOf(element, universalTags.sequence, path);
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

/** [APPLICATION tag], explicit; `alsoRead` are accepted, too (MIT's KDC writes 26 for 25). */
export function application<T>(
  tag: number,
  codec: Codec<T>,
  alsoRead: readonly number[] = [],
): Codec<T> {
  return {
    label: codec.label,
    toNode: (value) => constructed(applicationTag(tag), [codec.toNode(value)]),
    fromElement(element, path) {
      const other = alsoRead.find((number) => element.tag === applicationTag(number));
      return codec.fromElement(onlyChild(element, applicationTag(other ?? tag), path), path);
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

/** The content bytes of an element with this tag byte. */
export function contentOf(element: Element, tag: number, path: string): Uint8Array {
  requireTag(element, tag, path);
  return element.content;
}

/** Whether an element has the number of a field: one that is primitive is refused after that. */
function isField({ tag }: Element, number: number): boolean {
  return (tag | constructedBit) === contextTag(number);
}

function childrenOf(element: Element, tag: number, path: string): readonly Element[] {
  requireTag(element, tag, path);
  return element.children;
}

function onlyChild(element: Element, tag: number, path: string): Element {
  const children = childrenOf(element, tag, path);
  const [child] = children;
  if (child === undefined || children.length !== 1) {
    throw new KpropError('decode.bad-value', {
      what: path,
      reason: `holds ${children.length} values where one belongs`,
    });
  }
  return child;
}

function requireTag(element: Element, tag: number, path: string): void {
  if (element.tag === tag) return;
  const names = { wanted: tagName(tag), found: tagName(element.tag) };
  throw new KpropError('decode.unexpected-tag', { what: path, ...names });
}
