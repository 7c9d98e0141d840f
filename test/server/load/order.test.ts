import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import { LoadOrder } from '../../../src/server/load/order.ts';
import { isoMicros, microsOf } from '../../../src/server/spool/state-file.ts';

const second = 1_000_000;
const start = 1_795_355_239_516_321;
const primary = 'host/primary.example@EXAMPLE.ORG';
const other = 'host/other.example@EXAMPLE.ORG';

let folder: string;
let path: string;
let clockMicros: number;
let monotonicMillis: number;
let trouble: unknown[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-order-'));
  path = join(folder, 'from_master.state');
  [clockMicros, monotonicMillis, trouble] = [start, 5_000, []];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A kpropd, one of inetd's, or the same after a restart: they share the file alone. */
const kpropd = () => {
  const order = new LoadOrder({
    path,
    ambient: { nowMicros: () => clockMicros, random: (bytes) => new Uint8Array(bytes) },
    clockSkewSeconds: 300,
    monotonicMillis: () => monotonicMillis,
  });
  return {
    arrive: (authenticatedMicros: number, client = primary) =>
      order.arrive({ client, authenticatedMicros, onTrouble: (error) => trouble.push(error) }),
    load: async (arrival: ReturnType<typeof order.arrive>) => {
      try {
        await order.requireNewest(arrival);
      } catch (error) {
        if (isKpropError(error, 'spool.superseded')) return 'superseded';
        throw error;
      }
      await order.noteLoaded(arrival, 1_000);
      return 'loaded';
    },
  };
};
const pass = (seconds: number) => {
  clockMicros += seconds * second;
  monotonicMillis += seconds * 1_000;
};

test('a request that was held back on the way is refused, though it arrives last', async () => {
  const server = kpropd();
  expect(await server.load(server.arrive(start))).toBe('loaded');
  expect(await server.load(server.arrive(start - 10 * second))).toBe('superseded');
  expect(await server.load(server.arrive(start + 10 * second))).toBe('loaded');
});

test('so it is in another process, and after a restart', async () => {
  const first = kpropd();
  expect(await first.load(first.arrive(start))).toBe('loaded');
  const later = kpropd();
  expect(await later.load(later.arrive(start - 10 * second))).toBe('superseded');
  expect(await later.load(later.arrive(start + 10 * second))).toBe('loaded');
});

test('a newer one is loaded, though it arrived first', async () => {
  const server = kpropd();
  const newer = server.arrive(start + 10 * second);
  expect(await server.load(server.arrive(start))).toBe('loaded');
  expect(await server.load(newer)).toBe('loaded');
});

test('of times that are within two seconds, and of two clients, the order of arrival decides', async () => {
  const server = kpropd();
  const slow = server.arrive(start);
  const slowOther = server.arrive(start + 100 * second, other);
  expect(await server.load(server.arrive(start + second))).toBe('loaded');
  expect(await server.load(slow)).toBe('superseded');
  expect(await server.load(slowOther)).toBe('superseded');
  expect(await server.load(server.arrive(start - second))).toBe('loaded');
  expect(await server.load(server.arrive(start - 100 * second, other))).toBe('loaded');
});

test('a client that was overtaken by another is refused, though it is newer than its own last one', async () => {
  const server = kpropd();
  expect(await server.load(server.arrive(start))).toBe('loaded');
  const slow = server.arrive(start + 100 * second);
  expect(await server.load(server.arrive(start + 100 * second, other))).toBe('loaded');
  expect(await server.load(slow)).toBe('superseded');
  expect(await server.load(server.arrive(start + 200 * second))).toBe('loaded');
});

test('a time too far in the future is ignored: the clock was set back', async () => {
  const wrong = kpropd();
  clockMicros += 3_600 * second;
  expect(await wrong.load(wrong.arrive(clockMicros))).toBe('loaded');
  clockMicros -= 3_600 * second;
  const right = kpropd();
  expect(await right.load(right.arrive(clockMicros))).toBe('loaded');
  expect(await right.load(right.arrive(clockMicros - 10 * second))).toBe('superseded');
});

test('a clock that is set back by less while kpropd runs causes no refusal', async () => {
  const server = kpropd();
  expect(await server.load(server.arrive(clockMicros))).toBe('loaded');
  pass(10);
  clockMicros -= 200 * second;
  expect(await server.load(server.arrive(clockMicros))).toBe('loaded');
  pass(10);
  expect(await server.load(server.arrive(clockMicros - 20 * second))).toBe('superseded');
});

test('the error names both times and what to do', async () => {
  const server = kpropd();
  await server.load(server.arrive(start));
  const ended = kpropd();
  const arrival = ended.arrive(start - 10 * second);
  expect(await ended.load(arrival)).toBe('superseded');
  const order = new LoadOrder({
    path,
    ambient: { nowMicros: () => clockMicros, random: (bytes) => new Uint8Array(bytes) },
    clockSkewSeconds: 300,
  });
  const error = await order.requireNewest(arrival).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!isKpropError(error)) throw new Error('it should have been refused', { cause: error });
  for (const time of ['2026-11-22T13:47:19.516321Z', '2026-11-22T13:47:09.516321Z']) {
    expect(error.message).toContain(time);
    expect(error.comErrText).toContain(time);
  }
  expect(error.remedy).toContain('if a clock was set back');
});

