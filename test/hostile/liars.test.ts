import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';
import { framed, writeFrame } from '../../src/protocol/channel/frame.ts';
import { encodeSize } from '../../src/protocol/kprop/size.ts';
import type { Credential } from '../../src/protocol/krb5/session/credential.ts';
import { comparable, type Kpropd } from '../support/lab/lab.ts';
import { peakResidentBytes } from '../support/lab/process-status.ts';
import { type Insider, labCredential, openInsider } from '../support/rig/attacker.ts';
import { ReplicaRig, type RigServer } from '../support/rig/replica-rig.ts';

let rig: ReplicaRig;
let server: RigServer;
let credential: Credential;
let dump: Buffer;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  server = await rig.serve({ limits: { idleMillis: 300 } });
  credential = await labCredential(rig.lab);
  dump = readFileSync(rig.other);
});
afterAll(() => rig.close());

const size8 = (bytes: bigint, firstWord = 0) => {
  const encoded = Buffer.alloc(12);
  encoded.writeUInt32BE(firstWord, 0);
  encoded.writeBigUInt64BE(bytes, 4);
  return encoded;
};

async function sendBlocks(insider: Insider, bytes: Uint8Array, blockBytes = 32_768) {
  const seal = insider.session.sealer();
  for (let at = 0; at < bytes.length; at += blockBytes) {
    // Sealing may work in place, and the dump is needed again.
    const block = Uint8Array.from(bytes.subarray(at, at + blockBytes));
    await insider.channel.write(...framed(...seal(block).flat()));
  }
}

/** How the replica ends it with one who may propagate and does this; nothing is lost by it. */
async function answerTo(act: (insider: Insider) => Promise<unknown>): Promise<KpropError> {
  let refusal: Error | undefined;
  await rig.survives(server, async () => {
    const insider = await openInsider(server.port, credential);
    try {
      await act(insider);
      refusal = await insider.refusal().catch((silence: Error) => silence);
    } finally {
      insider.channel.close();
    }
  });
  if (!(refusal instanceof KpropError)) throw new Error('no refusal', { cause: refusal });
  return refusal;
}

describe('a size that is malformed', () => {
  test.each<readonly [string, Uint8Array]>([
    ['12 bytes for a size that fits into 4', size8(100n)],
    ['12 bytes for 2^32 - 1', size8(0xffffffffn)],
    ['a first word that is not zero', size8(1n << 40n, 1)],
    ['2^53', size8(1n << 53n)],
    ['2^64 - 1', size8((1n << 64n) - 1n)],
    ['no bytes', new Uint8Array(0)],
    ['3 bytes', new Uint8Array(3)],
    ['5 bytes', new Uint8Array(5)],
    ['11 bytes', new Uint8Array(11)],
    ['13 bytes', new Uint8Array(13)],
  ])('%s', async (_what, size) => {
    const refusal = await answerTo(({ channel, session }) =>
      writeFrame(channel, session.makeSafe(size)),
    );
    expect(refusal.detail).toMatchObject({ number: 60, text: 'malformed database size message' });
    expect(server.errors.at(-1)).toMatchObject({ code: 'kprop.bad-size', phase: 'size' });
  });
});

describe('a size that lies', () => {
  test('more is announced than comes, and then nothing', async () => {
    const end = await answerTo(async (insider) => {
      const announced = insider.session.makeSafe(encodeSize(dump.length + 1));
      await writeFrame(insider.channel, announced);
      await sendBlocks(insider, dump);
    });
    // Silence ends the connection, not a message: whoever is silent may be gone.
    expect(end.code).toBe('network.closed');
    expect(server.errors.at(-1)).toMatchObject({
      code: 'network.timeout',
      doing: `while reading database block starting at offset ${dump.length}`,
    });
  });

  test('2^53 - 1 bytes are announced: nothing is set aside for them', async () => {
    await answerTo(async (insider) => {
      await writeFrame(insider.channel, insider.session.makeSafe(size8((1n << 53n) - 1n)));
      await sendBlocks(insider, dump);
      insider.channel.close();
    });
    expect((server.errors.at(-1) as KpropError).code).toMatch(/^network\.(closed|failed)$/);
  });

  test.each([1, 100, 32_768, 60_000])('%i bytes fewer are announced than come', async (less) => {
    const refusal = await answerTo(async (insider) => {
      const announced = insider.session.makeSafe(encodeSize(dump.length - less));
      await writeFrame(insider.channel, announced);
      await sendBlocks(insider, dump);
    });
    expect(refusal.detail).toMatchObject({
      number: 60,
      text: expect.stringMatching(
        /^Received \d+ bytes, expected \d+ bytes for database file( .*)?$/,
      ),
    });
    expect(server.errors.at(-1)).toMatchObject({ code: 'kprop.too-much', phase: 'blocks' });
  });

  test.each([
    ['12 bytes', size8(0n)],
    ['4 bytes, as from old peers', new Uint8Array(4)],
  ])('zero in %s: an empty dump is not loaded', async (_what, size) => {
    const refusal = await answerTo(({ channel, session }) =>
      writeFrame(channel, session.makeSafe(size)),
    );
    expect(refusal.detail).toMatchObject({
      number: 60,
      text: expect.stringContaining('the dump was not loaded: it is empty'),
    });
  });
});

