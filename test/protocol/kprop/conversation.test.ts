import { describe, expect, test } from 'vitest';

import { isKpropError, KpropError } from '../../../src/errors/kprop-error.ts';
import { decodeSize, encodeSize } from '../../../src/protocol/kprop/size.ts';
import { readKrbError } from '../../../src/protocol/krb5/messages/error.ts';
import { converse, dumpOf, messageTap, someBytes } from '../../support/wire/conversation.ts';
import { enctypes } from '../../support/wire/enctypes.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

describe('the size of a dump', () => {
  test.each([
    [0, '000000000000000000000000'],
    [1, '00000001'],
    [32_768, '00008000'],
    [2 ** 31, '80000000'],
    [2 ** 32 - 1, 'ffffffff'],
    [2 ** 32, '000000000000000100000000'],
    [2 ** 32 + 1, '000000000000000100000001'],
    [2 ** 53 - 1, '00000000001fffffffffffff'],
  ])('%i is %s', (bytes, encoded) => {
    expect(toHex(encodeSize(bytes))).toBe(encoded);
    expect(decodeSize(fromHex(encoded))).toBe(bytes);
  });

  test('0 in four bytes comes from primaries before 1.20', () => {
    expect(decodeSize(fromHex('00000000'))).toBe(0);
  });

  test.each([
    ['nothing', ''],
    ['three bytes', '000001'],
    ['eight bytes', '0000000100000001'],
    ['eleven bytes', '0000000000000001000000'],
    ['thirteen bytes', '00000000000000010000000000'],
    ['1 in twelve bytes', '000000000000000000000001'],
    ['2^32 - 1 in twelve bytes', '0000000000000000ffffffff'],
    ['a first word that is not zero', '000000010000000100000000'],
    ['2^53', '000000000020000000000000'],
    ['2^64 - 1', '00000000ffffffffffffffff'],
  ])('%s is malformed', (_title, bytes) => {
    expect(() => decodeSize(fromHex(bytes))).toThrow(KpropError);
    try {
      decodeSize(fromHex(bytes));
    } catch (error) {
      expect(error).toMatchObject({ code: 'kprop.bad-size', wireNumber: 60 });
    }
  });

  test('is read where it stands in a larger buffer', () => {
    const buffer = fromHex('ffffffff00000007ffffffff');
    expect(decodeSize(buffer.subarray(4, 8))).toBe(7);
  });
});

const sizes = [0, 1, 32_767, 32_768, 32_769, 2 * 32_768 + 5, 20 * 32_768];

describe.each(enctypes)('a propagation with enctype %i', (enctype) => {
  test.each(sizes)('of %i bytes arrives', async (bytes) => {
    const dump = someBytes(bytes);
    const outcome = await converse({ enctype, dump });
    expect(outcome.clientError ?? outcome.serverError).toBeUndefined();
    expectSame(outcome.received, dump);
  });
});

describe('blocks', () => {
  test('are full but for the last, whatever the pieces of the dump are', async () => {
    const lengths = [1, 7, 0, 32_768, 40_000, 0, 3, 100_000, 32_767, 1, 300_001];
    const whole = someBytes(lengths.reduce((sum, length) => sum + length));
    let at = 0;
    const pieces = lengths.map((length) => {
      at += length;
      return whole.subarray(at - length, at);
    });
    const messageBytes: number[] = [];
    const toServer = messageTap((message, index) => {
      if (index > 3) messageBytes.push(message.length);
      return [message];
    });
    const outcome = await converse({ dump: dumpOf(pieces), toServer });
    expect(outcome.clientError ?? outcome.serverError).toBeUndefined();
    expectSame(outcome.received, whole);
    const full = Math.floor(whole.length / 32_768);
    expect(messageBytes.slice(0, full)).toEqual(Array(full).fill(32_876)); // wire.md, section 7
    expect(messageBytes).toHaveLength(full + 1);
  });

  test('are reported as totals after each', async () => {
    const totals: number[] = [];
    const onProgress = (bytes: number) => totals.push(bytes);
    await converse({ dump: someBytes(70_000), onProgress });
    expect(totals).toEqual([32_768, 65_536, 70_000]);
    await converse({ dump: someBytes(0), onProgress });
    expect(totals).toHaveLength(3);
  });
});

describe('a dump that changes while it is sent', () => {
  const premature = { code: 'dump.changed', phase: 'blocks', retry: true };
  const told = (outcome: { serverError: unknown }) => {
    const error = outcome.serverError;
    if (!isKpropError(error, 'peer.refused')) throw error;
    return error.detail;
  };

  test('and shrinks: the replica is told, and has not got it all', async () => {
    const outcome = await converse({ dump: dumpOf([someBytes(40_000)], 40_001) });
    expect(outcome.clientError).toMatchObject({
      ...premature,
      detail: { expected: 40_001, got: 40_000 },
      doing: 'Premature EOF found for database file!',
    });
    expect(outcome.received).toBeUndefined();
    expect(told(outcome)).toEqual({
      peer: 'the client',
      number: 60,
      text: 'Premature EOF found for database file!',
    });
  });

  test.each([
    ['in its last block', [someBytes(40_001)], 40_000],
    ['just behind a block', [someBytes(32_768), someBytes(1)], 32_768],
    ['just behind a write of blocks', [someBytes(16 * 32_768), someBytes(1)], 16 * 32_768],
    ['from nothing', [someBytes(1)], 0],
  ])(
    'and grows %s: the replica never gets all that was announced',
    async (_title, pieces, size) => {
      const outcome = await converse({ dump: dumpOf(pieces, size) });
      expect(outcome.clientError).toMatchObject(premature);
      if (size > 0) {
        expect(outcome.received).toBeUndefined();
        expect(told(outcome).text).toBe('Premature EOF found for database file!');
      }
    },
  );

  test('and cannot be read any more: the replica is told that much', async () => {
    const dump = {
      bytes: 70_000,
      async *pieces() {
        yield someBytes(40_000);
        throw new KpropError('dump.read', { path: '/dump', errno: 'EIO' });
      },
    };
    const outcome = await converse({ dump });
    expect(outcome.clientError).toMatchObject({ code: 'dump.read', phase: 'blocks' });
    expect(outcome.received).toBeUndefined();
    expect(told(outcome).text).toBe(
      'Input/output error while sending database block starting at 32768',
    );
  });
});

test('the KRB-ERROR of a failure is in the words of MIT', async () => {
  let last = new Uint8Array(0) as Uint8Array;
  const toClient = messageTap(
    (message) => {
      last = message;
      return [message];
    },
    { bareBytes: 1 },
  );
  const toServer = messageTap((message, index) =>
    index === 5 ? [message.with(message.length - 1, message.at(-1)! ^ 1)] : [message],
  );
  await converse({ dump: someBytes(100_000), toServer, toClient });
  expect(readKrbError(last)).toMatchObject({
    number: 31,
    text: 'while decoding database block starting at offset 32768',
    message: { stime: 1_795_355_239, realm: 'EXAMPLE.ORG', crealm: 'EXAMPLE.ORG' },
  });
});

function expectSame(got: Uint8Array | undefined, wanted: Uint8Array): void {
  expect(got !== undefined && Buffer.from(got).equals(wanted)).toBe(true);
}
