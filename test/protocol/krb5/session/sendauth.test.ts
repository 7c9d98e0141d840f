import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat, utf8 } from '../../../../src/protocol/bytes.ts';
import type { Channel } from '../../../../src/protocol/channel/channel.ts';
import { framed, readFrame, writeFrame } from '../../../../src/protocol/channel/frame.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import {
  apRep,
  apReq,
  authenticator,
  encApRepPart,
} from '../../../../src/protocol/krb5/messages/ap.ts';
import { makeKrbError, readKrbError } from '../../../../src/protocol/krb5/messages/error.ts';
import { openPart, sealPart } from '../../../../src/protocol/krb5/session/enc-part.ts';
import { recvauth, sendauth } from '../../../../src/protocol/krb5/session/sendauth.ts';
import type { Session } from '../../../../src/protocol/krb5/session/session.ts';
import { channelPair } from '../../../support/wire/channel-pair.ts';
import { someBytes } from '../../../support/wire/conversation.ts';
import { seededAmbient } from '../../../support/wire/fixed-ambient.ts';
import {
  acceptor,
  forgeApReq,
  forgeCredential,
  nowMicros,
  replicaName,
  someKey,
} from '../../../support/wire/forge.ts';

const application = 'kprop5_01';
const ambient = seededAmbient(nowMicros, 4);
const credential = forgeCredential();
const goodVersions = concat(
  ...framed(utf8('KRB5_SENDAUTH_V1.0\0')),
  ...framed(utf8('kprop5_01\0')),
);

function pair() {
  const both = channelPair();
  both.client.during('authenticating', 1_000);
  both.server.during('authenticating', 1_000);
  return both;
}

describe('the acceptor', () => {
  const accept = (server: Channel, o = {}) =>
    recvauth(server, { ...acceptor(), application, ...o });

  test.each([
    ['another sendauth version', framed(utf8('KRB5_SENDAUTH_V1.1\0')), 1, 'sendauth'],
    ['one without its NUL', framed(utf8('KRB5_SENDAUTH_V1.0')), 1, 'sendauth'],
    ['an empty one', framed(), 1, 'sendauth'],
    ['one of 65 bytes', [Uint8Array.of(0, 0, 0, 65)], 1, 'sendauth'],
    ['one of 4 GiB', [Uint8Array.of(255, 255, 255, 255)], 1, 'sendauth'],
    ['a browser', [utf8('GET / HTTP/1.1\r\n\r\n')], 1, 'sendauth'],
    ['TLS', [Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3)], 1, 'sendauth'],
    [
      'another application',
      [...framed(utf8('KRB5_SENDAUTH_V1.0\0')), ...framed(utf8('kprop5_02\0'))],
      2,
      'application',
    ],
    [
      'an application without its NUL',
      [...framed(utf8('KRB5_SENDAUTH_V1.0\0')), ...framed(utf8('kprop5_01'))],
      2,
      'application',
    ],
    [
      'an application of 2 GiB',
      [...framed(utf8('KRB5_SENDAUTH_V1.0\0')), Uint8Array.of(128, 0, 0, 0)],
      2,
      'application',
    ],
  ])('answers %s with one byte', async (_title, bytes, byte, which) => {
    const { client, server } = pair();
    const [accepted, answer] = await Promise.allSettled([
      accept(server),
      client.write(...bytes).then(async () => [...(await client.read(1))]),
    ]);
    expect(accepted).toMatchObject({ reason: { code: `session.bad-${which}-version` } });
    expect(answer).toEqual({ status: 'fulfilled', value: [byte] });
  });

  test('reports the version though its peer is gone', async () => {
    const { client, server } = pair();
    await client.write(...framed(utf8('nonsense\0')));
    client.close();
    await expect(accept(server)).rejects.toMatchObject({
      code: 'session.bad-sendauth-version',
      detail: { got: '"nonsense"' },
    });
  });

  test('does not wait for an AP-REQ that is too long', async () => {
    const { client, server } = pair();
    await client.write(goodVersions, Uint8Array.of(0, 0, 128, 1));
    await expect(accept(server)).rejects.toMatchObject({
      code: 'message.too-long',
      detail: { what: 'AP-REQ', bytes: 32_769, limit: 32_768 },
    });
  });

  test("says why it refuses, in MIT's words, from its own name", async () => {
    const { client, server } = pair();
    const expired = forgeApReq(forgeCredential({ endtime: 0 }));
    const told = (async () => {
      await client.write(goodVersions, ...framed(expired));
      await client.read(1);
      return readFrame(client, 'answer', 4096);
    })();
    await expect(accept(server)).rejects.toMatchObject({ code: 'auth.expired' });
    const { number, text, message } = readKrbError(await told);
    expect({ number, text }).toEqual({ number: 32, text: 'Ticket expired' });
    expect(Buffer.from(message.eText!).at(-1)).toBe(0);
    expect(message).toMatchObject({
      stime: 1_795_355_239,
      susec: 516_321,
      realm: 'EXAMPLE.ORG',
      sname: { nameType: 3, nameString: ['host', 'replica.example'] },
    });
    expect(message.crealm).toBeUndefined();
  });

  test('says 60 and the text where the number has no place on the wire', async () => {
    const { client, server } = pair();
    await client.write(goodVersions, ...framed(forgeApReq(credential)));
    const failed = accept(server, { permittedEnctypes: [17] });
    await expect(failed).rejects.toMatchObject({ code: 'crypto.not-permitted' });
    await client.read(1);
    expect(readKrbError(await readFrame(client, 'answer', 4096))).toMatchObject({
      number: 60,
      text: 'Encryption type not permitted',
    });
  });

  test('refuses a request that asks for no AP-REP: it would bring no fresh key', async () => {
    const { client, server } = pair();
    await client.write(goodVersions, ...framed(forgeApReq(credential, { apOptions: 0 })));
    await expect(accept(server)).rejects.toMatchObject({ code: 'auth.not-mutual' });
    await client.read(1);
    expect(readKrbError(await readFrame(client, 'answer', 4096))).toMatchObject({
      number: 46,
      text: 'Mutual authentication failed',
    });
  });

  test('gives each session a key of its own', async () => {
    const open = async (seed: number) => {
      const { client, server } = pair();
      const [near, far] = await Promise.all([
        sendauth(client, { application, credential, ambient }),
        accept(server, { ambient: seededAmbient(nowMicros, seed) }),
      ]);
      return { near, far };
    };
    const [first, second] = [await open(1), await open(2)];
    const size = first.near.makeSafe(someBytes(4));
    expect(() => second.far.session.readSafe(size)).toThrow(
      new KpropError('crypto.integrity', { what: 'checksum' }),
    );
    expect(first.far.session.readSafe(size)).toEqual(someBytes(4));
  });
});

