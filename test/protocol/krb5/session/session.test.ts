import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import { makeChecksum } from '../../../../src/protocol/krb5/crypto/checksum.ts';
import { CipherChain } from '../../../../src/protocol/krb5/crypto/cipher.ts';
import { encrypt } from '../../../../src/protocol/krb5/crypto/encrypt.ts';
import { encKrbPrivPart, krbPriv } from '../../../../src/protocol/krb5/messages/priv.ts';
import { krbSafe, type SafeBody, safeBody } from '../../../../src/protocol/krb5/messages/safe.ts';
import { Session, type SessionOptions } from '../../../../src/protocol/krb5/session/session.ts';
import { clientAddress, serverAddress } from '../../../support/wire/channel-pair.ts';
import { someBytes } from '../../../support/wire/conversation.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { seededAmbient } from '../../../support/wire/fixed-ambient.ts';
import { nowMicros, primaryName, replicaName, someKey } from '../../../support/wire/forge.ts';

const ambient = seededAmbient(nowMicros, 3);
const key = someKey(18);
const common = { client: primaryName, server: replicaName, key, ambient };

function sessions(o: Partial<SessionOptions> = {}, first = 41, second = 7) {
  return {
    client: new Session({
      ...common,
      localAddress: clientAddress,
      sendSequence: first,
      receiveSequence: second,
      ...o,
    }),
    server: new Session({
      ...common,
      localAddress: serverAddress,
      sendSequence: second,
      receiveSequence: first,
      ...o,
    }),
  };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof KpropError ? error.code : String(error);
  }
  return 'nothing was thrown';
}

describe.each(enctypes)('a session with enctype %i', (enctype) => {
  const o = { key: someKey(enctype) };

  test('opens what its other end seals, of every length', () => {
    const { client, server } = sessions(o);
    const [seal, open] = [client.sealer(), server.opener()];
    for (const length of [0, 1, 7, 8, 15, 16, 17, 32_767, 32_768, 100_000]) {
      const block = someBytes(length);
      expect(Buffer.from(open(concat(...seal(block).flat()))).equals(block)).toBe(true);
    }
  });

  test('reads a KRB-SAFE whose checksum covers the body alone, and no other type of checksum', () => {
    const body: SafeBody = { userData: someBytes(4), seqNumber: 41, sAddress: clientAddress };
    const raw = encode(safeBody, body);
    const message = (cksumtype: number, checksum: Uint8Array) =>
      encode(krbSafe, {
        pvno: 5,
        msgType: 20,
        safeBody: { raw, value: body },
        cksum: { cksumtype, checksum },
      });
    const sum = makeChecksum(o.key, 15, raw);
    const type = o.key.profile.checksumType;
    expect(sessions(o).server.readSafe(message(type, sum))).toEqual(body.userData);
    for (const wrong of [0, 1, 7, 15, 16, -138].filter((each) => each !== type)) {
      const read = () => sessions(o).server.readSafe(message(wrong, sum));
      expect(codeOf(read)).toBe('crypto.bad-checksum-type');
    }
    expect(codeOf(() => sessions(o).server.readSafe(message(type, sum.subarray(1))))).toBe(
      'crypto.integrity',
    );
  });
});

test('a changed byte anywhere in a KRB-SAFE is noticed', () => {
  const message = sessions().client.makeSafe(someBytes(12));
  expect(sessions().server.readSafe(message)).toEqual(someBytes(12));
  for (let at = 0; at < message.length; at += 1) {
    for (const bit of [1, 0x80]) {
      const changed = message.with(at, (message[at] as number) ^ bit);
      expect(codeOf(() => sessions().server.readSafe(changed))).toMatch(/^[a-z]+\.[a-z-]+$/);
    }
  }
});

