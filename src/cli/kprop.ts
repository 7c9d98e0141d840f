#!/usr/bin/env node
import './ignore-sigusr1.ts';

import { type PropagateEvent, propagate } from '../client/propagate.ts';
import type { Notice } from '../errors/advice.ts';
import { errnoOf, errnoText } from '../errors/com-err.ts';
import { inInitialization, inPhase, KpropError } from '../errors/kprop-error.ts';
import { configFilesOf, loadKrb5Config } from '../host/config-files.ts';
import { readDefaultPaths } from '../host/default-paths.ts';
import { exposureNotice, keytabPath } from '../host/exposed-files.ts';
import { keepFreedMemory } from '../host/memory.ts';
import { writeOwnFile } from '../host/own-file.ts';
import { parseKeytabName } from '../protocol/krb5/formats/keytab.ts';
import type { CredentialSource } from '../ticket/credentials.ts';
import { getopt } from './getopt.ts';
import { helpText } from './help.ts';
import { makeDump } from './kprop/make-dump.ts';
import { kpropOptions } from './kprop/options.ts';
import { nameProcess } from './process-name.ts';
import { asLine, mitLines, noticeLines, senderAdviceLines, wrapped } from './report.ts';
import { versionLine } from './version-line.ts';

const program = 'kprop';
const usage = `\nUsage: ${program} [-r realm] [-f file] [-d] [-P port] [-s keytab] replica_host\n\n`;

interface Arguments {
  readonly host: string;
  readonly realm: string | undefined;
  readonly file: string | undefined;
  readonly debug: boolean;
  /** Make the dump first. */
  readonly fromDatabase: boolean;
  readonly port: string | undefined;
  readonly expect: string | undefined;
  readonly limits: Limits;
  /** The value of -s; `credential` also considers KRB5_KTNAME. */
  readonly keytab: string | undefined;
  readonly credential: CredentialSource;
}

interface Limits {
  readonly connectMillis: number | undefined;
  readonly confirmMillis: number | undefined;
  /** For all of it; 0 or undefined: no limit. */
  readonly totalMillis: number | undefined;
}

// Until main() ends: if the event loop runs dry before that, it must not look like success.
process.exitCode = 1;
main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});

async function main(args: readonly string[]): Promise<number> {
  nameProcess('kprop', args);
  const { env } = process;
  // Output that nobody reads, or a full disk under a log, must not stop a propagation half-way.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const given = readArguments(args, env);
  if (typeof given === 'number') return given;
  const stop = stopOnSignals();
  const signal = withTimeLimit(stop, given.limits);
  let dump: string;
  try {
    const { config, paths } = await inInitialization(() => readConfiguration(given, env));
    dump = given.file ?? paths.dump;
    const { keytab } = given;
    if (keytab !== undefined) {
      // MIT's kprop checks the name here, and opens the keytab only when it needs the key.
      await inPhase('credentials', 'while resolving keytab', () => parseKeytabName(keytab));
    }
    const { credential } = given;
    if (credential.kind === 'keytab') warnOfExposure(keytabPath(credential.name, config));
    keepFreedMemory();
    if (given.fromDatabase) {
      await makeDump({
        ...{ config, paths, signal, environment: env },
        file: dump,
        realm: given.realm ?? config.defaultRealm,
        onNotice: (text) => say(noticeLines('note', { text })),
      });
    }
    await propagate({
      host: given.host,
      port: given.port,
      dump,
      realm: given.realm,
      config,
      credential: given.credential,
      expect: given.expect,
      limits: given.limits,
      signal,
      onEvent: (event) => progress(event, given.debug),
    });
  } catch (error) {
    if (stop.aborted) {
      // Our parent sees which signal ended us.
      process.kill(process.pid, stop.reason);
      return 1;
    }
    const lines = mitLines(program, error);
    process.stderr.write(`${lines.join('\n')}\n`);
    say(senderAdviceLines(error, lines));
    return 1;
  }
  recordSuccess(dump, given.host);
  process.stdout.write(`Database propagation to ${given.host}: SUCCEEDED\n`);
  return 0;
}

/**
 * Aborted by the first signal of each kind, with its name as the reason, so that the propagation ends
 * in good order and private files are removed. A second one ends the program at once.
 */
function stopOnSignals(): AbortSignal {
  const control = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => control.abort(name));
  }
  return control.signal;
}

/** Aborted with the signal, or when the time for the whole propagation is over. */
function withTimeLimit(stop: AbortSignal, { totalMillis = 0 }: Limits): AbortSignal {
  if (totalMillis === 0) return stop;
  const control = new AbortController();
  const timer = setTimeout(() => {
    const seconds = totalMillis / 1000;
    const reason = `the propagation did not end within ${seconds} s (--timeout)`;
    const error = new KpropError('caller.timeout', { reason });
    const remedy = `if it only needs longer, run kprop with \`--timeout ${4 * seconds}\``;
    control.abort(error.advise({ why: reason, remedy }));
  }, totalMillis);
  timer.unref();
  return AbortSignal.any([stop, control.signal]);
}

