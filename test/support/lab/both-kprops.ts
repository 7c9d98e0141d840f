import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { expect } from 'vitest';

import { type Lab, ourProgram } from './lab.ts';
import type { KpropOptions } from './lab-options.ts';
import type { Outcome } from './lab-process.ts';

export interface Failure {
  /** What MIT's kprop printed on stderr, without the empty lines that it strews in. */
  readonly mit: readonly string[];
  /** What ours printed, but for its advice. */
  readonly ours: readonly string[];
  /** The cause, if it says more than the lines above, and the fix: as one line. */
  readonly advice: string;
  /** How long ours took. */
  readonly millis: number;
}

/** Runs MIT's kprop, then ours, in the same way, and holds ours to what every failure must be. */
export async function bothFail(lab: Lab, o: KpropOptions): Promise<Failure> {
  const mit = await lab.mitKprop(o);
  expect(mit, "MIT's kprop").toMatchObject({ status: 1, stdout: '' });
  return { mit: lines(mit.stderr), ...(await oursFails(lab, () => lab.ourKprop(o))) };
}

/** The same with what a wrapper such as setpriv runs: its arguments come before the program's. */
export async function bothFailUnder(
  lab: Lab,
  wrapper: readonly [string, ...string[]],
  o: KpropOptions,
): Promise<Failure> {
  const [program, ...before] = wrapper;
  const args = lab.kpropArgs(o);
  const mit = await lab.run(program, [...before, '/usr/sbin/kprop', ...args], o);
  expect(mit, "MIT's kprop").toMatchObject({ status: 1, stdout: '' });
  const ours = [...before, process.execPath, ourKprop, ...args];
  return {
    mit: lines(mit.stderr).map((line) => line.replace(/^\/usr\/sbin\/kprop: /, 'kprop: ')),
    ...(await oursFails(lab, () => lab.run(program, ours, o))),
  };
}

/** Exit status 1, words and advice on stderr, nothing on stdout, nothing left behind, replica as before. */
export async function oursFails(
  lab: Lab,
  run: () => Promise<Outcome>,
): Promise<Omit<Failure, 'mit'>> {
  const files = filesOf(lab.primary.folder);
  const replica = replicaState(lab);
  const ours = await run();
  expect(ours, 'our kprop').toMatchObject({ status: 1, stdout: '' });
  const said = lines(ours.stderr);
  const advice = said.filter((line) => /^(cause|fix): /.test(line));
  const words = said.slice(0, said.length - advice.length);
  // The last lines, one fix, and short ones, though the paths of the lab are long.
  expect(said.slice(words.length)).toEqual(advice);
  expect(advice.at(-1), ours.stderr).toMatch(/^fix: .{15,300}$/);
  expect(advice.slice(0, -1).join('\n'), ours.stderr).toMatch(/^(cause: .{15,300})?$/);
  expect(words.join('\n')).not.toMatch(/^ {4}at |internal error/m);
  expect(filesOf(lab.primary.folder), 'files of the primary').toEqual(files);
  expect(replicaState(lab), 'the replica').toEqual(replica);
  return { ours: words, advice: advice.join(' '), millis: ours.millis };
}

/** Runs a program as one whom file modes bind, which they do not where tests run as root. */
export const boundByModes: readonly [string, ...string[]] =
  process.getuid?.() === 0
    ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all']
    : ['/usr/bin/env'];

const ourKprop = ourProgram('kprop');

/** The database and the last dump that was loaded. A dump half received may lie beside them. */
function replicaState(lab: Lab): Record<string, string> {
  const { database, fromMaster } = lab.replica;
  const kept = [database, `${database}.kadm5`, fromMaster];
  return Object.fromEntries(kept.map((path) => [path, digest(path)]));
}

function digest(path: string): string {
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'none';
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}