describe('sequence numbers', () => {
  test.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1])('run on from %i', (first) => {
    const { client, server } = sessions({}, first);
    expect(server.readSafe(client.makeSafe(someBytes(4)))).toHaveLength(4);
    const [seal, open] = [client.sealer(), server.opener()];
    for (let block = 0; block < 3; block += 1) {
      expect(open(concat(...seal(someBytes(5)).flat()))).toHaveLength(5);
    }
  });

  test('0 is left out, and read as 0', () => {
    const { client, server } = sessions({}, 0);
    const message = client.makeSafe(someBytes(4));
    expect(decode(krbSafe, message).safeBody.value.seqNumber).toBeUndefined();
    expect(server.readSafe(message)).toHaveLength(4);
  });

  test('that are not the next are refused, and do not count', () => {
    const { client, server } = sessions();
    const [first, second] = [client.makeSafe(someBytes(1)), client.makeSafe(someBytes(2))];
    expect(() => server.readSafe(second)).toThrow(
      new KpropError('session.out-of-order', { what: 'KRB-SAFE', expected: 41, got: 42 }),
    );
    expect(server.readSafe(first)).toHaveLength(1);
    expect(codeOf(() => server.readSafe(first))).toBe('session.out-of-order');
    expect(server.readSafe(second)).toHaveLength(2);
  });

  test.each([
    [0x80000001, -0x7fffffff],
    [2 ** 32 - 1, -1],
  ])('%i may come as the negative %i', (expected, written) => {
    // Old implementations: the same 32 bits without the leading zero byte.
    const { server } = sessions({}, expected);
    const plain = encode(encKrbPrivPart, {
      userData: someBytes(3),
      seqNumber: written,
      sAddress: clientAddress,
    });
    const chain = new CipherChain(key.profile);
    const encPart = { etype: 18, cipher: encrypt(key, 13, plain, { ambient, chain }) };
    const message = encode(krbPriv, { pvno: 5, msgType: 21, encPart });
    expect(server.opener()(message)).toEqual(someBytes(3));
  });
});

describe('a KRB-PRIV', () => {
  const sealed = () => concat(...sessions().client.sealer()(someBytes(100)).flat());
  const open = (message: Uint8Array) => sessions().server.opener()(message);

  test('with a changed byte is refused, wherever', () => {
    const message = sealed();
    for (let at = 0; at < message.length; at += 1) {
      const changed = message.with(at, (message[at] as number) ^ (1 << (at % 8)));
      expect(codeOf(() => open(changed))).toMatch(/^(crypto|decode|session)\./);
    }
  });

  test('of another enctype, an empty one and one too short are refused', () => {
    const foreign = sessions({ key: someKey(17) }).client;
    expect(codeOf(() => open(concat(...foreign.sealer()(someBytes(5)).flat())))).toBe(
      'crypto.integrity',
    );
    expect(codeOf(() => open(new Uint8Array(0)))).toBe('decode.unexpected-tag');
    const encPart = { etype: 18, cipher: new Uint8Array(27) };
    const short = encode(krbPriv, { pvno: 5, msgType: 21, encPart });
    expect(codeOf(() => open(short))).toBe('crypto.integrity');
  });

  test('and a KRB-SAFE are not taken for each other', () => {
    const { client, server } = sessions();
    expect(codeOf(() => open(client.makeSafe(someBytes(4))))).toBe('decode.unexpected-tag');
    expect(codeOf(() => server.readSafe(sealed()))).toBe('decode.unexpected-tag');
  });

  test('of a sealer of its own begins the chain anew', () => {
    const { client, server } = sessions();
    const open = server.opener();
    open(concat(...client.sealer()(someBytes(40)).flat()));
    expect(codeOf(() => open(concat(...client.sealer()(someBytes(40)).flat())))).toBe(
      'crypto.integrity',
    );
  });
});

test('versions and types in a KRB-SAFE count', () => {
  const body: SafeBody = { userData: someBytes(4), seqNumber: 41, sAddress: clientAddress };
  const safe = (pvno: number, msgType: number) =>
    encode(krbSafe, {
      pvno,
      msgType,
      safeBody: { raw: encode(safeBody, body), value: body },
      cksum: { cksumtype: 16, checksum: new Uint8Array(12) },
    });
  expect(codeOf(() => sessions().server.readSafe(safe(4, 20)))).toBe('message.bad-version');
  expect(codeOf(() => sessions().server.readSafe(safe(5, 21)))).toBe('message.unexpected');
  expect(codeOf(() => sessions().server.readSafe(safe(5, 20)))).toBe('crypto.integrity');
});

test('a session names its enctype and shows no key', () => {
  const { client } = sessions();
  expect(client.enctype).toBe('aes256-cts-hmac-sha1-96');
  expect(JSON.stringify(client)).not.toContain(Buffer.from(key.bytes).toString('hex'));
});