/** Warns of a keytab that others can read: with it they can act as this host. */
function warnOfExposure(path: string): void {
  const notice = exposureNotice({ kind: 'keytab', path });
  if (notice !== undefined) warn(notice);
}

function warn(notice: Notice): void {
  say(noticeLines('warning', notice));
}

/** Our own lines, as wide as the terminal; MIT's are never broken, for scripts look for them. */
function say(lines: readonly string[]): void {
  const { stderr } = process;
  const rows = wrapped(lines, stderr.isTTY ? stderr.columns : undefined);
  stderr.write(rows.map((row) => `${row}\n`).join(''));
}

function readConfiguration({ fromDatabase }: Arguments, env: NodeJS.ProcessEnv) {
  const paths = readDefaultPaths();
  const files = configFilesOf(env, paths);
  // Only who reads the database needs to know where it is.
  const { krb5ConfFiles } = files;
  return { paths, config: loadKrb5Config(fromDatabase ? files : { krb5ConfFiles }) };
}

/** What the command line asks for, or the exit status if there is nothing left to do. */
function readArguments(args: readonly string[], env: NodeJS.ProcessEnv): Arguments | number {
  const line = getopt(args, kpropOptions);
  const value = (name: string) => line.options.findLast((option) => option.name === name)?.value;
  const has = (name: string) => line.options.some((option) => option.name === name);
  if (has('help')) {
    process.stdout.write(helpText(usage, kpropOptions));
    return 0;
  }
  if (has('version')) {
    process.stdout.write(versionLine(program));
    return 0;
  }
  const [host] = line.operands;
  if (line.complaints.length > 0 || host === undefined || line.operands.length !== 1) {
    // To MIT's kprop, which has no long options, the second dash is a letter like any other.
    const complaint = line.complaints[0]?.replace(
      /^unrecognized option .*/s,
      "invalid option -- '-'",
    );
    if (complaint !== undefined) process.stderr.write(`${program}: ${complaint}\n`);
    process.stderr.write(usage);
    if (complaint === undefined) say(operandAdvice(line.operands));
    return 1;
  }
  const times = ['connect-timeout', 'confirm-timeout', 'timeout'] as const;
  const wrong = times.find((name) => !/^\d{1,6}$/.test(value(name) ?? '0'));
  if (wrong !== undefined) {
    process.stderr.write(
      `${program}: --${wrong} takes a whole number of seconds, not '${value(wrong)}'\n${usage}`,
    );
    return 1;
  }
  const [connectMillis, confirmMillis, totalMillis] = times.map((name) => {
    const seconds = value(name);
    return seconds === undefined ? undefined : Number(seconds) * 1000;
  });
  const keytab = value('s') ?? env.KRB5_KTNAME;
  const ccache = value('ccache');
  return {
    host,
    // To MIT's library an empty realm is the default one.
    realm: value('r') || undefined,
    file: value('f'),
    debug: has('d'),
    fromDatabase: has('from-database'),
    port: value('P'),
    expect: value('expect'),
    limits: { connectMillis, confirmMillis, totalMillis },
    keytab: value('s'),
    credential:
      ccache !== undefined
        ? { kind: 'ccache', name: ccache }
        : has('gss')
          ? { kind: 'gss', keytab, environment: env }
          : { kind: 'keytab', name: keytab },
  };
}

/** What is wrong with the operands: MIT's usage does not say. */
function operandAdvice(operands: readonly string[]): readonly string[] {
  const [first, ...others] = operands;
  if (first === undefined) {
    return ['cause: replica_host is missing', 'fix: end the command with the name of the replica'];
  }
  return [
    `cause: there are ${operands.length} operands where one replica_host belongs: ${operands.join(' ')}`,
    `fix: run kprop once for each replica, and put options before it (${others.join(' ')} came too late)`,
  ].map((line) => asLine(line));
}

function progress(event: PropagateEvent, debug: boolean): void {
  if (debug && event.kind === 'progress') process.stdout.write(`${event.bytes} bytes sent.\n`);
  if (event.kind === 'warning') warn(event);
}

/**
 * Writes the file whose time tells when the last propagation succeeded. If that fails, kprop says so,
 * but the propagation has succeeded all the same.
 */
function recordSuccess(dump: string, host: string): void {
  const path = `${dump}.${host}.last_prop`;
  try {
    writeOwnFile(path, '\0', 0o600);
  } catch (error) {
    const text = errnoText(errnoOf(error));
    process.stderr.write(`${program}: ${text} while creating 'last_prop' file, '${path}'\n`);
  }
}
