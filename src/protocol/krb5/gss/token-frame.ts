import { KpropError } from '../../../errors/kprop-error.ts';
import { concat, equalBytes } from '../../bytes.ts';

/** The first two bytes after the mechanism (RFC 4121 §4.1, RFC 1964 §1.2). */
export const tokenIds = { apReq: 0x0100, apRep: 0x0200, error: 0x0300 } as const;

/** 1.2.840.113554.1.2.2 in DER (RFC 1964 §1). */
const krb5Mechanism = Uint8Array.of(0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2);
const applicationZero = 0x60;

/** A token with the framing of the mechanism (RFC 2743 §3.1): its identifier, then its pieces. */
export function frameToken(id: number, ...pieces: readonly Uint8Array[]): Uint8Array {
  const inner = concat(krb5Mechanism, Uint8Array.of(id >> 8, id & 0xff), ...pieces);
  return concat(Uint8Array.of(applicationZero, ...derLength(inner.length)), inner);
}

/** Identifier and content of a framed token. @throws decode.bad-value */
export function unframeToken(token: Uint8Array): {
  readonly id: number;
  readonly content: Uint8Array;
} {
  const { length: lengthBytes, value: length } = lengthIn(token);
  const start = 1 + lengthBytes;
  const mechanismEnd = start + krb5Mechanism.length;
  const framed =
    token[0] === applicationZero &&
    length === token.length - start &&
    token.length >= mechanismEnd + 2 &&
    equalBytes(token.subarray(start, mechanismEnd), krb5Mechanism);
  if (!framed) {
    const reason = 'is not framed as a token of the Kerberos mechanism';
    throw new KpropError('decode.bad-value', { what: 'GSS token', reason });
  }
  const id = ((token[mechanismEnd] as number) << 8) | (token[mechanismEnd + 1] as number);
  return { id, content: token.subarray(mechanismEnd + 2) };
}

function derLength(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

/** The length after the first byte, and how many bytes it takes. */
function lengthIn(token: Uint8Array): { readonly length: number; readonly value: number } {
  const first = token[1] ?? 0;
  if (first < 0x80) return { length: 1, value: first };
  const more = first & 0x7f;
  let value = 0;
  for (const byte of token.subarray(2, 2 + Math.min(more, 4))) value = value * 256 + byte;
  return { length: 1 + more, value };
}