describe('blocks of odd sizes', () => {
  test('empty blocks without end are stopped by the total limit', async () => {
    const short = await rig.serve({ limits: { totalMillis: 700 } });
    const begin = performance.now();
    await rig.survives(short, async () => {
      const { channel, session } = await openInsider(short.port, credential);
      await writeFrame(channel, session.makeSafe(encodeSize(10)));
      const seal = session.sealer();
      const flood = async () => {
        for (;;) await channel.write(...framed(...seal(new Uint8Array(0)).flat()));
      };
      await expect(flood()).rejects.toMatchObject({ code: expect.stringMatching(/^network\./) });
      channel.close();
    });
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(short.errors[0]).toMatchObject({ code: 'server.timeout' });
  });

  test.each([1, 7, 1_000, 100_000])('whole dumps in blocks of %i', async (blockBytes) => {
    const part = blockBytes === 1 ? readFileSync(rig.good) : dump;
    const insider = await openInsider(server.port, credential);
    await writeFrame(insider.channel, insider.session.makeSafe(encodeSize(part.length)));
    await sendBlocks(insider, part, blockBytes);
    // The confirmation, a KRB-SAFE.
    const head = await insider.channel.read(5);
    expect(head[4]).toBe(0x74);
    insider.channel.close();
    await server.settled();
    expect(comparable(await rig.lab.replicaDump())).toBe(comparable(part.toString('latin1')));
    await rig.expectServes(server);
    rig.holdGood();
  });
});

describe('a message that claims 4 GiB', () => {
  let kpropd: Kpropd;
  beforeAll(async () => {
    kpropd = await rig.lab.startOurKpropd();
    for (let i = 0; i < 5; i++) await rig.send(kpropd.port, { dump: rig.good });
  });
  afterAll(() => kpropd?.stop());

  const huge = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
  const peakKib = () => peakResidentBytes(kpropd.process.pid) / 1024;
  const pour = async (insider: Insider, mebibytes: number) => {
    const chunk = new Uint8Array(1 << 20);
    for (let i = 0; i < mebibytes; i++) await insider.channel.write(Uint8Array.from(chunk));
  };

  test.each([
    ['in place of the size', 0, 'while reading database size'],
    ['in place of a block', 1, 'while reading database block starting at offset 0'],
  ])('%s is refused at once, and memory does not grow', async (_what, messages, doing) => {
    const before = peakKib();
    const begin = performance.now();
    const insider = await openInsider(kpropd.port, credential);
    if (messages === 1) {
      await writeFrame(insider.channel, insider.session.makeSafe(encodeSize(dump.length)));
    }
    await insider.channel.write(huge);
    const refusal = (await insider.refusal()) as KpropError<'peer.refused'>;
    expect(performance.now() - begin).toBeLessThan(1_000);
    expect(refusal.detail.text).toContain(doing);
    await pour(insider, 100);
    insider.channel.close();
    expect(peakKib() - before).toBeLessThan(40 * 1024);
    await rig.send(kpropd.port, { dump: rig.good });
  });

  test('blocks without end of a size that was not announced fill no memory', async () => {
    const before = peakKib();
    const insider = await openInsider(kpropd.port, credential);
    await writeFrame(insider.channel, insider.session.makeSafe(encodeSize(1_000)));
    const flood = sendBlocks(insider, new Uint8Array(64 << 20)).then(() => insider.refusal());
    expect(((await flood) as KpropError).message).toContain('expected 1000 bytes');
    insider.channel.close();
    expect(peakKib() - before).toBeLessThan(40 * 1024);
    await rig.send(kpropd.port, { dump: rig.good });
    await rig.lab.replicaDump();
  });
});
