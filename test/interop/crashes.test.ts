import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { comparable, type Kpropd, Lab, type LabProcess, ourProgram } from '../support/lab/lab.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { processesOf } from '../support/rig/replica-rig.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';
import { seededRandom } from '../support/wire/seeded-random.ts';

// Kills one of those who take part in a propagation, at a random moment, again and again: the
// replica's database is always the old one or the new one, whole, and the next propagation passes.
// CRASHES=300 npx vitest run test/interop/crashes.test.ts; CRASH_SEED repeats a run's choices.

const crashes = Number(process.env.CRASHES ?? 10);
const seed = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31));
const random = seededRandom(seed);
const below = (limit: number) => Math.floor(random() * limit);
const oneOf = <T>(items: readonly T[]) => items[below(items.length)] as T;

const victims = [
  ...(['sender', 'receiver', 'loader', 'receiver and loader', 'promotion'] as const),
  ...(['network: end', 'network: reset'] as const),
];
type Victim = (typeof victims)[number];

interface Held {
  readonly file: string;
  readonly bytes: number;
  /** As the replica's database must be dumped if it holds it. */
  readonly text: string;
}

let lab: Lab;
let dumps: readonly [Held, Held];
let kpropd: Kpropd;
/** Of an undisturbed propagation, from the sender's start. */
let usualMillis = 0;
beforeAll(async () => {
  lab = await Lab.create({ principals: 2 });
  await lab.kadminLocal('primary', 'addpol -minlength 5 somepolicy');
  dumps = [await dumpWith('one', 9_000), await dumpWith('two', 11_000)];
  await lab.load(dumps[0].file);
  kpropd = await lab.startOurKpropd();
  const begun = performance.now();
  expect(await send(dumps[0], kpropd.port)).toMatchObject({ status: 0 });
  usualMillis = performance.now() - begun;
});
afterAll(() => lab.close());

test(`${crashes} crashes, seed ${seed}`, { timeout: 10_000 * crashes, retry: 0 }, async () => {
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  let held = dumps[0];
  for (let number = 1; number <= crashes; number += 1) {
    const victim = oneOf(victims);
    const sent = dumps.find((dump) => dump !== held) as Held;
    const way = await disturb(victim, sent);
    const where = `crash ${number} of seed ${seed}: ${victim}, ${way}`;
    await vi.waitFor(() => expect(loaders(), where).toEqual([]), { timeout: 5_000, interval: 20 });
    // Of a loader that was killed in the moment of promotion, kpropd puts right what it left.
    if (victim === 'receiver and loader') await restart();
    const now = await lab.replicaDump().then(comparable, (error: Error) => error.message);
    const whole = [held.text, sent.text].includes(now);
    expect(whole, `${where}: neither old nor new: ${now.slice(0, 300)}`).toBe(true);
    count(`${victim}: ${now === held.text ? 'old' : 'new'}`);
    await restart();
    held = oneOf(dumps);
    const next = await send(held, kpropd.port);
    expect(next, where).toMatchObject({ status: 0, stderr: '' });
    expect(leftOvers(), where).toEqual([]);
  }
  expect(comparable(await lab.replicaDump())).toBe(held.text);
  const table = [...counts].sort().map(([what, times]) => `${what} ${times}`);
  console.log(`${crashes} crashes, seed ${seed}\n  ${table.join('\n  ')}`);
});

