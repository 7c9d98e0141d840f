import { expect, test } from 'vitest';

import type { ReplicaReport, RunReport } from '../src/run/report.ts';
import { liveRunText } from '../src/show/run-text.ts';
import { bytesText, columns, spanText } from '../src/show/words.ts';

const error = {
  code: 'peer.refused',
  phase: null,
  message: 'a long message '.repeat(20),
  remedy: 'do this',
};
const replica = (host: string, o: Partial<ReplicaReport> = {}): ReplicaReport => ({
  ...{ host, state: 'current', required: true, proved: true, has: 7, attempts: 1 },
  ...{ bytes: 341_000_000, millis: 3_100, phases: {}, error: null },
  ...o,
});

test('the live table never writes a line that would wrap, and tells what is wrong under it', () => {
  const written: string[] = [];
  const out = { write: (text: string) => written.push(text), columns: 70 };
  const text = liveRunText(out, 'R', ['kdc2', 'a-replica-with-a-long-name.example.org']);
  const dump = {
    ...{ path: '/d', principals: 1_000_214, bytes: 341_000_000, millis: 900, digest: '' },
    ...{ grown: 37, unchanged: false, refused: null },
  };
  text.event({ kind: 'dumped', dump, generation: 7 });
  text.event({
    kind: 'progress',
    host: 'kdc2',
    doing: 'sending',
    bytes: 170_500_000,
    total: 341_000_000,
  });
  const failed = replica('a-replica-with-a-long-name.example.org', { state: 'failed', error });
  text.event({ kind: 'outcome', replica: replica('kdc2') });
  text.event({ kind: 'outcome', replica: failed });
  const tables = written.filter((one) => one.includes('REPLICA'));
  expect(tables.length).toBe(4);
  for (const table of tables) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal obeys
    for (const line of table.replace(/\u001b\[\d*[A-Z]/g, '').split('\n')) {
      expect(line.length).toBeLessThanOrEqual(70);
    }
  }
  expect(written.join('')).toContain('█████░░░░░ 50 %');
  const report = {
    replicas: [replica('kdc2'), failed],
    refused: null,
    dump,
  } as unknown as RunReport;
  text.end(report);
  expect(written.slice(-2).join('')).toContain(`${error.message}\n    do this\n`);
  expect(written.at(-1)).toBe('1 of 2 replicas are up to date.\n');
});

test('words', () => {
  expect([999, 5_300, 341_000_000, 10_500_000_000].map(bytesText)).toEqual([
    ...['999 B', '5 kB', '341 MB', '10.5 GB'],
  ]);
  expect([900, 59_000, 240_000, 6_900_000, 7_200_000, 183_600_000].map(spanText)).toEqual([
    ...['0.9 s', '59.0 s', '4 min', '1 h 55 min', '2 h', '2 d 3 h'],
  ]);
  expect(
    columns([
      ['a', 'bb', ''],
      ['ccc', 'd', 'e'],
    ]),
  ).toEqual(['a    bb', 'ccc  d   e']);
});
