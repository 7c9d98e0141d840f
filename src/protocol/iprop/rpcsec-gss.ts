import { KpropError } from '../../errors/kprop-error.ts';
import type { Ambient } from '../ambient.ts';
import { concat, equalBytes } from '../bytes.ts';
import type { Channel } from '../channel/channel.ts';
import { readRecord, writeRecord } from '../channel/record-mark.ts';
import { type GssContext, initiateContext } from '../krb5/gss/context.ts';
import type { Credential } from '../krb5/session/credential.ts';
import { opaque, uint32 } from '../xdr/primitives.ts';
import { bigEndian, decode, encode, struct } from '../xdr/schema.ts';
import {
  authentication,
  decodeReply,
  encodeCallHeader,
  noAuthentication,
  type Reply,
  rpcsecGss,
  xidOf,
} from './rpc.ts';
import type { Procedure } from './updates.ts';

/** The credential of every call (RFC 2203 §5.3.1). */
const credentialBody = struct('RPCSEC_GSS credential', {
  version: uint32,
  procedure: uint32,
  sequence: uint32,
  service: uint32,
  handle: opaque,
});
const gssProcedures = { data: 0, initiate: 1, destroy: 3 } as const;
const privacy = 3;

/** The answer to the initial token (RFC 2203 §5.2.3.1). */
const initiationReply = struct('RPCSEC_GSS initiation', {
  handle: opaque,
  major: uint32,
  minor: uint32,
  window: uint32,
  token: opaque,
});

/** Who answers has proved nothing yet. */
const initiationLimitBytes = 1 << 16;
/** Records with a foreign xid are skipped (a late answer); somebody who sends nothing else is not. */
const foreignLimit = 64;

export interface RpcOptions {
  readonly program: { readonly number: number; readonly version: number };
  readonly credential: Credential;
  readonly ambient: Ambient;
  /** How many bytes a reply may have. */
  readonly replyLimitBytes: number;
  /** How long to wait while nothing moves. */
  readonly idleMillis: number;
}

/** A client of one RPC program over a channel, with RPCSEC_GSS and privacy. @see RFC 2203 */
export class RpcClient {
  readonly #channel: Channel;
  readonly #o: RpcOptions;
  readonly #context: GssContext;
  readonly #handle: Uint8Array;
  #xid: number;
  #sequence = 0;

  private constructor(
    channel: Channel,
    o: RpcOptions,
    made: { readonly context: GssContext; readonly handle: Uint8Array; readonly xid: number },
  ) {
    this.#channel = channel;
    this.#o = o;
    this.#context = made.context;
    this.#handle = made.handle;
    this.#xid = made.xid;
  }

  /**
   * Makes the context that all calls share.
   * @throws rpc.*, peer.refused, session.*, crypto.*, decode.*, message.*, network.*, aborted
   */
  static async open(channel: Channel, o: RpcOptions): Promise<RpcClient> {
    const { peer } = channel.ends;
    const xid = new DataView(Uint8Array.from(o.ambient.random(4)).buffer).getUint32(0);
    channel.during('making a context for RPC', o.idleMillis);
    const { token, complete } = initiateContext(o.credential, { peer, ambient: o.ambient });
    const credential = gssCredential(gssProcedures.initiate, 0, new Uint8Array(0));
    const head = encodeCallHeader({ xid, ...programOf(o), procedure: 0, credential });
    const call = concat(head, encode(authentication, noAuthentication), encode(opaque, token));
    await writeRecord(channel, call);
    const { verifier, body } = await readReply(channel, xid, initiationLimitBytes);
    const answer = decode(initiationReply, body);
    if (answer.major !== 0) {
      const reason = `GSS major status ${answer.major}, minor ${answer.minor}`;
      throw new KpropError('rpc.denied', { peer, auth: 2, reason });
    }
    const context = complete(answer.token);
    requireFlavor(verifier.flavor);
    context.verifyMic(verifier.body, bigEndian(answer.window));
    return new RpcClient(channel, o, { context, handle: answer.handle, xid });
  }

  /** Calls a procedure. @throws as open, rpc.failed */
  async call<A, R>(procedure: Procedure<A, R>, argument: A): Promise<R> {
    const body = await this.#exchange(
      gssProcedures.data,
      procedure.number,
      encode(procedure.argument, argument),
    );
    return decode(procedure.result, body);
  }

  /** Tells the other side that the context is no longer needed. @throws as open */
  async destroy(): Promise<void> {
    await this.#exchange(gssProcedures.destroy, 0, new Uint8Array(0));
  }

  async #exchange(gssProcedure: number, procedure: number, plain: Uint8Array): Promise<Uint8Array> {
    const { peer } = this.#channel.ends;
    this.#channel.during('calling a procedure', this.#o.idleMillis);
    this.#xid = (this.#xid + 1) >>> 0;
    this.#sequence += 1;
    const sequence = bigEndian(this.#sequence);
    const credential = gssCredential(gssProcedure, this.#sequence, this.#handle);
    const call = { xid: this.#xid, ...programOf(this.#o), procedure, credential };
    const head = encodeCallHeader(call);
    const verifier = { flavor: rpcsecGss, body: this.#context.makeMic(head) };
    const sealed = this.#context.wrap(concat(sequence, plain));
    await writeRecord(
      this.#channel,
      concat(head, encode(authentication, verifier), encode(opaque, sealed)),
    );
    const reply = await readReply(this.#channel, this.#xid, this.#o.replyLimitBytes);
    requireFlavor(reply.verifier.flavor);
    this.#context.verifyMic(reply.verifier.body, sequence);
    // MIT's kadmind answers the end of a context with a wrapped sequence number, or with nothing.
    if (gssProcedure === gssProcedures.destroy) return new Uint8Array(0);
    const opened = this.#context.unwrap(decode(opaque, reply.body));
    if (!equalBytes(opened.subarray(0, 4), sequence)) {
      const reason = `is from ${peer} for another call`;
      throw new KpropError('decode.bad-value', { what: 'RPC reply', reason });
    }
    return opened.subarray(4);
  }
}

function gssCredential(procedure: number, sequence: number, handle: Uint8Array) {
  const body = { version: 1, procedure, sequence, service: privacy, handle };
  return { flavor: rpcsecGss, body: encode(credentialBody, body) };
}

function programOf({ program }: RpcOptions) {
  return { program: program.number, version: program.version };
}

/** The reply to this call. @throws rpc.denied, rpc.failed, message.*, decode.*, network.* */
async function readReply(channel: Channel, xid: number, limitBytes: number): Promise<Reply> {
  for (let skipped = 0; ; skipped += 1) {
    const record = await readRecord(channel, 'RPC reply', limitBytes);
    if (xidOf(record) === xid) return decodeReply(record, channel.ends.peer);
    if (skipped === foreignLimit) {
      throw new KpropError('message.unexpected', {
        wanted: 'the reply to this call',
        found: 'replies to other calls',
      });
    }
  }
}

function requireFlavor(flavor: number): void {
  if (flavor === rpcsecGss) return;
  const found = `a verifier of flavor ${flavor}`;
  throw new KpropError('message.unexpected', { wanted: 'a verifier of RPCSEC_GSS', found });
}
