/**
 * Fuzzes kprop and kpropd, each kind in a process of its own, all at the same time.
 *   npm run fuzz [MINUTES] [-- --part=NAME] [--case=INDEX]      (10 minutes)
 * FUZZ_SEED=N makes the choices of an earlier run again. Ends with 1, with the seed, the input and
 * the command that repeats it, on the first crash, hang, unhandled rejection, growth of memory,
 * wrong database or accepted forgery.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { acceptors } from '../test/fuzz/live/acceptor.ts';
import { codecs } from '../test/fuzz/live/codecs.ts';
import { insider } from '../test/fuzz/live/insider.ts';
import type { Part } from '../test/fuzz/live/part.ts';
import { primary } from '../test/fuzz/live/primary.ts';
import { type PartSettings, runPart, temporaryFolder } from '../test/fuzz/live/process.ts';
import { recorded } from '../test/fuzz/live/recorded.ts';
import { Running } from '../test/fuzz/live/running.ts';

const parts: readonly Part[] = [codecs, acceptors, recorded, primary, insider];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    part: { type: 'string' },
    case: { type: 'string' },
    child: { type: 'string' },
  },
});

if (values.child === undefined) await main();
else {
  const settings = JSON.parse(values.child) as PartSettings;
  await runPart(parts.find(({ name }) => name === values.part) as Part, settings);
}

async function main(): Promise<void> {
  const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
  const minutes = Number(positionals[0] ?? 10);
  const chosen = parts.filter(({ name }) => values.part === undefined || values.part === name);
  if (chosen.length === 0 || !(minutes > 0) || !Number.isSafeInteger(seed)) {
    throw new Error(
      `usage: npm run fuzz [MINUTES] [-- --part=${parts.map(({ name }) => name).join('|')}]; FUZZ_SEED must be a whole number`,
    );
  }
  console.log(`FUZZ_SEED=${seed}, ${minutes} minutes`);
  for (const { name, about } of chosen) console.log(`  ${name}: ${about}`);
  const folder = temporaryFolder('progress');
  const running = chosen.map((part) => {
    const progress = join(folder.path, part.name);
    const only = values.case !== undefined;
    return new Running(part, { seed, minutes, from: Number(values.case ?? 0), only, progress });
  });
  const news = setInterval(() => {
    console.log(running.map(({ part, cases }) => `${part.name} ${cases}`).join(', '));
  }, 30_000);
  // The first part that fails ends all, so that its output is the last that is printed.
  const failed = (
    await Promise.all(
      running.map((one) =>
        one.ended.then((bad) => {
          if (bad) for (const other of running) other.stop();
          return bad;
        }),
      ),
    )
  ).some(Boolean);
  clearInterval(news);
  folder.remove();
  for (const one of running) one.print();
  console.log(`FUZZ_SEED=${seed}: ${failed ? 'FAILED' : 'nothing found'}`);
  process.exit(failed ? 1 : 0);
}
