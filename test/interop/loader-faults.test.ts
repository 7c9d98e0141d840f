import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isKpropError } from '../../src/errors/kprop-error.ts';
import { FaultyLoader, type FileCall, fileCalls } from '../support/lab/faulty-loader.ts';
import { comparable } from '../support/lab/lab.ts';
import { ReplicaRig, type RigServer } from '../support/rig/replica-rig.ts';
import { leftOvers } from '../support/wire/streams.ts';

// Each system call by which kdb5_util makes files fails once: success is never said over a database
// that is not the new one, and the next propagation passes without help.
// LOADER_FAULTS=all npx vitest run test/interop/loader-faults.test.ts takes every one of them.

const all = process.env.LOADER_FAULTS === 'all';

let rig: ReplicaRig;
let loader: FaultyLoader;
let other: string;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  loader = new FaultyLoader(rig.lab);
  other = comparable(readFileSync(rig.other, 'latin1'));
});
afterAll(() => rig.close());

describe.each(['complete', 'streamed'] as const)('a dump that is loaded %s', (load) => {
  let server: RigServer;
  const counts = new Map<FileCall, number>();
  beforeAll(async () => {
    const environment = rig.lab.env('replica');
    server = await rig.serve({ loader: { path: loader.path, environment }, load });
    await rig.send(server.port);
    for (const call of fileCalls) counts.set(call, loader.count(call));
    await rig.send(server.port, { dump: rig.good });
  });

  test.each(fileCalls)('any one %s of its loader fails', { timeout: 600_000 }, async (call) => {
    const count = counts.get(call) ?? 0;
    expect(count).toBeGreaterThan(1);
    const outcomes: string[] = [];
    for (const number of chosen(call, count, load)) {
      const where = `${call} ${number} of ${count}`;
      loader.fail(call, number);
      const outcome = await rig.send(server.port).then(
        () => 'loaded',
        (error: unknown) => (isKpropError(error, 'peer.refused') ? 'refused' : error),
      );
      await server.settled();
      loader.heal();
      const held = comparable(await rig.lab.replicaDump());
      if (outcome === 'loaded') expect(held, where).toBe(other);
      else {
        expect(outcome, where).toBe('refused');
        await rig.expectIntact();
      }
      outcomes.push(`${outcome}`);
      await rig.send(server.port, { dump: rig.good });
      await server.settled();
      await rig.expectIntact();
      expect(leftOvers(rig), where).toEqual([]);
    }
    // What it leaves undone at its end it does not say by its exit status.
    const unsound = server.errors.filter((error) => isKpropError(error, 'loader.unsound'));
    if (call === 'write') expect(unsound.length).toBeGreaterThan(1);
    if (all) console.log(`${load}, ${call}: ${outcomes.join(' ')}`);
  });
});

/** The last writes are those that nobody looks at; one from the middle stands for all the others. */
function chosen(call: FileCall, count: number, load: 'complete' | 'streamed'): readonly number[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  if (all) return numbers;
  if (call !== 'write') return numbers.slice(load === 'streamed' && call === 'rename' ? -2 : -1);
  return load === 'streamed' ? [count >> 1, ...numbers.slice(-5)] : numbers.slice(-2);
}
