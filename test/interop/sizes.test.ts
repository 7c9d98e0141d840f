import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Lab } from '../support/lab/lab.ts';
import type { Make } from '../support/lab/make.ts';
import {
  expectReplicaHas,
  pairings,
  pairingsOfOurs,
  runKprop,
  startKpropd,
  succeeded,
} from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';

const block = 32_768;

/** Bytes of the dump; as small as a real one gets where there is none. */
const sizes = [
  ['one short block', 20_000],
  ['a block less one byte', block - 1],
  ['exactly one block', block],
  ['a block and one byte', block + 1],
  ['exactly two blocks', 2 * block],
  ['many blocks and a rest', 37 * block + 5],
  ['exactly 96 blocks', 96 * block],
] as const;

let lab: Lab;
let folder: string;
beforeAll(async () => {
  lab = await Lab.create();
  folder = lab.primary.folder;
  await lab.dump();
});
afterAll(() => lab.close());

async function propagates(kprop: Make, kpropd: Make, file: string): Promise<string> {
  const server = await startKpropd(lab, kpropd);
  const sent = await runKprop(lab, kprop, { port: server.port, file, args: ['-d'] });
  await server.stop();
  const [last] = succeeded().stdout.split('\n');
  expect(sent).toMatchObject({ status: 0, stderr: '' });
  expect(sent.stdout.trimEnd().split('\n').at(-1)).toBe(last);
  return sent.stdout.slice(0, sent.stdout.lastIndexOf('Database propagation'));
}

describe.each(pairings)('kprop (%s) to kpropd (%s)', (kprop, kpropd) => {
  test.each(sizes)('%s', async (name, exactBytes) => {
    const file = join(folder, `${name.replaceAll(' ', '-')}-${kprop}-${kpropd}`);
    makeSyntheticDump(file, Number.POSITIVE_INFINITY, {
      basedOn: readFileSync(lab.dumpFile, 'latin1'),
      exactBytes,
    });
    expect(statSync(file).size).toBe(exactBytes);

    const lines = await propagates(kprop, kpropd, file);

    const totals = Array.from({ length: Math.ceil(exactBytes / block) }, (_, index) =>
      Math.min((index + 1) * block, exactBytes),
    );
    expect(lines).toBe(totals.map((total) => `${total} bytes sent.\n`).join(''));
    await expectReplicaHas(lab, file);
  });
});

describe.each(pairingsOfOurs)('kprop (%s) to kpropd (%s)', (kprop, kpropd) => {
  test('100 000 principals and more', async () => {
    const file = join(folder, `large-${kprop}-${kpropd}`);
    const basedOn = readFileSync(lab.dumpFile, 'latin1');
    makeSyntheticDump(file, 100_001, { basedOn });
    await propagates(kprop, kpropd, file);
    await expectReplicaHas(lab, file);
  });
});

describe.each(pairings)('kprop (%s) to kpropd (%s)', (kprop, kpropd) => {
  const propagateText = async (text: string) => {
    const file = join(folder, `text-${kprop}-${kpropd}`);
    writeFileSync(file, text);
    writeFileSync(`${file}.dump_ok`, '\0');
    const server = await startKpropd(lab, kpropd);
    const sent = await runKprop(lab, kprop, { port: server.port, file });
    await server.stop();
    return { sent, said: server.stderr };
  };

  test('the header alone is a database without principals, which ours refuses', async () => {
    const header = 'kdb5_util load_dump version 7\n';
    const { sent } = await propagateText(header);
    if (kpropd === 'ours') {
      // No KDC can open such a database.
      expect(sent).toMatchObject({ status: 1, stdout: '' });
      expect(sent.stderr).toContain(
        'Generic remote error: the dump has no entry of the master key',
      );
      // The database is the one from before.
      expect(await lab.replicaDump()).toMatch(/^kdb5_util/);
      return;
    }
    expect(sent).toMatchObject(succeeded());
    expect(readFileSync(lab.replica.fromMaster, 'utf8')).toBe(header);
    // Not even the master key's entry is there, which kdb5_util wants to see before it dumps.
    await expect(lab.replicaDump()).rejects.toThrow('No such entry in the database');
  });

  test('no byte at all travels, and does not become the database', async () => {
    await lab.load(lab.dumpFile);
    const before = await lab.replicaDump();
    const { sent, said } = await propagateText('');
    expect(sent).toMatchObject({ status: 1, stdout: '' });
    expect(said).toContain('Full propagation transfer started.');
    expect(await lab.replicaDump()).toBe(before);
    const [first, ...rest] = sent.stderr.trimEnd().split('\n');
    if (kpropd === 'mit') {
      expect(first).toBe(
        'kprop: Software caused connection abort while reading response from server',
      );
    } else {
      expect(first).toMatch(/^Generic remote error: the dump was not loaded: it is empty/);
    }
    const advice = [expect.stringMatching(/^cause: /), expect.stringMatching(/^fix: /)];
    expect(rest).toEqual(kprop === 'ours' ? advice : []);
  });
});
