import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/protocol/bytes.ts';
import type { Channel } from '../../../src/protocol/channel/channel.ts';
import { readFrame, writeFrame } from '../../../src/protocol/channel/frame.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { decode, encode } from '../../../src/protocol/der/schema.ts';
import { applicationVersion } from '../../../src/protocol/kprop/dump.ts';
import { decodeSize, encodeSize } from '../../../src/protocol/kprop/size.ts';
import { makeChecksum } from '../../../src/protocol/krb5/crypto/checksum.ts';
import { CipherChain } from '../../../src/protocol/krb5/crypto/cipher.ts';
import { decrypt, encrypt } from '../../../src/protocol/krb5/crypto/encrypt.ts';
import { Krb5Config } from '../../../src/protocol/krb5/formats/krb5-config.ts';
import { hostAddressOf } from '../../../src/protocol/krb5/messages/address.ts';
import type { HostAddress } from '../../../src/protocol/krb5/messages/parts.ts';
import { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { encKrbPrivPart, krbPriv } from '../../../src/protocol/krb5/messages/priv.ts';
import { krbSafe, safeBody } from '../../../src/protocol/krb5/messages/safe.ts';
import { acceptApRep } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { recvauth } from '../../../src/protocol/krb5/session/sendauth.ts';
import { type KpropServer, serveKprop } from '../../../src/server/serve.ts';
import { dial } from '../../../src/ticket/dial.ts';
import { propagateOver, someBytes } from '../../support/wire/conversation.ts';
import { seededAmbient } from '../../support/wire/fixed-ambient.ts';
import {
  acceptor,
  entry,
  forgeCredential,
  kpropApReq,
  nowMicros,
  primaryName,
  someKey,
} from '../../support/wire/forge.ts';
import { formatKeytab } from '../../support/wire/format-keytab.ts';

/** Where the replica listens, and by which address it is called. */
const roads = [
  { title: 'IPv4', listen: '127.0.0.1', call: '127.0.0.1', addrType: 2 },
  { title: 'IPv6', listen: '::1', call: '::1', addrType: 24 },
  {
    title: 'IPv4 to a socket that serves both families',
    listen: '::',
    call: '127.0.0.1',
    addrType: 2,
  },
];
const ambient = seededAmbient(nowMicros, 117);
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

describe.each(roads)('over $title', ({ listen, call, addrType }) => {
  test('a kpropd of 1.17 finds in every message the address of its peer, and no other', async () => {
    const credential = forgeCredential();
    const seen: HostAddress[] = [];
    const strict = createServer({ allowHalfOpen: true }, (socket) => {
      replica1point17(socket, credential, seen).catch((error: unknown) => {
        seen.push(error as never);
        socket.destroy();
      });
    });
    strict.listen(0, listen);
    await once(strict, 'listening');
    cleanup.push(() => strict.close());
    const { port } = strict.address() as AddressInfo;
    const channel = await dial(call, port, { connectMillis: 2_000 });
    await propagateOver(channel, { dump: someBytes(70_000), credential, idleMillis: 5_000 });
    const own = { addrType, address: hostAddressOf(call)?.address };
    expect(seen).toEqual([own, own, own, own]);
  });

  test('a kprop of 1.17, which names both ends, is served and finds the address it called', async () => {
    const { server, received } = await replica(listen);
    const text = 'kdb5_util load_dump version 7\nEnd\n';
    const confirmed = await primary1point17(call, server, utf8(text));
    expect(received()).toBe(text);
    expect(confirmed).toEqual({
      bytes: text.length,
      sAddress: { addrType, address: hostAddressOf(call)?.address },
      rAddress: undefined,
    });
  });
});

/** Up to 1.17 a sender's s-address had to be the socket's peer (krb5 rd_safe.c, rd_priv.c). */
async function replica1point17(
  socket: Socket,
  credential: Credential,
  seen: HostAddress[],
): Promise<void> {
  const peer = hostAddressOf(socket.remoteAddress ?? '') as HostAddress;
  const own = hostAddressOf(socket.localAddress ?? '') as HostAddress;
  const require1point17 = (found: {
    sAddress: HostAddress;
    rAddress?: HostAddress | undefined;
  }) => {
    expect(found.sAddress).toEqual(peer);
    if (found.rAddress !== undefined) expect(found.rAddress).toEqual(own);
    seen.push(found.sAddress);
  };
  const channel = channelOver(socket, { local: own, remote: peer, peer: 'kprop' });
  const options = { ...acceptor({ subkey: 'as-client' }), application: applicationVersion };
  const { session } = await recvauth(channel, options);
  const size = await readFrame(channel, 'size', 4096);
  require1point17(decode(krbSafe, size).safeBody.value);
  const bytes = decodeSize(session.readSafe(size));
  const chain = new CipherChain(credential.sessionKey.profile);
  for (let got = 0; got < bytes; ) {
    const { encPart } = decode(krbPriv, await readFrame(channel, 'block', 1 << 20));
    const part = decode(
      encKrbPrivPart,
      decrypt(credential.sessionKey, 13, encPart.cipher, { chain }),
    );
    require1point17(part);
    got += part.userData.length;
  }
  await writeFrame(channel, session.makeSafe(encodeSize(bytes)));
  await channel.close({ lingerMillis: 1_000, lingerBytes: 1 << 20 });
}

/** Our whole server, with a loader that keeps what it is given. */
async function replica(address: string) {
  const folder = mkdtempSync(join(tmpdir(), 'kprop-addresses-'));
  cleanup.push(() => rmSync(folder, { recursive: true }));
  const keytab = join(folder, 'keytab');
  const acl = join(folder, 'kpropd.acl');
  writeFileSync(acl, `${primaryName}\n`);
  let loaded: string | undefined;
  const server = await serveKprop({
    port: 0,
    address,
    realm: primaryName.realm,
    config: new Krb5Config([], []),
    keytab: `FILE:${keytab}`,
    acl,
    file: join(folder, 'from_master'),
    ambient,
    loader: async ({ path }) => {
      loaded = readFileSync(path, 'utf8');
    },
  });
  cleanup.push(() => server.close({ abort: true }));
  writeFileSync(keytab, formatKeytab([entry(Principal.parse(server.service), someKey(18))]));
  return { server, received: () => loaded };
}

async function primary1point17(host: string, server: KpropServer, dump: Uint8Array) {
  const credential = forgeCredential({ service: Principal.parse(server.service) });
  const socket = connect({ host, port: server.port, allowHalfOpen: true });
  await once(socket, 'connect');
  cleanup.push(() => socket.destroy());
  const sAddress = hostAddressOf(socket.localAddress ?? '') as HostAddress;
  const rAddress = hostAddressOf(socket.remoteAddress ?? '') as HostAddress;
  const channel = channelOver(socket, { local: sAddress, remote: rAddress, peer: 'kpropd' });
  channel.during('speaking as 1.17', 5_000);
  const { first, key } = await shakeHands(channel, credential);
  let sequence = first;

  const body = { userData: encodeSize(dump.length), seqNumber: sequence, sAddress, rAddress };
  const raw = { raw: encode(safeBody, body), value: body };
  const safe = (cksumtype: number, checksum: Uint8Array) =>
    encode(krbSafe, { pvno: 5, msgType: 20, safeBody: raw, cksum: { cksumtype, checksum } });
  const sum = makeChecksum(key, 15, safe(0, new Uint8Array(0)));
  await writeFrame(channel, safe(key.profile.checksumType, sum));

  const chain = new CipherChain(key.profile);
  for (const userData of [dump.subarray(0, 10), dump.subarray(10)]) {
    sequence += 1;
    const part = encode(encKrbPrivPart, { userData, seqNumber: sequence, sAddress, rAddress });
    const cipher = encrypt(key, 13, part, { ambient, chain });
    const encPart = { etype: key.profile.number, cipher };
    await writeFrame(channel, encode(krbPriv, { pvno: 5, msgType: 21, encPart }));
  }
  const reply = decode(krbSafe, await readFrame(channel, 'confirmation', 65_536)).safeBody.value;
  return {
    bytes: decodeSize(reply.userData),
    sAddress: reply.sAddress,
    rAddress: reply.rAddress,
  };
}

async function shakeHands(channel: Channel, credential: Credential) {
  await writeFrame(channel, utf8('KRB5_SENDAUTH_V1.0\0'));
  await writeFrame(channel, utf8('kprop5_01\0'));
  expect((await channel.read(1))[0]).toBe(0);
  const sent = kpropApReq(credential, ambient);
  await writeFrame(channel, sent.message);
  expect(await readFrame(channel, 'acceptance', 65_536)).toHaveLength(0);
  const reply = await readFrame(channel, 'AP-REP', 65_536);
  const { subkey } = acceptApRep(reply, sent, credential.sessionKey);
  return { first: sent.sequence, key: subkey ?? credential.sessionKey };
}