/** A propagation of which one part ends at a random moment; says at which, for whoever looks into it. */
async function disturb(victim: Victim, dump: Held): Promise<string> {
  const network = victim.startsWith('network');
  // By the place in the stream, which the network's end always is, or by the time.
  const afterBytes = below(dump.bytes + 3_000);
  const byPlace = network || random() < 0.5;
  const fate = victim === 'network: end' ? 'end' : victim === 'network: reset' ? 'reset' : 'hold';
  const proxy = await startProxy(
    kpropd.port,
    byPlace ? { from: 'client', afterBytes, fate } : undefined,
  );
  const sender = lab.start(...senderOf(dump, proxy.port));
  const delayMillis = byPlace ? below(120) : below(usualMillis * 1.5);
  await Promise.race([byPlace ? proxy.struck : sleep(delayMillis), sender.ended]);
  if (byPlace && !network) await sleep(delayMillis);
  if (victim === 'sender') sender.kill();
  if (victim.includes('loader')) {
    await onceLoading(sender);
    await sleep(below(200));
  }
  if (victim === 'promotion') {
    await onceLoading(sender);
    const pids = loaders().map(String);
    proxy.release();
    await lab.run(process.execPath, ['-e', promotionKiller, `${lab.replica.database}~`, ...pids]);
  }
  if (victim.startsWith('receiver')) kpropd.process.signal('SIGKILL');
  if (victim.includes('loader')) for (const pid of loaders()) kill(pid);
  if (victim.startsWith('receiver')) await kpropd.process.ended;
  // What a sender had on its way may still arrive, or not.
  const lost = victim === 'sender' && random() < 0.5;
  if (lost) await proxy.close();
  else proxy.release();
  const { status } = await sender.ended;
  if (!lost) await proxy.close();
  const moment = byPlace ? `at byte ${afterBytes} + ${delayMillis} ms` : `at ${delayMillis} ms`;
  return `${moment}, kprop ended with ${status}`;
}

/** Resolves when there is a loader, or if there is none within a second. */
async function onceLoading(sender: LabProcess): Promise<void> {
  const until = performance.now() + 1_000;
  while (loaders().length === 0 && sender.running && performance.now() < until) await sleep(2);
}

/** Kills loaders when their database has just taken the place of the old one: see db2-files.ts. */
const promotionKiller = `
  const [database, ...pids] = process.argv.slice(1);
  const { existsSync } = require('node:fs');
  const until = Date.now() + 3000;
  while (existsSync(database) && Date.now() < until);
  for (const pid of pids) try { process.kill(Number(pid), 'SIGKILL') } catch {}`;

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was done in the meantime.
  }
}

async function restart(): Promise<void> {
  if (kpropd.process.running) return;
  // Which of the two ways of loading it is, is chance, too.
  const args = [oneOf(['--load=auto', '--load=kdb5_util'])];
  kpropd = await lab.startOurKpropd({ port: kpropd.port, args });
}

/** MIT's kprop or ours. */
function senderOf(dump: Held, port: number): [string, readonly string[]] {
  const args = lab.kpropArgs({ port, file: dump.file });
  if (random() < 0.5) return ['/usr/sbin/kprop', args];
  return [process.execPath, [ourProgram('kprop'), ...args]];
}

function send(dump: Held, port: number) {
  return lab.mitKprop({ port, file: dump.file, limitMillis: 20_000 });
}

/** Process numbers of the loaders that work for the replica. */
function loaders(): readonly number[] {
  return processesOf(lab.replica.folder).flatMap((line) => {
    const [pid = ''] = line.split(' ');
    return /kdb5_util .* load /.test(line) ? [Number(pid)] : [];
  });
}

/** What a crash left in the replica's folder: nothing, once another propagation has passed. */
function leftOvers(): readonly string[] {
  return readdirSync(lab.replica.folder).filter((name) =>
    /^from_master\.(?!state$|status(\.new)?$)|^principal~(?!\.ok$)|\.new-|\.rejected$|\.before-load$/.test(
      name,
    ),
  );
}

async function dumpWith(name: string, principals: number): Promise<Held> {
  await lab.addPrincipals([name]);
  const basedOn = readFileSync(await lab.dump(), 'latin1');
  const file = join(lab.primary.folder, `dump-${name}`);
  const { bytes } = makeSyntheticDump(file, principals, { basedOn });
  return { file, bytes, text: comparable(readFileSync(file, 'latin1')) };
}
