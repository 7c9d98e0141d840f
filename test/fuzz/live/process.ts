import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { seededRandom } from '../../support/wire/fixed-ambient.ts';
import type { Part, Stand } from './part.ts';

export interface PartSettings {
  readonly seed: number;
  readonly minutes: number;
  /** The first case. */
  readonly from: number;
  /** No other than that one. */
  readonly only: boolean;
  /** A file that always holds the number of the case that was begun last. */
  readonly progress: string;
}

/** What the process of a part tells its parent, now and then and at its end. */
export interface PartNews {
  readonly cases: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly failure?: { readonly index: number; readonly reason: string; readonly input?: string };
}

/** No case takes so long, on the busiest machine. */
const caseMillis = 60_000;
const newsMillis = 2_000;
const memoryMillis = 5_000;
/** What may come in time beside what a part needs from its first moments on. */
const growthBytes = 96 * 2 ** 20;
/** How often in a row it must be too much: a collector may come late. */
const growthTimes = 4;

/** Runs a part until its time is over or something fails, and tells the parent. */
export async function runPart(part: Part, o: PartSettings): Promise<void> {
  const counts: Record<string, number> = {};
  const inputs = new Map<number, Uint8Array | string>();
  const progress = openSync(o.progress, 'w');
  const mark = new DataView(new ArrayBuffer(8));
  const stand = await part.open();
  const end = performance.now() + o.minutes * 60_000;
  let next = o.from;
  let cases = 0;
  const tell = (failure?: PartNews['failure']) =>
    new Promise<void>((told) => {
      const news: PartNews = { cases, counts, ...(failure && { failure }) };
      if (process.send) process.send(news, () => told());
      else told();
    });
  const fail = async (index: number, error: unknown) => {
    const input = inputs.get(index);
    const file =
      input === undefined ? undefined : keepInput(`${part.name}-${o.seed}-${index}`, input);
    await tell({ index, reason: inWords(error), ...(file !== undefined && { input: file }) });
    await Promise.race([stand.close(), pause(5_000)]);
    process.exit(1);
  };
  process.on(
    'unhandledRejection',
    (error) => void fail(next - 1, new Error('unhandled rejection', { cause: error })),
  );
  // Another part has failed: what was set up goes, and nothing is told.
  process.once('SIGTERM', () => {
    void Promise.race([stand.close(), pause(5_000)]).then(() => process.exit(0));
  });
  process.on(
    'uncaughtException',
    (error) => void fail(next - 1, new Error('uncaught exception', { cause: error })),
  );

  const lane = async () => {
    while (performance.now() < end && (!o.only || next === o.from)) {
      const index = next++;
      mark.setFloat64(0, index);
      writeSync(progress, mark, 0, 8, 0);
      try {
        const done = stand.one(caseRandom(o.seed, index), (input) => inputs.set(index, input));
        const kind = typeof done === 'string' ? done : await within(done, index);
        counts[kind] = (counts[kind] ?? 0) + 1;
        cases += 1;
      } catch (error) {
        await fail(index, error);
      }
      inputs.delete(index);
      // What is not asynchronous lets the clock and the parent be heard.
      if (index % 64 === 0) await new Promise(setImmediate);
    }
  };
  const news = setInterval(() => void tell(), newsMillis);
  const watch = watchMemory(stand, (error) => void fail(next - 1, error));
  await Promise.all(Array.from({ length: stand.lanes }, lane));
  clearInterval(news);
  clearInterval(watch);
  await stand.close();
  await tell();
  closeSync(progress);
  process.exit(0);
}

/** The numbers of one case, which nothing else decides. */
function caseRandom(seed: number, index: number) {
  return seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}

function watchMemory(stand: Stand, fail: (error: Error) => void): NodeJS.Timeout {
  const gc = (globalThis as { gc?: () => void }).gc;
  const used = () => {
    if (stand.residentBytes !== undefined) return stand.residentBytes();
    gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const first: number[] = [];
  let grown = 0;
  return setInterval(() => {
    const now = used();
    // The first quarter of a minute is for warming up.
    if (first.length < 3) return void first.push(now);
    grown = now > Math.max(...first) + growthBytes ? grown + 1 : 0;
    if (grown < growthTimes) return;
    fail(new Error(`memory grows: ${first.join(', ')} bytes at first, ${now} now`));
  }, memoryMillis);
}

async function within<T>(done: Promise<T>, index: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`case ${index} hangs`)), caseMillis);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

function keepInput(name: string, input: Uint8Array | string): string {
  const file = join(tmpdir(), `kprop-fuzz-${name}.input`);
  writeFileSync(file, input);
  return file;
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${inWords(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, millis));
}

/** A folder of a part's own, and how it goes. */
export function temporaryFolder(part: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `kprop-fuzz-${part}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
