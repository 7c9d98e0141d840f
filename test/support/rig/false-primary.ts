import { createServer, type Server, type Socket } from 'node:net';

import { readKeytab } from '../../../src/host/keytab-file.ts';
import { systemAmbient } from '../../../src/protocol/ambient.ts';
import { ByteReader, concat } from '../../../src/protocol/bytes.ts';
import type { Channel } from '../../../src/protocol/channel/channel.ts';
import { readRecord, writeRecord } from '../../../src/protocol/channel/record-mark.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { authentication, rpcsecGss } from '../../../src/protocol/iprop/rpc.ts';
import {
  type LastUpdate,
  lastUpdate,
  procedures,
  resyncReply,
  type Update,
  updateStatuses,
  updatesReply,
} from '../../../src/protocol/iprop/updates.ts';
import { tokensOf } from '../../../src/protocol/krb5/gss/context.ts';
import type { MessageTokens } from '../../../src/protocol/krb5/gss/message-tokens.ts';
import { frameToken, tokenIds, unframeToken } from '../../../src/protocol/krb5/gss/token-frame.ts';
import { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { acceptApReq, makeApRep } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import { memoryReplayCache } from '../../../src/protocol/krb5/session/replay.ts';
import { opaque, uint32 } from '../../../src/protocol/xdr/primitives.ts';
import { bigEndian, decode, encode } from '../../../src/protocol/xdr/schema.ts';

/** A call as the false primary sees it, and what it can make of an answer. */
export interface Asked {
  readonly xid: number;
  readonly procedure: number;
  readonly last: LastUpdate | undefined;
  readonly sequence: Uint8Array;
  readonly tokens: MessageTokens;
  /** The next sequence number of its side. */
  next(): number;
  /** An accepted reply with these plain bytes behind the call's number. */
  reply(
    plain: Uint8Array,
    o?: { readonly xid?: number; readonly sequence?: Uint8Array },
  ): Uint8Array;
}

/** Records to send, in order; after `end` the connection is closed. */
export interface Answer {
  readonly records?: readonly Uint8Array[];
  /** Bytes without a record mark of ours. */
  readonly raw?: Uint8Array;
  readonly end?: boolean;
}

/**
 * A service that authenticates as kadmind does, with the key of kiprop/localhost, and then answers what
 * the test wants: no kadmind can be made to lie.
 */
export class FalsePrimary {
  readonly port: number;
  /** The procedures that were called. */
  readonly calls: number[] = [];
  answer: (asked: Asked) => Answer;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(
    server: Server,
    sockets: Set<Socket>,
    answer: (asked: Asked) => Answer,
    port: number,
  ) {
    this.#server = server;
    this.#sockets = sockets;
    this.answer = answer;
    this.port = port;
  }

  static async start(keytab: string, answer: (asked: Asked) => Answer): Promise<FalsePrimary> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const { port } = server.address() as { port: number };
    const primary = new FalsePrimary(server, sockets, answer, port);
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      const address = { addrType: 2, address: Uint8Array.of(127, 0, 0, 1) };
      const channel = channelOver(socket, { local: address, remote: address, peer: 'the replica' });
      serve(channel, keytab, primary)
        .catch(() => undefined)
        .finally(() => socket.destroy());
    });
    return primary;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The usual answers. */
export const answers = {
  /** Nothing is new. */
  nil: (asked: Asked): Answer => updates(asked, [], updateStatuses.nil),
  updates,
  status: (asked: Asked, status: number): Answer => updates(asked, [], status),
  resync: (asked: Asked, status: number): Answer => ({
    records: [asked.reply(encode(resyncReply, { last: nowhere, status }))],
  }),
};

const nowhere = { serial: 0, seconds: 0, micros: 0 };

function updates(
  asked: Asked,
  list: readonly Update[],
  status: number = updateStatuses.ok,
): Answer {
  const newest = list.at(-1);
  const last =
    newest === undefined
      ? nowhere
      : { serial: newest.serial, seconds: newest.seconds, micros: newest.micros };
  return { records: [asked.reply(encode(updatesReply, { last, updates: list, status }))] };
}

async function serve(channel: Channel, keytab: string, primary: FalsePrimary): Promise<void> {
  const ambient = systemAmbient();
  channel.during('serving', 0);
  const first = callIn(await readRecord(channel, 'call', 1 << 20));
  const keys = readKeytab(keytab);
  const accepted = await acceptApReq(unframeToken(decode(opaque, first.body)).content, {
    services: [Principal.parse('kiprop/localhost@LAB.EXAMPLE')],
    anyHost: false,
    keytab: () => keys,
    permittedEnctypes: [16, 17, 18, 19, 20, 23, 25, 26],
    clockSkewSeconds: 300,
    replay: memoryReplayCache(300),
    ambient,
  });
  const { message, sequence: initial, key } = makeApRep(accepted, { ambient });
  const tokens = tokensOf({ side: 'acceptor', key, acceptorSubkey: true, ambient });
  let sequence = initial;
  const next = () => sequence++;
  const window = bigEndian(32);
  const initiation = concat(
    encode(opaque, new TextEncoder().encode('xxxx')),
    ...[0, 0, 32].map((number) => encode(uint32, number)),
    encode(opaque, frameToken(tokenIds.apRep, message)),
  );
  await writeRecord(channel, accept(first.xid, tokens.makeMic(next(), window), initiation));
  for (;;) {
    const call = callIn(await readRecord(channel, 'call', 1 << 20));
    const plain = tokens.unwrap(decode(opaque, call.body)).message;
    const number = plain.subarray(0, 4);
    const rest = plain.subarray(4);
    const reply: Asked['reply'] = (answer, o = {}) =>
      accept(
        o.xid ?? call.xid,
        tokens.makeMic(next(), number),
        encode(opaque, tokens.wrap(next(), concat(o.sequence ?? number, answer))),
      );
    if (call.gssProcedure === destroy) {
      await writeRecord(channel, reply(new Uint8Array(0)));
      return;
    }
    primary.calls.push(call.procedure);
    const last = call.procedure === procedures.getUpdates ? decode(lastUpdate, rest) : undefined;
    const { xid, procedure } = call;
    const answer = primary.answer({ xid, procedure, last, sequence: number, tokens, next, reply });
    for (const record of answer.records ?? []) await writeRecord(channel, record);
    if (answer.raw !== undefined) await channel.write(answer.raw);
    if (answer.end === true) return;
  }
}

const destroy = 3;

function callIn(record: Uint8Array) {
  const input = new ByteReader(record, 'call');
  const xid = input.uint32();
  input.bytes(16);
  const procedure = input.uint32();
  const credential = authentication.read(input, 'credential');
  authentication.read(input, 'verifier');
  const gssProcedure = new ByteReader(credential.body.subarray(4), 'credential').uint32();
  return { xid, procedure, gssProcedure, body: input.rest() };
}

/** An accepted reply. */
export function accept(xid: number, mic: Uint8Array, body: Uint8Array, status = 0): Uint8Array {
  const verifier = encode(authentication, { flavor: rpcsecGss, body: mic });
  return concat(...[xid, 1, 0].map(bigEndian), verifier, bigEndian(status), body);
}

/** A denied one. */
export function deny(xid: number, authStatus: number): Uint8Array {
  return concat(...[xid, 1, 1, 1, authStatus].map(bigEndian));
}
