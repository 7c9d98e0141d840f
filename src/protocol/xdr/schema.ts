import { KpropError } from '../../errors/kprop-error.ts';
import { ByteReader, concat } from '../bytes.ts';

/**
 * An XDR type: how a value becomes bytes, and bytes the value. `path` names the place in errors.
 * @see RFC 4506
 */
export interface Codec<T> {
  readonly label: string;
  /** The fewest bytes that a value takes: what an array claims is checked against it. */
  readonly leastBytes: number;
  write(value: T, out: Uint8Array[]): void;
  read(input: ByteReader, path: string): T;
}

/** The TypeScript type that a codec reads and writes. */
export type Decoded<C> = C extends Codec<infer T> ? T : never;

/** XDR bytes of a value, always a multiple of 4. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const out: Uint8Array[] = [];
  codec.write(value, out);
  return concat(...out);
}

/** The value that XDR bytes hold: all of them. @throws decode.truncated, decode.bad-value */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const input = new ByteReader(bytes, codec.label);
  const value = codec.read(input, codec.label);
  if (input.remaining > 0) {
    throw new KpropError('decode.bad-value', {
      what: codec.label,
      reason: `is followed by ${input.remaining} bytes too many`,
    });
  }
  return value;
}

type Fields = Readonly<Record<string, Codec<unknown>>>;
type StructValue<F extends Fields> = { readonly [K in keyof F]: Decoded<F[K]> };

/** Fields one after the other, in the order in which they are given (§4.14). */
export function struct<F extends Fields>(label: string, fields: F): Codec<StructValue<F>> {
  const entries = Object.entries(fields);
  return {
    label,
    leastBytes: entries.reduce((total, [, { leastBytes }]) => total + leastBytes, 0),
    write(value, out) {
      for (const [name, codec] of entries) codec.write(value[name], out);
    },
    read(input, path) {
      const value: Record<string, unknown> = {};
      for (const [name, codec] of entries) value[name] = codec.read(input, `${path}.${name}`);
      return value as StructValue<F>;
    },
  };
}

/** A variable-length array (§4.13). No memory is taken for items that cannot be there. */
export function array<T>(label: string, item: Codec<T>): Codec<readonly T[]> {
  return {
    label,
    leastBytes: 4,
    write(values, out) {
      out.push(bigEndian(values.length));
      for (const value of values) item.write(value, out);
    },
    read(input, path) {
      const count = input.uint32();
      if (count * item.leastBytes > input.remaining) {
        throw new KpropError('decode.bad-value', {
          what: path,
          reason: `claims ${count} items, for which it is too short`,
        });
      }
      return Array.from({ length: count }, (_, index) => item.read(input, `${path}[${index}]`));
    },
  };
}

/** One arm of a union: its number on the wire, and what follows that. */
export interface Arm<T> {
  readonly number: number;
  readonly codec: Codec<T>;
}

type Arms = Readonly<Record<string, Arm<unknown>>>;
type ArmValue<A extends Arms> = {
  [K in keyof A]: { readonly type: K; readonly value: Decoded<A[K]['codec']> };
}[keyof A];

/** An arm that has no name here. */
export interface OtherArm<T> {
  readonly type: number;
  readonly value: T;
}

export function arm<T>(number: number, codec: Codec<T>): Arm<T> {
  return { number, codec };
}

/** A discriminated union (§4.15); `other` is what follows a number that no arm has. */
export function union<A extends Arms, T>(
  label: string,
  arms: A,
  other: Codec<T>,
): Codec<ArmValue<A> | OtherArm<T>> {
  const byName = arms as unknown as Readonly<Record<string, Arm<unknown>>>;
  const byNumber = new Map(
    Object.entries(byName).map(([type, { number, codec }]) => [number, { type, codec }] as const),
  );
  return {
    label,
    leastBytes: 8,
    write({ type, value }, out) {
      const known = typeof type === 'number' ? undefined : byName[type as string];
      out.push(bigEndian(known?.number ?? (type as number)));
      if (known === undefined) other.write(value as T, out);
      else known.codec.write(value, out);
    },
    read(input, path) {
      const number = input.int32();
      const known = byNumber.get(number);
      if (known === undefined)
        return { type: number, value: other.read(input, `${path}.${number}`) };
      const { type, codec } = known;
      return { type, value: codec.read(input, `${path}.${type}`) } as ArmValue<A>;
    },
  };
}

/** A number as 4 bytes, big endian, its lowest 32 bits. */
export function bigEndian(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
