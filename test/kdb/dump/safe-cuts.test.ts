import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { comparable, Lab } from '../../support/lab/lab.ts';
import { cutsOf, header, isSafe, policy, princ } from '../../support/rig/feeding.ts';

const many = Array.from({ length: 30 }, (_, index) => princ(`user${index}@R`)).join('');

describe('a dump is cut inside its records only', () => {
  test.each([
    ['short records', `${header}${many}`],
    ['policies at its end', `${header}${many}${policy('a')}${policy('bc')}${policy('d')}`],
    ['policies alone', `${header}${Array.from('abcdefgh', policy).join('')}`],
    ['records longer than a piece', `${header}${princ('x', '5a'.repeat(700))}${many}`],
    ['a long one at its end', `${header}${many}${princ('x', '5a'.repeat(700))}`],
    ['one record', `${header}${princ('x')}`],
    ['a principal behind policies', `${header}${many}${policy('a')}${princ('x')}`],
    ['empty lines', `${header}${many}\n\n${princ('x')}\n`],
    ['an End', `${header}${many}End\n`],
    [
      'all lengths',
      `${header}${Array.from({ length: 99 }, (_, n) => princ('n'.repeat(n))).join('')}`,
    ],
  ])('%s', (_what, dump) => {
    for (const limitBytes of [130, 200, 512, 4096]) {
      for (const step of [1, 7, 64, 5000]) {
        const { cuts, end } = cutsOf(dump, { limitBytes, step });
        expect(cuts.filter((cut) => !isSafe(dump, cut))).toEqual([]);
        expect(end).toBe('whole');
      }
    }
  });

  test('what is long enough is fed while it arrives, but for the last record', () => {
    const { early } = cutsOf(`${header}${many}`, { step: 10 });
    expect(early).toBeGreaterThan(header.length + many.length - 150);
  });

  test.each([
    ['a policy', policy('p')],
    ['End, at which kdb5_util stops reading', 'End\n'],
    ['End behind blanks', ' \t End\n'],
    ['an empty line', '\n'],
    ['half a word', 'pri\n'],
    ['what may become End', 'E\n'],
  ])('nothing behind %s is fed before all is there', (_what, line) => {
    const dump = `${header}${many}${line}${many}`;
    const { early } = cutsOf(dump, { step: 10 });
    expect(early).toBeLessThanOrEqual(header.length + many.length);
  });

  test('a word that kdb5_util does not know is fed at once, with what ends it, and no more', () => {
    const dump = `${header}${many}garbage\n${many}`;
    const { early, end } = cutsOf(dump);
    expect(early).toBe(header.length + many.length + 'garbage\n'.length + 1);
    expect(end).toBe('unfit');
  });

  test.each([
    ['a policy longer than a piece', `${policy('a'.repeat(400))}${policy('b')}`],
    ['a pageful of nothing', `${'\n'.repeat(400)}${princ('x')}`],
  ])('%s cannot be fed', (_what, text) => {
    const { cuts, end } = cutsOf(`${header}${many}${text}`);
    expect(end).toBe('unfit');
    expect(cuts.filter((cut) => !isSafe(`${header}${many}${text}`, cut))).toEqual([]);
  });
});

describe('with the real kdb5_util', () => {
  let lab: Lab;
  let whole: string;
  let before: string;
  beforeAll(async () => {
    lab = await Lab.create({ principals: 6 });
    for (const name of ['p', 'second']) await lab.kadminLocal('primary', `addpol ${name}`);
    await lab.load(await lab.dump());
    before = comparable(await lab.replicaDump());
    await lab.addPrincipals(['new']);
    whole = readFileSync(await lab.dump(), 'latin1');
  });
  afterAll(() => lab.close());

  /** What a load does whose input ends after so many bytes. */
  async function loadOf(bytes: number) {
    const script = `head -c ${bytes} ${lab.dumpFile} | exec /usr/sbin/kdb5_util load /dev/stdin`;
    const { status } = await lab.run('sh', ['-c', script], { role: 'replica', limitMillis: 5_000 });
    return status;
  }

  test('no cut is taken for the end of a dump or makes kdb5_util loop for ever', async () => {
    const { cuts, end } = cutsOf(whole, { limitBytes: 160, step: 1000 });
    expect(end).toBe('whole');
    expect(cuts.length).toBeGreaterThan(20);
    for (const cut of cuts) expect(await loadOf(cut), `at ${cut}`).toBe(1);
    expect(comparable(await lab.replicaDump())).toBe(before);
  });

  test('eight bytes into any record it fails', async () => {
    const starts = [...whole.matchAll(/^p/gm)].map(({ index }) => index);
    expect(starts.length).toBeGreaterThan(12);
    for (const start of starts) expect(await loadOf(start + 8), `at ${start}`).toBe(1);
    expect(comparable(await lab.replicaDump())).toBe(before);
  });
});
