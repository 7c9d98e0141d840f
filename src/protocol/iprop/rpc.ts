import { KpropError } from '../../errors/kprop-error.ts';
import { ByteReader } from '../bytes.ts';
import { int32, opaque, uint32 } from '../xdr/primitives.ts';
import { encode, struct } from '../xdr/schema.ts';

/** Names of what RPC denies or fails with, for errors. */
export const callFailures = {
  1: 'program unavailable',
  2: 'program version mismatch',
  3: 'procedure unavailable',
  4: 'the arguments cannot be decoded',
  5: 'system error',
} as const;

/** AUTH_ERROR of RFC 5531 §9, and RPCSEC_GSS's two (RFC 2203 §5.3.3.3). */
export const authFailures: Readonly<Record<number, string>> = {
  1: 'bad credential',
  2: 'the credential was rejected',
  3: 'bad verifier',
  4: 'the verifier was rejected',
  5: 'the credential is too weak, or the ticket has expired',
  6: 'bad verifier of the reply',
  7: 'unspecified failure',
  13: 'no such context',
  14: 'the context has been lost, or the call was repeated',
};

/** Credential or verifier: a flavor, and its bytes. */
export const authentication = struct('opaque_auth', { flavor: uint32, body: opaque });
export const rpcsecGss = 6;
export const noAuthentication = { flavor: 0, body: new Uint8Array(0) } as const;

/** A call up to its credential: what the MIC of the header covers. */
const callHeader = struct('call', {
  xid: uint32,
  direction: int32,
  rpcVersion: uint32,
  program: uint32,
  version: uint32,
  procedure: uint32,
  credential: authentication,
});

export interface CallHeader {
  readonly xid: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly credential: { readonly flavor: number; readonly body: Uint8Array };
}

/** @see RFC 5531 §9 */
export function encodeCallHeader(call: CallHeader): Uint8Array {
  return encode(callHeader, { direction: 0, rpcVersion: 2, ...call });
}

/** A reply that was accepted and succeeded; `body` is what the procedure gave. */
export interface Reply {
  readonly verifier: { readonly flavor: number; readonly body: Uint8Array };
  readonly body: Uint8Array;
}

/** The xid of a reply; undefined of what is no reply. */
export function xidOf(record: Uint8Array): number | undefined {
  if (record.length < 8) return undefined;
  const view = new DataView(record.buffer, record.byteOffset);
  return view.getUint32(4) === 1 ? view.getUint32(0) : undefined;
}

/**
 * What a reply says. @throws rpc.denied, rpc.failed, decode.*
 * @see RFC 5531 §9
 */
export function decodeReply(record: Uint8Array, peer: string): Reply {
  const input = new ByteReader(record, 'RPC reply');
  input.bytes(8); // xid and direction
  const status = input.uint32();
  if (status === 1) throw denied(input, peer);
  if (status !== 0) throw badValue(`has status ${status}`);
  const verifier = authentication.read(input, 'reply.verifier');
  const accepted = input.uint32();
  if (accepted === 0) return { verifier, body: input.rest() };
  const reason = callFailures[accepted as keyof typeof callFailures];
  if (reason === undefined) throw badValue(`has accept status ${accepted}`);
  throw new KpropError('rpc.failed', { peer, status: accepted, reason });
}

function denied(input: ByteReader, peer: string): KpropError {
  const rejected = input.uint32();
  if (rejected === 0) {
    return new KpropError('rpc.denied', {
      peer,
      auth: 0,
      reason: 'it speaks another version of RPC',
    });
  }
  const auth = input.uint32();
  const reason = authFailures[auth] ?? `authentication error ${auth}`;
  return new KpropError('rpc.denied', { peer, auth, reason });
}

function badValue(reason: string): KpropError {
  return new KpropError('decode.bad-value', { what: 'RPC reply', reason });
}