describe('the initiator', () => {
  const initiate = (client: Channel, o = {}) =>
    sendauth(client, { application, credential, ambient, ...o });

  test.each([
    [0x01, 'session.bad-sendauth-version', 204],
    [0x02, 'session.bad-application-version', 205],
    [0x03, 'session.bad-response', 206],
    [0x7e, 'session.bad-response', 206],
    [0x53, 'session.bad-response', 206],
  ])('takes the answer %i to its versions for %s', async (byte, code) => {
    const { client, server } = pair();
    const failed = initiate(client);
    await server.write(Uint8Array.of(byte));
    await expect(failed).rejects.toMatchObject({ code, phase: undefined });
  });

  test('sends both versions at once, and nothing more before the answer', async () => {
    const { client, server } = pair();
    const started = initiate(client);
    const versions = await server.read(goodVersions.length);
    expect(Uint8Array.from(versions)).toEqual(goodVersions);
    expect(server.arrived).toBe(0);
    server.close();
    await expect(started).rejects.toMatchObject({ code: 'network.closed' });
  });

  /** A replica that answers the AP-REQ with these messages. */
  async function answering(answer: (request: Uint8Array) => readonly Uint8Array[]) {
    const { client, server } = pair();
    const replica = (async () => {
      await server.read(goodVersions.length);
      await server.write(Uint8Array.of(0));
      const request = await readFrame(server, 'AP-REQ', 65_536);
      for (const message of answer(request)) await writeFrame(server, message);
    })();
    const [result] = await Promise.allSettled([initiate(client), replica]);
    return result;
  }
  const accepted = new Uint8Array(0);
  const refusal = makeKrbError({
    from: 'server',
    nowMicros,
    number: 37,
    text: 'Clock skew too great',
    server: replicaName,
  });
  const told = {
    reason: { code: 'peer.refused', detail: { number: 37, text: 'Clock skew too great' } },
  };

  test('reports the KRB-ERROR that answers its AP-REQ', async () => {
    expect(await answering(() => [refusal])).toMatchObject(told);
  });

  test('reports a KRB-ERROR in place of the AP-REP', async () => {
    expect(await answering(() => [accepted, refusal])).toMatchObject(told);
  });

  test('does not believe an answer that is neither', async () => {
    expect(await answering(() => [utf8('hello')])).toMatchObject({
      reason: { code: 'message.unexpected', detail: { found: 'first byte 0x68' } },
    });
    expect(await answering(() => [accepted, accepted])).toMatchObject({
      reason: { code: 'message.unexpected', detail: { found: 'an empty message' } },
    });
  });

  test('does not wait for answers that are too long', async () => {
    const { client, server } = pair();
    const failed = initiate(client);
    await server.write(Uint8Array.of(0, 0, 1, 0, 1));
    await expect(failed).rejects.toMatchObject({ code: 'message.too-long' });
  });

  const replyTo = (request: Uint8Array, o: { shift?: number; subkey?: Uint8Array } = {}) => {
    const sealed = decode(apReq, request).authenticator;
    const { ctime, cusec } = openPart(authenticator, sealed, credential.sessionKey, 11);
    const part = {
      ctime: ctime + (o.shift ?? 0),
      cusec,
      seqNumber: 7,
      ...(o.subkey && { subkey: { keytype: 17, keyvalue: o.subkey } }),
    };
    const encPart = sealPart(encApRepPart, part, credential.sessionKey, 12, { ambient });
    return encode(apRep, { pvno: 5, msgType: 15, encPart });
  };

  test('does not believe a replica that repeats another time', async () => {
    const result = await answering((request) => [accepted, replyTo(request, { shift: 1 })]);
    expect(result).toMatchObject({ reason: { code: 'session.mutual-failed' } });
    expect((result as { reason: KpropError }).reason.comErrText).toBe(
      'Mutual authentication failed',
    );
  });

  test('uses the subkey that the replica chooses', async () => {
    const subkey = someKey(17);
    const result = await answering((request) => [
      accepted,
      replyTo(request, { subkey: subkey.bytes }),
    ]);
    expect(result).toMatchObject({ status: 'fulfilled' });
    const session = (result as { value: Session }).value;
    expect(session.enctype).toBe('aes128-cts-hmac-sha1-96');
  });
});
