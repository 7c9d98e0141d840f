import { afterAll, beforeAll, expect, test } from 'vitest';

import { DumpRefusal } from '../../../src/kdb/dump/refusal.ts';
import { Databases } from '../../support/rig/native-database.ts';
import { seededRandom } from '../../support/wire/seeded-random.ts';

// Small dumps with random changes: what is taken natively, kdb5_util loads without a word, and the
// records are the same. MUTATIONS=100000 npm run test:long -- test/kdb/db2/mutated-dumps.test.ts; MUTATION_SEED
// repeats a run's choices.

const mutations = Number(process.env.MUTATIONS ?? 2_000);
const seed = Number(process.env.MUTATION_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Dumps that kdb5_util loads at once. */
const atOnce = 2;

let databases: Databases;
let good: string;
beforeAll(async () => {
  databases = await Databases.open();
  const { lab } = databases;
  await lab.kadminLocal('primary', 'addpol -minlength 5 -maxfailure 3 one');
  await lab.kadminLocal('primary', 'addpol -allowedkeysalts aes256-cts:normal two');
  await lab.kadminLocal('primary', 'setstr user1 some thing');
  const lines = await databases.realLines();
  // A few principals are enough, and each mutation then meets more kinds of fields.
  const kept = lines.filter((line) => !/\t(kadmin|host)\//.test(line));
  good = `${kept.join('\n')}\n`;
});
afterAll(() => databases.close());

test(`${mutations} mutated dumps, seed ${seed}`, {
  timeout: 120_000 + mutations * 40,
}, async () => {
  const random = seededRandom(seed);
  const counts = { taken: 0, 'hand-over': 0, refuse: 0 };
  let number = 0;
  const worker = async (slot: number) => {
    while (number < mutations) {
      number += 1;
      const where = `mutation ${number} of seed ${seed}`;
      const text = mutated(good, random);
      const ours = `ours-${slot}`;
      const verdict = verdictOf(() => databases.build(ours, text));
      counts[verdict] += 1;
      if (verdict !== 'taken') continue;
      const theirs = `theirs-${slot}`;
      expect(await databases.load(theirs, text), where).toEqual({ status: 0, stderr: '' });
      for (const ending of ['', '.kadm5']) {
        const records = databases.records(ours, ending);
        expect(records, where).toEqual(databases.records(theirs, ending));
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, slot) => worker(slot)));
  expect(counts.taken).toBeGreaterThan(mutations / 100);
  expect(counts['hand-over']).toBeGreaterThan(mutations / 10);
  expect(counts.refuse).toBeGreaterThan(0);
  console.log(`${mutations} mutated dumps, seed ${seed}: ${JSON.stringify(counts)}`);
});

function verdictOf(build: () => void): 'taken' | 'hand-over' | 'refuse' {
  try {
    build();
    return 'taken';
  } catch (error) {
    if (error instanceof DumpRefusal) return error.verdict;
    throw error;
  }
}

/** One to three changes of the kinds that a grammar may get wrong. */
function mutated(text: string, random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  const oneOf = <T>(items: readonly T[]) => items[below(items.length)] as T;
  let lines = text.trimEnd().split('\n');
  let end = '\n';
  for (let changes = 1 + below(3); changes > 0; changes -= 1) {
    const line = below(lines.length);
    const fields = (lines[line] ?? '').split('\t');
    const field = below(fields.length);
    const change = below(12);
    if (change < 5) fields[field] = oneOf(numbers);
    else if (change === 5) fields[field] = (fields[field] ?? '').toUpperCase();
    else if (change === 6) fields.splice(field, 1);
    else if (change === 7) fields.splice(field, 0, oneOf(numbers));
    lines[line] = fields.join('\t');
    if (change === 8) {
      const place = below((lines[line] ?? '').length);
      const letter = String.fromCharCode(oneOf([0, 8, 9, 13, 32, 45, 48, 59, 64, 92, below(256)]));
      if (letter !== '\n')
        lines[line] =
          `${lines[line]?.slice(0, place)}${letter}${lines[line]?.slice(place + below(2))}`;
    }
    if (change === 9) lines.splice(line, 0, lines[below(lines.length)] ?? '');
    if (change === 10) lines.splice(line, 1);
    if (change === 11) end = oneOf(['\n', '\n', '', '\r\n', '\nEnd\n', ' \n']);
    lines = lines.length === 0 ? [''] : lines;
  }
  return lines.join('\n') + end;
}

const numbers = [
  '0',
  '-0',
  '-1',
  '1',
  '2',
  '3',
  '38',
  '007',
  '-',
  '',
  '65535',
  '65536',
  '32766',
  '32767',
]
  .concat('32768', '-32768', '-32769', '2147483647', '-2147483648', '4294967295', '4294967296')
  .concat('ff', 'FF', '00', '0x1', '+1', ' 1', '1 ', '99999999999999999999', '-1;', 'a@B', 'princ');
