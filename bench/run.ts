/**
 * Measures propagation against MIT's own programs: the same dump, the same realm, the two makes by
 * turns in one run, because machines are noisy.
 *   npm run bench -- [PART…] [--principals=1000000] [--rounds=3] [--all]
 * Writes bench/results/TIME.json. A target that is missed is told, and is no error. @see docs/performance.md
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Lab, packageRoot } from '../test/support/lab/lab.ts';
import { makeSyntheticDump, type SyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import { atRest } from './at-rest.ts';
import { control } from './control.ts';
import { dump } from './dump.ts';
import { enctypes } from './enctypes.ts';
import { fanOut } from './fan-out.ts';
import { receivers, senders } from './fan-out-roles.ts';
import { hostile } from './hostile.ts';
import { attackers, farAway } from './hostile-roles.ts';
import { incremental } from './incremental.ts';
import { limits, sink } from './limits.ts';
import { load } from './load.ts';
import { logins } from './logins.ts';
import { memory } from './memory.ts';
import { page } from './page.ts';
import { watchers } from './page-roles.ts';
import type { Bench, Figure, Part } from './part.ts';
import { scale } from './scale.ts';
import { seal } from './seal.ts';
import { small } from './small.ts';
import { stranger } from './stranger.ts';
import { figuresTable } from './table.ts';
import { wire } from './wire.ts';

const parts: readonly Part[] = [
  limits,
  seal,
  wire,
  enctypes,
  load,
  logins,
  dump,
  incremental,
  control,
  page,
  small,
  stranger,
  atRest,
  fanOut,
  scale,
  memory,
  hostile,
];

/** What this program does when it is started by itself, in processes of their own. */
const roles: Readonly<Record<string, (settings: never) => Promise<void>>> = {
  sink,
  receivers,
  senders,
  attackers,
  farAway,
  watchers,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    principals: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    all: { type: 'boolean', default: false },
    role: { type: 'string' },
  },
});
const role = values.role === undefined ? undefined : roles[values.role];
if (role === undefined) await main();
else await role(JSON.parse(positionals[0] ?? '{}') as never);

async function main(): Promise<void> {
  const chosen = chosenParts();
  const labs = new Map<string, Promise<Lab>>();
  const dumps = new Map<number, Promise<SyntheticDump>>();
  const once = <K, V>(made: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> => {
    const known = made.get(key) ?? make();
    made.set(key, known);
    return known;
  };
  const bench: Bench = {
    principals: wholeNumber('principals', values.principals),
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    lab: (enctype = 'aes256-cts-hmac-sha1-96') =>
      once(labs, enctype, () => Lab.create({ enctype })),
    dump: (principals) =>
      once(dumps, principals, async () => {
        const lab = await bench.lab();
        const basedOn = readFileSync(await lab.dump(), 'latin1');
        return makeSyntheticDump(join(lab.folder, `dump-${principals}`), principals, { basedOn });
      }),
    say: (line) => console.log(line),
  };
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`;
  bench.say(`${bench.principals} principals, ${bench.rounds} rounds, ${machine}`);
  const started = new Date();
  const figures: Figure[] = [];
  const raw: Record<string, unknown> = {};
  try {
    for (const part of chosen) {
      bench.say(`\n== ${part.name}: ${part.about}`);
      const outcome = await part.measure(bench);
      figures.push(...outcome.figures);
      raw[part.name] = outcome.raw;
    }
  } finally {
    for (const lab of labs.values()) await (await lab.catch(() => undefined))?.close();
  }
  const minutes = ((Date.now() - started.getTime()) / 60_000).toFixed(1);
  bench.say(`\n== outcome, after ${minutes} minutes\n${figuresTable(figures)}`);
  const { principals, rounds } = bench;
  const file = write(started, { started, machine, principals, rounds, figures, raw });
  bench.say(`\nall samples: ${file}`);
}

function chosenParts(): readonly Part[] {
  for (const name of positionals) {
    if (parts.some((part) => part.name === name)) continue;
    throw new Error(`no part ${name}; there are ${parts.map((part) => part.name).join(', ')}`);
  }
  if (positionals.length > 0) return parts.filter((part) => positionals.includes(part.name));
  return parts.filter((part) => values.all || !part.onRequest);
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name}=${text}: how many?`);
  return number;
}

/** A file of its own for each run: the last one may be the better one. */
function write(started: Date, results: unknown): string {
  const folder = join(packageRoot, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const name = `${started.toISOString().replace(/[:.]/g, '-')}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(results, null, 2)}\n`);
  return `bench/results/${name}`;
}