test('the file is for its owner alone, and records client, time and size', async () => {
  const server = kpropd();
  await server.load(server.arrive(start, other));
  await server.load(server.arrive(start + second));
  expect(statSync(path).mode & 0o7777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    lastLoaded: {
      client: primary,
      authenticated: '2026-11-22T13:47:20.516321Z',
      at: '2026-11-22T13:47:19.516321Z',
      bytes: 1_000,
    },
    newest: {
      [other]: '2026-11-22T13:47:19.516321Z',
      [primary]: '2026-11-22T13:47:20.516321Z',
    },
  });
});

test.each([
  'garbage',
  '',
  'null',
  '[]',
  '{"newest": 5}',
  '{"newest": null}',
  '{"newest": {"host/primary.example@EXAMPLE.ORG": {}}}',
  `"${'x'.repeat(100_000)}"`,
])('a damaged file stops nobody, and is replaced: %.40s', async (text) => {
  writeFileSync(path, text);
  const server = kpropd();
  expect(await server.load(server.arrive(start))).toBe('loaded');
  for (const error of trouble) expect(error).toMatchObject({ code: 'spool.state' });
  const after = kpropd();
  expect(await after.load(after.arrive(start - 10 * second))).toBe('superseded');
});

test('what is unknown in the file is kept', async () => {
  writeFileSync(path, '{"later": [1, 2]}');
  const server = kpropd();
  await server.load(server.arrive(start));
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ later: [1, 2] });
});

test('a link in its place is not followed, nor is one in place of the new file', async () => {
  const target = join(folder, 'target');
  writeFileSync(target, 'theirs');
  symlinkSync(target, path);
  symlinkSync(target, `${path}.new`);
  const server = kpropd();
  expect(await server.load(server.arrive(start))).toBe('loaded');
  expect(readFileSync(target, 'utf8')).toBe('theirs');
  expect(trouble[0]).toMatchObject({ code: 'spool.state' });
  expect(statSync(path).isFile() && existsSync(path)).toBe(true);
});

test('a missing folder stops no propagation', async () => {
  rmSync(folder, { recursive: true });
  const server = kpropd();
  expect(await server.load(server.arrive(start))).toBe('loaded');
  expect(trouble).toMatchObject([{ code: 'spool.state', detail: { errno: 'ENOENT' } }]);
  expect(await server.load(server.arrive(start + 10 * second))).toBe('loaded');
  folder = mkdtempSync(join(tmpdir(), 'kprop-order-'));
});

test('times are written and read to the microsecond', () => {
  for (const micros of [0, 1, 999, 1_000, start]) expect(microsOf(isoMicros(micros))).toBe(micros);
  for (const text of ['', '2026', '2026-11-22T13:47:19Z', '2026-99-22T13:47:19.516321Z', 5]) {
    expect(microsOf(text)).toBeUndefined();
  }
});
