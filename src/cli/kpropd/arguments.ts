import { resolve } from 'node:path';

import { type LoadMode, loadModes, type VerifyMode, verifyModes } from '../../server/options.ts';
import { getopt } from '../getopt.ts';
import { helpText } from '../help.ts';
import { versionLine } from '../version-line.ts';
import type { CheckForm } from './check.ts';
import { type LimitOptions, readLimits } from './limits.ts';
import { type LogKind, logKinds } from './log-sink.ts';
import { defaultLogRate, kpropdOptions } from './options.ts';
import { ownCommand, type UnitKind } from './unit.ts';

export const program = 'kpropd';

const usage = `
Usage: ${program} [-r realm] [-s keytab] [-d] [-D] [-S]
\t[-f replica_file] [-F kerberos_db_file ]
\t[-p kdb5_util_pathname] [-x db_args]* [-P port]
\t[-a acl_file] [-A admin_server] [--pid-file=pid_file]
`;

/** What kpropd's command line asks for. */
export interface Arguments {
  readonly realm: string | undefined;
  readonly keytab: string | undefined;
  readonly debug: boolean;
  readonly foreground: boolean;
  readonly once: boolean;
  readonly file: string | undefined;
  readonly database: string | undefined;
  readonly kdb5Util: string | undefined;
  readonly port: string | undefined;
  readonly acl: string | undefined;
  readonly pidFile: string | undefined;
  /** Whom to poll for updates. */
  readonly adminServer: string | undefined;
  /** Arguments of the database module, for updates only. */
  readonly databaseArguments: readonly string[];
  readonly load: LoadMode | undefined;
  readonly verify: VerifyMode | undefined;
  readonly anyMasterKey: boolean;
  readonly requireEnctype: string | undefined;
  readonly limits: LimitOptions;
  /** Lines a second about each kind of event that strangers can cause; 0 means no limit. */
  readonly logRate: number;
  readonly log: LogKind;
  /** The user that kpropd becomes once the port is bound. */
  readonly user: string | undefined;
  /** Whether this host is only to be checked, and how that is printed. */
  readonly check: CheckForm | undefined;
  /** The unit that is to be printed. */
  readonly unit: UnitKind | undefined;
  /** What starts this program again with these options. */
  readonly command: readonly string[];
}

/** What the command line asks for, or the exit status if there is nothing left to do. */
export function readArguments(args: readonly string[]): Arguments | number {
  const line = getopt(args, kpropdOptions);
  const value = (name: string) => line.options.findLast((option) => option.name === name)?.value;
  const has = (name: string) => line.options.some((option) => option.name === name);
  if (has('help')) {
    process.stdout.write(helpText(usage, kpropdOptions));
    return 0;
  }
  if (has('version')) {
    process.stdout.write(versionLine(program));
    return 0;
  }
  if (line.complaints.length > 0 || line.operands.length > 0) {
    const complaint = line.complaints[0];
    if (complaint !== undefined) process.stderr.write(`${program}: ${complaint}\n`);
    process.stderr.write(usage);
    return 1;
  }
  const load = loadModes.find((mode) => mode === value('load'));
  const verify = verifyModes.find((mode) => mode === value('verify'));
  const log = logKinds.find((kind) => kind === value('log'));
  for (const [name, chosen, all] of [
    ['load', load, loadModes],
    ['verify', verify, verifyModes],
    ['log', log, logKinds],
  ] as const) {
    if (!has(name) || chosen !== undefined) continue;
    const choices = all.join(', ');
    process.stderr.write(
      `${program}: --${name} takes one of ${choices}, not '${value(name)}'\n${usage}`,
    );
    return 1;
  }
  const limits = readLimits(line.options);
  if (typeof limits === 'string') {
    process.stderr.write(`${program}: ${limits}\n${usage}`);
    return 1;
  }
  const logRate = Number(value('log-rate') ?? defaultLogRate);
  if (!/^\d+$/.test(value('log-rate') ?? '0')) {
    process.stderr.write(`${program}: --log-rate takes a whole number of lines a second\n${usage}`);
    return 1;
  }
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(path));
  return {
    realm: value('r'),
    debug: has('d'),
    foreground: has('D'),
    once: has('t'),
    // Relative paths are resolved here, because a daemon changes to "/".
    keytab: absoluteKeytab(value('s') ?? process.env.KRB5_KTNAME),
    file: absolute(value('f')),
    database: value('F'),
    kdb5Util: absolute(value('p')),
    port: value('P'),
    acl: absolute(value('a')),
    pidFile: absolute(value('pid-file')),
    adminServer: value('A'),
    databaseArguments: line.options.flatMap(({ name, value: text }) =>
      name === 'x' && text !== undefined ? [text] : [],
    ),
    load,
    verify,
    anyMasterKey: has('any-master-key'),
    requireEnctype: value('require-enctype'),
    limits,
    logRate,
    log: log ?? 'syslog',
    user: value('user'),
    check: !has('check') ? undefined : has('json') ? 'json' : 'text',
    unit: has('print-unit') ? unitKind(has('socket'), has('inetd')) : undefined,
    command: ownCommand(line, kpropdOptions),
  };
}

function unitKind(socket: boolean, inetd: boolean): UnitKind {
  if (inetd) return socket ? 'inetd socket' : 'inetd service';
  return socket ? 'socket' : 'service';
}

/** The name of a keytab with its path made absolute. */
function absoluteKeytab(name: string | undefined): string | undefined {
  if (name?.startsWith('FILE:')) return `FILE:${resolve(name.slice('FILE:'.length))}`;
  return name && !name.includes(':') ? resolve(name) : name;
}
