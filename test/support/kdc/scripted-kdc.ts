import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

import { framed } from '../../../src/protocol/channel/frame.ts';
import { decode, encode } from '../../../src/protocol/der/schema.ts';
import { makeChecksum } from '../../../src/protocol/krb5/crypto/checksum.ts';
import type { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import {
  type AsReq,
  asRep,
  asReq,
  type EncAsRepPart,
  encAsRepPart,
} from '../../../src/protocol/krb5/messages/as.ts';
import { krbError } from '../../../src/protocol/krb5/messages/error.ts';
import {
  checksum,
  methodData,
  nameOf,
  type PaData,
} from '../../../src/protocol/krb5/messages/parts.ts';
import type { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { ticket as ticketCodec } from '../../../src/protocol/krb5/messages/ticket.ts';
import { sealPart } from '../../../src/protocol/krb5/session/enc-part.ts';
import { seededAmbient } from '../wire/fixed-ambient.ts';
import {
  forgeCredential,
  nowMicros,
  nowSeconds,
  primaryName,
  replicaName,
  someKey,
} from '../wire/forge.ts';
import { framesOf } from '../wire/transcripts.ts';

export interface Asked {
  readonly bytes: Uint8Array;
  readonly request: AsReq;
  readonly transport: 'udp' | 'tcp';
}

/** What the KDC answers to its first, second, third request…; the last answer serves for the rest. */
export type Script = readonly ((asked: Asked) => Uint8Array)[];

export interface ScriptedKdc {
  readonly port: number;
  readonly asked: readonly Asked[];
}

const cleanup: (() => void)[] = [];

/** Ends every KDC; for afterEach. */
export function closeKdcs(): void {
  for (const undo of cleanup.splice(0)) undo();
}

/**
 * A KDC on one port of 127.0.0.1, by UDP and TCP. `ahead` comes as a datagram before each of its own,
 * from who knows whom.
 */
export async function scriptedKdc(
  script: Script,
  { ahead }: { readonly ahead?: Uint8Array | undefined } = {},
): Promise<ScriptedKdc> {
  const asked: Asked[] = [];
  const answer = (bytes: Uint8Array, transport: 'udp' | 'tcp') => {
    const step = script[Math.min(asked.length, script.length - 1)]!;
    const one = { bytes, request: decode(asReq, bytes), transport };
    asked.push(one);
    return step(one);
  };
  for (;;) {
    const udp = createSocket('udp4');
    udp.on('message', (bytes, from) => {
      if (ahead !== undefined) udp.send(ahead, from.port, from.address);
      udp.send(answer(new Uint8Array(bytes), 'udp'), from.port, from.address);
    });
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => {
        for (const part of framed(answer(framesOf(data)[0]!, 'tcp'))) socket.write(part);
      });
    });
    if (await listens(tcp, port)) {
      cleanup.push(() => {
        udp.close();
        tcp.close();
      });
      return { port, asked };
    }
    udp.close();
  }
}

function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}

const ambient = seededAmbient(nowMicros, 88);

export interface ErrorFields {
  readonly number: number;
  readonly text?: string;
  readonly eData?: Uint8Array;
  readonly stime?: number;
  readonly susec?: number;
}

export function kdcError(o: ErrorFields): Uint8Array {
  return encode(krbError, {
    pvno: 5,
    msgType: 30,
    stime: o.stime ?? nowSeconds,
    susec: o.susec ?? 7,
    errorCode: o.number,
    realm: replicaName.realm,
    sname: nameOf(replicaName),
    ...(o.text !== undefined && { eText: new Uint8Array(Buffer.from(o.text)) }),
    eData: o.eData,
  });
}

/** KDC_ERR_PREAUTH_REQUIRED with these offers. */
export function preauthRequired(
  offers: readonly PaData[],
  o: Partial<ErrorFields> = {},
): Uint8Array {
  return kdcError({ number: 25, eData: encode(methodData, offers), ...o });
}

export interface ReplyFields {
  readonly part?: Partial<EncAsRepPart>;
  readonly client?: Principal;
  readonly ticketServer?: Principal;
  /** Whose ticket it is; the forged primary's unless given. */
  readonly ticketClient?: Principal;
  readonly replyKey?: Key;
  readonly pvno?: number;
  readonly msgType?: number;
  /** The item 149: as it should be unless given. */
  readonly proof?:
    | 'missing'
    | 'of another request'
    | 'of another type'
    | 'damaged'
    | 'not promised';
}

/** An AS-REP as MIT's KDC makes it, with whatever differs. */
export function asReplyTo(
  { bytes, request }: Pick<Asked, 'bytes' | 'request'>,
  o: ReplyFields = {},
) {
  const { reqBody } = request;
  const client = o.client ?? primaryName;
  const key = o.replyKey ?? someKey(18);
  const { ticket, sessionKey } = forgeCredential({
    service: o.ticketServer ?? replicaName,
    client: o.ticketClient ?? primaryName,
  });
  const covered =
    o.proof === 'of another request' ? bytes.with(12, (bytes[12] as number) ^ 1) : bytes;
  const sum = makeChecksum(key, 56, covered);
  if (o.proof === 'damaged') sum.set([(sum[0] as number) ^ 1]);
  const proof = encode(checksum, {
    cksumtype: o.proof === 'of another type' ? 1 : key.profile.checksumType,
    checksum: sum,
  });
  const promise = o.proof === 'not promised' ? 0 : 0x00010000;
  const part: EncAsRepPart = {
    key: { keytype: sessionKey.profile.number, keyvalue: sessionKey.bytes },
    lastReq: [{ lrType: 0, lrValue: 0 }],
    nonce: reqBody.nonce,
    flags: 0x00400000 | promise,
    authtime: nowSeconds,
    endtime: reqBody.till,
    srealm: replicaName.realm,
    sname: nameOf(replicaName),
    encryptedPaData: [
      ...(o.proof === 'missing' ? [] : [{ padataType: 149, padataValue: proof }]),
      { padataType: 136, padataValue: new Uint8Array(0) },
    ],
    ...o.part,
  };
  return encode(asRep, {
    pvno: o.pvno ?? 5,
    msgType: o.msgType ?? 11,
    crealm: client.realm,
    cname: nameOf(client),
    ticket: { raw: ticket, value: decode(ticketCodec, ticket) },
    encPart: sealPart(encAsRepPart, part, key, 3, { ambient }),
  });
}
