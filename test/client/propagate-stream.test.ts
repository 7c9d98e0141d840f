import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { type PropagateOptions, propagate } from '../../src/client/propagate.ts';
import { Lab } from '../support/lab/lab.ts';
import { asPrimary, expectReplicaHas, startKpropd } from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { failureOf, HeldReplica } from '../support/rig/held-replica.ts';

let lab: Lab;
let large: string;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
  large = join(lab.primary.folder, 'large');
  const basedOn = readFileSync(lab.dumpFile, 'latin1');
  makeSyntheticDump(large, Number.POSITIVE_INFINITY, { basedOn, exactBytes: 20_000_000 });
});
afterAll(() => lab.close());

let replica: HeldReplica;
async function startReplica(o: { hold?: boolean } = {}): Promise<void> {
  replica = await HeldReplica.start(lab, o);
}
afterEach(() => replica?.close());

const send = (port: number, o: Partial<PropagateOptions> = {}) =>
  propagate({ ...asPrimary(lab), port, ...o });

describe('a stream', () => {
  test.each(['ours', 'mit'] as const)('with its size is sent to kpropd (%s)', async (make) => {
    await lab.addPrincipals([`streamed-${make}`]);
    await lab.dump();
    const contents = readFileSync(lab.dumpFile);
    const kpropd = await startKpropd(lab, make);
    // Pieces of odd lengths: what arrives is cut into blocks anew.
    const pieces = Array.from({ length: Math.ceil(contents.length / 777) }, (_, at) =>
      contents.subarray(at * 777, (at + 1) * 777),
    );
    const stream = Readable.from(pieces);

    const report = await send(kpropd.port, { dump: { bytes: contents.length, stream } });

    expect(report).toEqual({
      host: '127.0.0.1',
      port: kpropd.port,
      server: `host/127.0.0.1@${lab.realm}`,
      bytes: contents.length,
      enctype: lab.enctype,
      millis: expect.any(Number),
    });
    await expectReplicaHas(lab);
    await kpropd.stop();
    expect(stream.destroyed).toBe(true);
  });

  test.each([
    ['less', 100],
    ['more', -100],
  ])('with %s than was said', async (_, missing) => {
    await startReplica();
    const contents = readFileSync(large);
    const stream = Readable.from([contents.subarray(0, 9_000_000), contents.subarray(9_000_000)]);
    const dump = { bytes: contents.length + missing, stream };
    const error = await failureOf(send(replica.port, { dump }));
    expect(error).toMatchObject({
      code: 'dump.changed',
      phase: 'blocks',
      detail: { expected: dump.bytes },
    });
    await vi.waitUntil(() => replica.events.at(-1)?.kind === 'closed');
    // The replica was told; it did not have to guess.
    expect(replica.events.find(({ kind }) => kind === 'failed')).toMatchObject({
      error: { code: 'peer.refused', detail: { text: 'Premature EOF found for database file!' } },
    });
    expect(replica.loaded).toEqual([]);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53, '7'])('whose size is %s', async (bytes) => {
    await startReplica();
    const dump = { bytes: bytes as number, stream: Readable.from([]) };
    const error = await failureOf(send(replica.port, { dump }));
    expect(error).toMatchObject({ code: 'dump.bad-size', phase: 'dump', detail: { bytes } });
    expect(replica.events).toEqual([]);
  });

  test('that fails on its way', async () => {
    await startReplica();
    const stream = (async function* () {
      yield new Uint8Array(5_000_000);
      throw new Error('the disk is on fire');
    })();
    const error = await failureOf(send(replica.port, { dump: { bytes: 10_000_000, stream } }));
    expect(error).toMatchObject({
      code: 'caller.stream',
      phase: 'blocks',
      message: 'the stream that should give the dump failed: the disk is on fire',
      remedy: expect.stringContaining('the source of the stream'),
      cause: { message: 'the disk is on fire' },
    });
    await vi.waitUntil(() => replica.events.at(-1)?.kind === 'closed');
    expect(replica.loaded).toEqual([]);
  });
});
