import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { loadKrb5Config } from '../../../src/host/config-files.ts';
import { shiftedAmbient, systemAmbient } from '../../../src/protocol/ambient.ts';
import { utf8 } from '../../../src/protocol/bytes.ts';
import type { Channel } from '../../../src/protocol/channel/channel.ts';
import { readFrame, writeFrame } from '../../../src/protocol/channel/frame.ts';
import { applicationVersion } from '../../../src/protocol/kprop/dump.ts';
import { readKrbError } from '../../../src/protocol/krb5/messages/error.ts';
import { nameTypes, Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { refusedBy, sendauth } from '../../../src/protocol/krb5/session/sendauth.ts';
import type { Session } from '../../../src/protocol/krb5/session/session.ts';
import { obtainCredential } from '../../../src/ticket/credentials.ts';
import { dial } from '../../../src/ticket/dial.ts';
import type { Lab } from '../lab/lab.ts';

/** What the client says, by its place on the wire; blocks follow. */
export const frames = { sendauth: 0, application: 1, apReq: 2, size: 3, firstBlock: 4 } as const;

/** The way to the replica, as the middleman's rule sees it. */
export interface Wire {
  send(bytes: Uint8Array): void;
  /** Ends both connections once what was sent is out. */
  cut(): void;
}

/** What becomes of one message of the client: its length in 4 bytes, then its body. */
export type Rule = (frame: Uint8Array, index: number, wire: Wire) => void;

export const honest: Rule = (frame, _index, wire) => wire.send(frame);

/** Somebody on the way between kprop and kpropd who changes what the client says. */
export interface Middleman {
  readonly port: number;
  /** What becomes of the messages of later connections. */
  rule: Rule;
  /** The messages of the last connection, as the client sent them. */
  readonly seen: readonly Uint8Array[];
  close(): Promise<void>;
}

export async function startMiddleman(replicaPort: number, rule: Rule): Promise<Middleman> {
  const open = new Set<Socket>();
  const middleman = { rule, seen: [] as Uint8Array[] };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const replica = connect({ port: replicaPort, host: '127.0.0.1', allowHalfOpen: true });
    const { rule: current } = middleman;
    const seen: Uint8Array[] = [];
    middleman.seen = seen;
    for (const socket of [client, replica]) {
      open.add(socket);
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
    }
    const wire: Wire = {
      send: (bytes) => replica.write(bytes),
      cut: () => {
        client.destroy();
        replica.end();
      },
    };
    let arrived = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      arrived = Buffer.concat([arrived, chunk]);
      while (arrived.length >= 4 && arrived.length >= 4 + arrived.readUInt32BE(0)) {
        const end = 4 + arrived.readUInt32BE(0);
        const frame = Uint8Array.from(arrived.subarray(0, end));
        arrived = arrived.subarray(end);
        seen.push(frame);
        if (!client.destroyed) current(frame, seen.length - 1, wire);
      }
    });
    client.on('end', () => replica.end());
    client.on('close', () => replica.end());
    replica.pipe(client);
    replica.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(middleman, {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

/** The frame with one bit turned over. */
export function flipped(frame: Uint8Array, offset: number, bit = offset % 8): Uint8Array {
  const copy = Uint8Array.from(frame);
  copy[offset] = (copy[offset] as number) ^ (1 << bit);
  return copy;
}

/** A ticket of the lab's primary, for its replica unless told otherwise; it may be used many times. */
export function labCredential(
  lab: Lab,
  service: readonly [string, string] = ['host', '127.0.0.1'],
): Promise<Credential> {
  return obtainCredential({
    source: { kind: 'keytab', name: `FILE:${lab.primary.keytab}` },
    clients: [Principal.of(lab.realm, ['host', lab.host], nameTypes.srvHst)],
    server: Principal.of(lab.realm, service, nameTypes.principal),
    config: loadKrb5Config({ krb5ConfFiles: lab.primary.krb5Conf }),
    ambient: systemAmbient(),
  });
}

/** One who may propagate, and does as he likes from there. */
export interface Insider {
  readonly channel: Channel;
  readonly session: Session;
  /** The next message of the replica, as an error; it must be a KRB-ERROR. */
  refusal(): Promise<Error>;
}

export async function openInsider(
  port: number,
  credential: Credential,
  o: { readonly clockOffsetSeconds?: number } = {},
): Promise<Insider> {
  const channel = await dial('127.0.0.1', port, { connectMillis: 5_000 });
  channel.during('attacking', 15_000);
  const ambient = shiftedAmbient(systemAmbient(), (o.clockOffsetSeconds ?? 0) * 1_000_000);
  try {
    const session = await sendauth(channel, {
      application: applicationVersion,
      credential,
      ambient,
    });
    return {
      channel,
      session,
      refusal: async () => refusedBy(channel, await readFrame(channel, 'KRB-ERROR', 65_536)),
    };
  } catch (error) {
    channel.close();
    throw error;
  }
}

/** What a kpropd answers to an AP-REQ: that it is welcome, or its KRB-ERROR. */
export async function presentApReq(port: number, apReq: Uint8Array) {
  const channel = await dial('127.0.0.1', port, { connectMillis: 5_000 });
  channel.during('presenting an AP-REQ', 10_000);
  try {
    for (const version of ['KRB5_SENDAUTH_V1.0\0', 'kprop5_01\0']) {
      await writeFrame(channel, utf8(version));
    }
    if ((await channel.read(1))[0] !== 0) throw new Error('the versions were refused');
    await writeFrame(channel, apReq);
    const answer = await readFrame(channel, 'answer', 65_536);
    if (answer.length === 0) return 'welcome';
    const { number, text } = readKrbError(answer);
    return { number, text };
  } finally {
    channel.close();
  }
}

/** What a stranger is told after these bytes, and how long the replica bore with him. */
export async function stranger(
  port: number,
  bytes: Uint8Array | string,
  o: { readonly everyMillis?: number } = {},
): Promise<{ readonly told: Buffer; readonly millis: number }> {
  const begin = performance.now();
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const told: Buffer[] = [];
  socket.on('error', () => undefined).on('data', (chunk: Buffer) => told.push(chunk));
  const closed = new Promise<void>((resolve) => {
    socket.on('end', resolve).on('close', () => resolve());
  });
  const data = Buffer.from(bytes as Uint8Array);
  const { everyMillis } = o;
  let sent = 0;
  const drip = setInterval(() => {
    if (sent < data.length) socket.write(data.subarray(sent, sent + 1));
    sent += 1;
  }, everyMillis ?? 1_000_000);
  if (everyMillis === undefined && data.length > 0) socket.write(data);
  await closed;
  clearInterval(drip);
  socket.destroy();
  return { told: Buffer.concat(told), millis: performance.now() - begin };
}
