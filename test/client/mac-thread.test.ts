import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';

import { systemAmbient } from '../../src/protocol/ambient.ts';
import { CipherChain } from '../../src/protocol/crypto/cipher.ts';
import { decrypt, encryptRun } from '../../src/protocol/crypto/encrypt.ts';
import { macWork } from '../../src/protocol/crypto/mac-helper.ts';
import type { Key } from '../../src/protocol/crypto/key.ts';
import { MacThread } from '../../src/client/mac-thread.ts';
import { seededRandom } from '../support/fixed-ambient.ts';
import { randomKey } from '../support/random-key.ts';

const ambient = systemAmbient();
const usage = 13;
const roomBytes = 32 * 33_000;
let thread: MacThread | undefined;

afterEach(() => thread?.close());

function startThread(key: Key): MacThread {
  const work = macWork(key, usage, roomBytes);
  if (work === undefined) throw new Error('no work for a helper');
  return new MacThread(work);
}

// des3-cbc-sha1, aes128 and aes256-cts-hmac-sha1-96: what is MACed is plaintext, by HMAC.
describe.each([16, 17, 18])('enctype %d', (enctype) => {
  const key = randomKey(enctype, ambient);

  test('seals as one does alone, in many runs of any length', async () => {
    thread = startThread(key);
    const random = seededRandom(3);
    const [beside, alone] = [new CipherChain(key.profile), new CipherChain(key.profile)];
    const confounder = new Uint8Array(key.profile.confounderBytes).fill(9);
    for (let round = 0; round < 60; round += 1) {
      // The last lengths fit neither the room nor the number of messages that may be shared.
      const count = [1, 2, 31, 32, 64, 65, 130][round % 7] ?? 1;
      const size = [1, 500, 15_000, 32_768][random(4)] ?? 1;
      const messages = Array.from({ length: count }, () => [
        new Uint8Array(size).fill(random(256)),
      ]);
      const o = { ambient, confounder };
      const together = encryptRun(key, usage, messages, { ...o, chain: beside, beside: thread });
      const apart = encryptRun(key, usage, messages, { ...o, chain: alone });
      expect(Buffer.concat(together.flat()).equals(Buffer.concat(apart.flat()))).toBe(true);
      // The thread takes some milliseconds to be there.
      if (round === 20) await sleep(200);
    }
  });

  test('what was sealed stays as it is when the next run is', async () => {
    thread = startThread(key);
    await sleep(200);
    const [sealing, opening] = [new CipherChain(key.profile), new CipherChain(key.profile)];
    const runs = Array.from({ length: 6 }, (_, round) => {
      const messages = Array.from({ length: 20 }, (_, at) => [
        new Uint8Array(4000).fill(round + at),
      ]);
      return encryptRun(key, usage, messages, { ambient, chain: sealing, beside: thread });
    });
    for (const [round, run] of runs.entries()) {
      for (const [at, pieces] of run.entries()) {
        const plain = decrypt(key, usage, Buffer.concat(pieces), { chain: opening });
        expect(plain[0]).toBe(round + at);
      }
    }
  });

  test('after its end its owner does all the work', () => {
    const ended = startThread(key);
    ended.close();
    const chain = new CipherChain(key.profile);
    const [sealed = []] = encryptRun(key, usage, [[new Uint8Array(40)]], {
      ...{ ambient, chain, beside: ended },
    });
    expect(decrypt(key, usage, Buffer.concat(sealed))).toHaveLength(40);
  });
});

test.each([19, 20, 23, 25, 26])('enctype %d has other MACs: there is none', (enctype) => {
  expect(macWork(randomKey(enctype, ambient), usage, roomBytes)).toBeUndefined();
});
