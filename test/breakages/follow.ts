import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import type { Role, World } from '../differential/world.ts';

/** What following a fix has changed about the commands that are run next. */
export interface Changes {
  /** Options to add, by program; for kprop also another name of the replica. */
  readonly options: { kprop: string[]; kpropd: string[] };
  readonly unset: Set<string>;
  host: string | undefined;
  /** Whether the log of kpropd is to be read, and its fix followed. */
  readLog: boolean;
}

/** The part of a fix that is followed first: up to the first alternative, without its condition. */
export function firstWay(fix: string): string {
  const [way = ''] = splitOutside(fix.replace(/^fix: /, ''), /, or |; | \(/);
  return way.replace(/^if [^`]*?, /, '');
}

/**
 * Does what a fix says, word for word: each text in backquotes is run, or written where the words
 * around it say. @throws Error if a text in backquotes has words around it that mean nothing here
 */
export async function follow(way: string, world: World, role: Role): Promise<Changes> {
  const changes: Changes = {
    options: { kprop: [], kpropd: [] },
    unset: new Set(),
    host: undefined,
    readLog: false,
  };
  const parts = way.split('`');
  let where = role;
  for (let at = 1; at < parts.length; at += 2) {
    const [before = '', text = '', after = ''] = parts.slice(at - 1);
    if (/on the replica/.test(before)) where = 'replica';
    await followOne({ before, text, after }, { world, where, changes });
  }
  if (parts.length === 1) await withoutText(way, world);
  return changes;
}

interface Step {
  readonly before: string;
  readonly text: string;
  readonly after: string;
}
interface Surroundings {
  readonly world: World;
  readonly where: Role;
  readonly changes: Changes;
}

async function followOne({ before, text, after }: Step, o: Surroundings): Promise<void> {
  const { world, where, changes } = o;
  const [, file = ''] = /^ (?:to|as line \d+ of|in .*? of) (\/[\w./-]+)/.exec(after) ?? [];
  if (/add the line $/.test(before)) return edit(world, file, (lines) => [...lines, text]);
  const [, line] = /^ as line (\d+) of /.exec(after) ?? [];
  if (/write $/.test(before) && line !== undefined) {
    return edit(world, file, (lines) => lines.with(Number(line) - 1, text));
  }
  if (/set $/.test(before)) return edit(world, file, (lines) => withRelation(lines, text, after));
  if (/give kprop the name $/.test(before)) {
    changes.host = text;
    return;
  }
  const [, program] = /(kprop|kpropd|it) with $|such as $/.exec(before) ?? [];
  if (program !== undefined || /such as $/.test(before)) {
    // "run it with": the program that says so.
    const own = where === 'replica' ? 'kpropd' : 'kprop';
    const receiver = program === 'it' ? own : program === 'kpropd' ? 'kpropd' : 'kprop';
    changes.options[receiver].push(...text.split(' '));
    return;
  }
  if (!/(^|, |: |; )?(run|then|and|then on the replica) $/.test(before))
    throw new Error(`${before}[${text}]${after}`);
  if (text.startsWith('unset ')) changes.unset.add(text.slice('unset '.length));
  else if (text === 'journalctl -t kpropd') changes.readLog = true;
  else await type(text, world, where);
}

/** Types a command on one of the two hosts. */
async function type(command: string, world: World, role: Role): Promise<void> {
  const outcome = await world.run({
    program: '/bin/sh',
    args: ['-c', command],
    role,
    env: { PATH: `/srv/run/bin:${process.env.PATH}:/usr/sbin:/sbin`, ...environment(role) },
  });
  if (outcome.status === 0) return;
  throw new Error(`${command}: ${outcome.status}\n${outcome.stdout}${outcome.stderr}`);
}

/** Of a shell on one of the two hosts. */
export function environment(role: Role): NodeJS.ProcessEnv {
  if (role === 'primary') return {};
  return {
    KRB5_CONFIG: '/etc/krb5.conf',
    KRB5_KDC_PROFILE: '/etc/krb5kdc/kdc.conf',
    KRB5_KTNAME: '/etc/krb5.keytab',
  };
}

async function withoutText(way: string, world: World): Promise<void> {
  const [, line, file] = /remove line (\d+) of (\S+)/.exec(way) ?? [];
  if (line !== undefined && file !== undefined) {
    edit(world, file, (lines) => lines.filter((_, at) => at !== Number(line) - 1));
  }
}

function edit(world: World, file: string, change: (lines: string[]) => readonly string[]): void {
  const path = world.path(file);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  writeFileSync(path, `${change(lines).join('\n')}\n`);
}

/** The lines with a relation in the section that the words behind it name, in place of one that is there. */
function withRelation(lines: readonly string[], relation: string, after: string): string[] {
  const [, section = '', subsection] = /in \[(\w+)\](?: (\S+))? of /.exec(after) ?? [];
  const name = relation.split(' ')[0] ?? '';
  const kept = lines.filter((line) => !line.trim().startsWith(`${name} =`));
  const start = kept.indexOf(`[${section}]`);
  const inner = kept.findIndex(
    (line, at) => at > start && line.trim().startsWith(`${subsection} =`),
  );
  const at = subsection === undefined ? start : inner;
  return [...kept.slice(0, at + 1), `  ${relation}`, ...kept.slice(at + 1)];
}

/** Splits a text where an expression matches outside of backquotes. */
function splitOutside(text: string, at: RegExp): readonly string[] {
  const pieces: string[] = [''];
  for (const [index, part] of text.split('`').entries()) {
    const [first = '', ...rest] = index % 2 === 0 ? part.split(at) : [`\`${part}\``];
    pieces[pieces.length - 1] += first;
    pieces.push(...rest);
  }
  return pieces;
}
