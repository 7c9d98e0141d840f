import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import {
  type CheckReplicaOptions,
  type DefaultPaths,
  type LoadMode,
  runningProcesses,
} from 'kprop';

/** The options that kpropd of this host is started with, and where they were found. */
export interface KpropdWords {
  readonly words: readonly string[];
  readonly from: string;
}

/** Those given; else those of the kpropd that runs here; else those of the file that units read. */
export function kpropdWords(given: string | undefined): KpropdWords {
  if (given !== undefined) return { words: split(given), from: '--kpropd' };
  for (const { pid } of runningProcesses()) {
    const [program = '', ...rest] = commandLine(pid);
    const isScript = /(^|\/)kpropd(\.js)?$/.test(rest.find((word) => !word.startsWith('-')) ?? '');
    if (/(^|\/)kpropd$/.test(program)) return { words: rest, from: `pid ${pid}` };
    if (/(^|\/)node$/.test(program) && isScript) {
      const script = rest.findIndex((word) => !word.startsWith('-'));
      return { words: rest.slice(script + 1), from: `pid ${pid}` };
    }
  }
  for (const [path, name] of argumentFiles) {
    const value = valueIn(path, name);
    if (value !== undefined) return { words: split(value), from: path };
  }
  return { words: [], from: 'the defaults' };
}

/** What these options mean for a check. */
export function checkOptionsOf(
  words: readonly string[],
  paths: DefaultPaths,
  environment: NodeJS.ProcessEnv,
): CheckReplicaOptions {
  const text = { type: 'string' } as const;
  const letters = Object.fromEntries(
    ['r', 's', 'f', 'F', 'P', 'a', 'p', 'A'].map((letter) => [letter, { ...text, short: letter }]),
  );
  const several = { ...text, multiple: true } as const;
  const { values } = parseArgs({
    args: [...words],
    options: { ...letters, x: { ...several, short: 'x' }, load: text, listen: several },
    strict: false,
  });
  const one = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const listen = Array.isArray(values.listen) ? values.listen.map(String) : [];
  return {
    realm: one('r'),
    keytab: one('s') ?? environment.KRB5_KTNAME,
    acl: one('a') ?? paths.acl,
    file: one('f') ?? paths.received,
    port: one('P'),
    load: one('load') as LoadMode | undefined,
    ...(listen.length > 0 && { address: listen }),
    builtInStash: paths.stash,
    loader: {
      path: one('p') ?? paths.kdb5Util,
      database: one('F'),
      builtInDatabase: paths.database,
      environment,
    },
    incremental: { adminServer: one('A'), builtInDatabase: paths.database, environment },
  };
}

/** Where the units of distributions find the options of kpropd. */
const argumentFiles: readonly (readonly [string, string])[] = [
  ['/etc/default/kpropd', 'DAEMON_ARGS'],
  ['/etc/default/krb5-kpropd', 'DAEMON_ARGS'],
  ['/etc/sysconfig/kprop', 'KPROPD_ARGS'],
];

function valueIn(path: string, name: string): string | undefined {
  try {
    const lines = readFileSync(path, 'utf8').split('\n');
    const line = lines.findLast((each) => each.startsWith(`${name}=`));
    return line?.slice(name.length + 1).replace(/^(["'])(.*)\1\s*$/, '$2');
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): readonly string[] {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    // Our kpropd has given itself a title: one word with all of them, and empty ones up to its old length.
    const [title = ''] = words;
    return /^kpropd /.test(title) ? split(title) : words;
  } catch {
    return [];
  }
}

const split = (text: string) => text.split(/\s+/).filter((word) => word !== '');
