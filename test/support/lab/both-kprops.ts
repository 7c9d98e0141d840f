import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { expect } from 'vitest';

import { type Lab, ourProgram } from './lab.ts';
import type { KpropOptions } from './lab-options.ts';
import type { Outcome } from './lab-process.ts';

export interface Failure {
  /** What MIT's kprop printed on stderr, without the empty lines that it strews in. */
  readonly mit: readonly string[];
  /** What ours printed, but for the hint. */
  readonly ours: readonly string[];
  /** Our last line. */
  readonly hint: string;
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

/** Exit status 1, words and a hint on stderr, nothing on stdout, nothing left behind, replica as before. */
export async function oursFails(
  lab: Lab,
  run: () => Promise<Outcome>,
): Promise<Omit<Failure, 'mit'>> {
  const files = filesOf(lab.primary.folder);
  const replica = replicaState(lab);
  const ours = await run();
  expect(ours, 'our kprop').toMatchObject({ status: 1, stdout: '' });
  const said = lines(ours.stderr);
  const hint = said.pop() ?? '';
  // The failure, its object, and what to do: no hint is shorter than this.
  expect(hint, ours.stderr).toMatch(/^hint: .{15,}: .{15,}$/);
  expect(said.join('\n')).not.toMatch(/^hint:|^ {4}at |internal error/m);
  expect(filesOf(lab.primary.folder), 'files of the primary').toEqual(files);
  expect(replicaState(lab), 'the replica').toEqual(replica);
  return { ours: said, hint, millis: ours.millis };
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
