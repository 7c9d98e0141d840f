import { KpropError } from '../../../src/errors/kprop-error.ts';
import { concat } from '../../../src/protocol/bytes.ts';
import type { Channel } from '../../../src/protocol/channel/channel.ts';
import { framed } from '../../../src/protocol/channel/frame.ts';
import { applicationVersion, type Dump } from '../../../src/protocol/kprop/dump.ts';
import { confirmDump, receiveDump } from '../../../src/protocol/kprop/receiver.ts';
import { sendFailure } from '../../../src/protocol/kprop/refusal.ts';
import { sendDump } from '../../../src/protocol/kprop/sender.ts';
import type { AcceptorOptions } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { recvauth, sendauth } from '../../../src/protocol/krb5/session/sendauth.ts';
import type { Session } from '../../../src/protocol/krb5/session/session.ts';
import { channelPair, type PairOptions, type Tap } from './channel-pair.ts';
import { seededAmbient } from './fixed-ambient.ts';
import { acceptor, forgeCredential, nowMicros } from './forge.ts';

export interface ConversationOptions extends PairOptions {
  readonly enctype?: number;
  readonly dump: Dump | Uint8Array;
  readonly credential?: Credential;
  readonly acceptor?: Partial<AcceptorOptions>;
  /** For every step of both sides; 2 s unless given. */
  readonly idleMillis?: number;
  readonly onProgress?: (bytes: number) => void;
  /** Of the primary's randomness: another seed, other sequence numbers. */
  readonly seed?: number;
}

export interface Outcome {
  readonly clientError: unknown;
  readonly serverError: unknown;
  /** What the replica would have loaded: undefined if it did not get to the end. */
  readonly received: Uint8Array | undefined;
}

/** A whole propagation in memory, each side as its program does it; what went wrong on each. */
export async function converse(o: ConversationOptions): Promise<Outcome> {
  const { client, server } = channelPair(o);
  const idleMillis = o.idleMillis ?? 2_000;
  let received: Uint8Array | undefined;
  const [sent, served] = await Promise.allSettled([
    propagateOver(client, { ...o, idleMillis }),
    serveOver(server, {
      ...acceptor(o.acceptor),
      idleMillis,
      onReceived: (bytes) => {
        received = bytes;
      },
    }),
  ]);
  return { clientError: reasonOf(sent), serverError: reasonOf(served), received };
}

/** The primary's side, as propagate() does it. */
export async function propagateOver(
  channel: Channel,
  o: Pick<ConversationOptions, 'dump' | 'credential' | 'enctype' | 'onProgress' | 'seed'> & {
    readonly idleMillis: number;
  },
): Promise<void> {
  const credential = o.credential ?? forgeCredential({ enctype: o.enctype ?? 18 });
  const limits = { idleMillis: o.idleMillis, confirmMillis: o.idleMillis };
  try {
    channel.during('authenticating', o.idleMillis);
    const ambient = seededAmbient(nowMicros, o.seed ?? 1);
    const session = await sendauth(channel, {
      application: applicationVersion,
      credential,
      ambient,
    });
    const dump = o.dump instanceof Uint8Array ? dumpOf([o.dump]) : o.dump;
    const { onProgress } = o;
    await sendDump(channel, session, dump, { limits, ...(onProgress && { onProgress }) });
  } finally {
    channel.close();
  }
}

/** The replica's side, as serveConnection() does it. */
export async function serveOver(
  channel: Channel,
  o: AcceptorOptions & {
    readonly idleMillis: number;
    readonly onReceived: (bytes: Uint8Array) => void;
  },
): Promise<void> {
  let session: Session | undefined;
  try {
    channel.during('authenticating', o.idleMillis);
    ({ session } = await recvauth(channel, { ...o, application: applicationVersion }));
    const dump = await receiveDump(channel, session, { idleMillis: o.idleMillis });
    const blocks: Uint8Array[] = [];
    for await (const batch of dump.batches()) blocks.push(...batch.map((block) => block.slice()));
    o.onReceived(concat(...blocks));
    await confirmDump(channel, session, dump.bytes);
  } catch (error) {
    if (session !== undefined && error instanceof KpropError) {
      await sendFailure(channel, session, 'server', error).catch(() => undefined);
    }
    throw error;
  } finally {
    await channel.close({ lingerMillis: o.idleMillis, lingerBytes: 1 << 30 });
  }
}

/** A dump in these pieces; of another announced size if one is given. */
export function dumpOf(pieces: readonly Uint8Array[], bytes = concat(...pieces).length): Dump {
  return {
    bytes,
    async *pieces() {
      yield* pieces;
    },
  };
}

/** Bytes that differ from block to block. */
export function someBytes(byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  for (let at = 0; at < byteCount; at += 1) bytes[at] = at * 31 + (at >> 8);
  return bytes;
}

/** Instead of a message: other messages, or the end of the line after some bytes of it. */
export type Alter = (
  message: Uint8Array,
  index: number,
) => readonly Uint8Array[] | { readonly cutAfterBytes: number };

/**
 * A tap that sees messages, counted from 0, without their lengths. `bareBytes` of them come first
 * and have no length: the replica's answer to the versions is one.
 */
export function messageTap(alter: Alter, o: { readonly bareBytes?: number } = {}): Tap {
  let waiting = new Uint8Array(0);
  let index = 0;
  let bare = o.bareBytes ?? 0;
  return (chunk) => {
    waiting = concat(waiting, chunk) as Uint8Array<ArrayBuffer>;
    const passed: Uint8Array[] = [];
    for (;;) {
      const headBytes = bare > 0 ? 0 : 4;
      if (waiting.length < headBytes + (bare > 0 ? 1 : 0)) break;
      const view = new DataView(waiting.buffer, waiting.byteOffset);
      const end = bare > 0 ? 1 : 4 + view.getUint32(0);
      if (waiting.length < end) break;
      const altered = alter(waiting.slice(headBytes, end), index);
      if ('cutAfterBytes' in altered) {
        return { last: concat(...passed, waiting.slice(0, altered.cutAfterBytes)) };
      }
      for (const message of altered) passed.push(...(bare > 0 ? [message] : framed(message)));
      waiting = waiting.slice(end);
      index += 1;
      if (bare > 0) bare -= 1;
    }
    return concat(...passed);
  };
}

function reasonOf(result: PromiseSettledResult<void>): unknown {
  return result.status === 'rejected' ? result.reason : undefined;
}
