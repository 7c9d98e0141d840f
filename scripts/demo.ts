// The demonstration: three propagations between our programs and MIT's, each proved by the replica's own KDC.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { type Kpropd, type KpropOptions, Lab, type Outcome } from '../test/support/lab/lab.ts';
import { makeSyntheticDump } from '../test/support/lab/synthetic-dump.ts';

interface Make {
  readonly name: string;
  startKpropd(lab: Lab): Promise<Kpropd>;
  kprop(lab: Lab, o: KpropOptions): Promise<Outcome>;
}

const ours: Make = {
  name: 'our',
  startKpropd: (lab) => lab.startOurKpropd(),
  kprop: (lab, o) => lab.ourKprop(o),
};
const mits: Make = {
  name: "MIT's",
  startKpropd: (lab) => lab.startMitKpropd(),
  kprop: (lab, o) => lab.mitKprop(o),
};

const population = 20_000;
const rounds = [
  { sender: ours, receiver: ours, newcomer: 'ada' },
  { sender: mits, receiver: ours, newcomer: 'grace' },
  { sender: ours, receiver: mits, newcomer: 'edsger' },
] as const;

const colourful = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const paint = (code: number) => (text: string) =>
  colourful ? `\u001b[${code}m${text}\u001b[0m` : text;
const bold = paint(1);
const faint = paint(2);
const red = paint(31);
const green = paint(32);

const textColumns = 64;

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Does one step and prints it with its outcome and how long it took. */
async function step<T>(
  label: string,
  work: () => T | Promise<T>,
  outcome?: (value: T) => string,
): Promise<T> {
  const begin = performance.now();
  const value = await work();
  const millis = performance.now() - begin;
  const said = outcome === undefined ? label : `${label}  ${outcome(value)}`;
  const gap = ' '.repeat(Math.max(1, textColumns - said.length));
  const shown = outcome === undefined ? label : `${label}  ${bold(outcome(value))}`;
  say(`  ${green('✓')} ${shown}${gap}${faint(duration(millis))}`);
  return value;
}

function duration(millis: number): string {
  const text = millis < 1000 ? `${millis.toFixed(0)} ms` : `${(millis / 1000).toFixed(2)} s`;
  return text.padStart(8);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

/** An outcome that the demonstration does not expect. */
class UnexpectedOutcome extends Error {}

/** Ends the demonstration with the output of the programs unless the expectation holds. */
function expectThat(holds: boolean, what: string, said: string): void {
  if (!holds) throw new UnexpectedOutcome(`${what}\n${said.trim()}`);
}

async function ticketFromReplica(lab: Lab, name: string, password: string, expected: boolean) {
  await step(
    `kinit ${name} at the replica's KDC:`,
    async () => {
      const tried = await lab.kinit('replica', name, password);
      expectThat(tried.ok === expected, `kinit should ${expected ? '' : 'not '}work`, tried.error);
      expectThat(expected || tried.error.includes('not found'), 'another refusal', tried.error);
    },
    () => (expected ? 'here is your ticket' : `${name}? never heard of`),
  );
}

async function round(lab: Lab, number: number): Promise<readonly string[]> {
  const { sender, receiver, newcomer } = rounds[number]!;
  const password = `secret of ${newcomer}`;
  const title = `${sender.name} kprop → ${receiver.name} kpropd`;
  say(`\n${bold(`${number + 2}  ${title}`)}`);
  await step(`new at the primary: ${newcomer}@${lab.realm}`, () =>
    lab.addPrincipals([newcomer], password),
  );
  await ticketFromReplica(lab, newcomer, password, false);
  const dump = await step(
    'kdb5_util dump at the primary:',
    () => lab.dump(),
    (path) => megabytes(statSync(path).size),
  );
  const kpropd = await step(
    `${receiver.name} kpropd listens:`,
    () => receiver.startKpropd(lab),
    ({ port }) => `port ${port}`,
  );
  const sent = await step(
    `${sender.name} kprop:`,
    async () => {
      const outcome = await sender.kprop(lab, { port: kpropd.port });
      const words = `${outcome.stdout}${outcome.stderr}\nkpropd said:\n${kpropd.stderr}`;
      expectThat(outcome.status === 0, `kprop ended with ${outcome.status}`, words);
      return outcome;
    },
    ({ stdout }) => stdout.trim(),
  );
  const bytes = statSync(dump).size;
  expectThat(
    readFileSync(dump).equals(readFileSync(lab.replica.fromMaster)),
    'the file that arrived differs',
    kpropd.stderr,
  );
  await ticketFromReplica(lab, newcomer, password, true);
  const enctype = /etype == ([^)]*)/.exec(kpropd.stderr)?.[1] ?? 'not said';
  await kpropd.stop();
  return [title, megabytes(bytes), duration(sent.millis).trim(), enctype];
}

function table(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const [index, row] of rows.entries()) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column]!));
    const line = `  ${cells.join('   ').trimEnd()}`;
    say(index === 0 ? faint(line) : line);
  }
}

async function demonstrate(lab: Lab): Promise<void> {
  const { realm, primary, replica } = lab;
  await step(
    `${population.toLocaleString('en')} principals into the primary:`,
    async () => {
      const made = makeSyntheticDump(join(lab.folder, 'population'), population, {
        basedOn: readFileSync(await lab.dump(), 'latin1'),
      });
      await lab.load(made.path, 'primary');
      return made.bytes;
    },
    megabytes,
  );
  await step("an old copy of it for the replica, and the replica's own KDC", async () => {
    await lab.load(await lab.dump());
    await lab.startReplicaKdc();
  });
  say(faint(`    realm    ${realm} in ${lab.folder}`));
  say(faint(`    primary  krb5kdc on 127.0.0.1:${primary.kdcPort}`));
  say(faint(`    replica  krb5kdc on 127.0.0.1:${replica.kdcPort}, and nothing else it could ask`));
  const results = [];
  for (const number of rounds.keys()) results.push(await round(lab, number));
  say(
    `\n${bold('What crossed the wire')}  ${faint('(time of kprop from start to end, with the load at the replica)')}`,
  );
  table([['', 'dump', 'time', "ticket's encryption"], ...results]);
}

const begin = performance.now();
say(bold('kprop: propagation of a Kerberos database, between our programs and MIT’s'));
say(`\n${bold('1  A realm of real MIT programs, in a temporary folder, on loopback')}`);
const lab = await step('kdb5_util create, keys, krb5kdc', () => Lab.create());
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true;
    lab.close(); // the step under way fails, which ends the demonstration
  });
}
try {
  await demonstrate(lab);
  say();
} catch (error) {
  process.exitCode = 1;
  const { message, stack } = error as Error;
  const said = interrupted ? 'interrupted' : error instanceof UnexpectedOutcome ? message : stack;
  say(`  ${red('✗')} ${said}\n`);
} finally {
  await step('every process ended, every file removed', async () => {
    await lab.close();
    expectThat(!existsSync(lab.folder), 'the folder is still there', lab.folder);
  });
}
say(faint(`    ${duration(performance.now() - begin).trim()} in all`));
