#!/usr/bin/env node
import './ignore-sigusr1.ts';

import { setTimeout as sleep } from 'node:timers/promises';

import { configFilesOf, loadKrb5Config } from '../host/config-files.ts';
import { readDefaultPaths } from '../host/default-paths.ts';
import { headerMagic, type LogHeader, logStates } from '../kdb/ulog/layout.ts';
import { type LogEntry, LogFile } from '../kdb/ulog/log-file.ts';
import { UpdateLog } from '../kdb/ulog/update-log.ts';
import { systemAmbient } from '../protocol/ambient.ts';
import { ByteReader } from '../protocol/bytes.ts';
import { type Update, update as updateCodec } from '../protocol/iprop/updates.ts';
import { getopt } from './getopt.ts';
import { helpText } from './help.ts';
import { entryJson, headerJson } from './kproplog/entry-json.ts';
import { entryHead, headerText, updateText, type Verbosity } from './kproplog/entry-text.ts';
import { kproplogOptions } from './kproplog/options.ts';
import { nameProcess } from './process-name.ts';
import { versionLine } from './version-line.ts';

const program = 'kproplog';
const usage = `\nUsage: ${program} [-h] [-v] [-v] [-e num]\n\t${program} -R\n\n`;
interface Arguments {
  readonly headerOnly: boolean;
  readonly reset: boolean;
  readonly json: boolean;
  readonly follow: boolean;
  readonly verbosity: Verbosity;
  /** How many of the last entries; 0 means all. */
  readonly count: number;
}

/** Its message goes to one of the two streams, as MIT's kproplog has it. */
class Failure extends Error {
  readonly to: 'stdout' | 'stderr';

  constructor(text: string, to: 'stdout' | 'stderr' = 'stderr') {
    super(text);
    this.to = to;
  }
}

process.exitCode = 1;
main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});

async function main(args: readonly string[]): Promise<number> {
  nameProcess('kproplog', args);
  // Output that nobody reads any more, as with head(1).
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(1));
  const given = readArguments(args);
  if (typeof given === 'number') return given;
  try {
    const log = locate();
    if (given.reset) await reset(log);
    else await show(log, given);
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process[error.to].write(`${error.message}\n\n`);
    return 1;
  }
}

function readArguments(args: readonly string[]): Arguments | number {
  const line = getopt(args, kproplogOptions);
  const count = (name: string) => line.options.filter((option) => option.name === name).length;
  if (count('help') > 0) {
    process.stdout.write(helpText(usage, kproplogOptions));
    return 0;
  }
  if (count('version') > 0) {
    process.stdout.write(versionLine(program));
    return 0;
  }
  const [complaint] = line.complaints;
  if (complaint !== undefined) {
    process.stderr.write(`${program}: ${complaint}\n${usage}`);
    return 1;
  }
  const last = line.options.findLast(({ name }) => name === 'e')?.value ?? '';
  const verbose = count('v');
  return {
    headerOnly: count('h') > 0,
    reset: count('R') > 0,
    json: count('json') > 0,
    follow: count('follow') > 0,
    verbosity: verbose === 0 ? 'none' : verbose === 1 ? 'names' : 'values',
    // As atoi(3) reads it, into an unsigned number.
    count: Math.max(0, Number.parseInt(last, 10) || 0),
  };
}

interface Place {
  readonly path: string;
  readonly slots: number;
}

function locate(): Place {
  const { env } = process;
  try {
    const paths = readDefaultPaths();
    const config = loadKrb5Config(configFilesOf(env, paths));
    return config.updateLog(config.defaultRealm, paths.database);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : `${cause}`;
    process.stderr.write(`cause: ${reason}\n`);
    throw new Failure("Couldn't read database_name");
  }
}

async function reset({ path, slots }: Place): Promise<void> {
  process.stdout.write(title(path));
  try {
    const log = await UpdateLog.open(path, slots);
    try {
      const { magic } = await log.header();
      if (magic !== 0 && magic !== headerMagic) throw new Error('not a log');
      await log.reset(systemAmbient().nowMicros());
    } finally {
      await log.close();
    }
  } catch {
    throw new Failure(`Unable to map log file ${path}`);
  }
  process.stdout.write('Reinitialized the ulog.\n');
}

function title(path: string): string {
  return `\nKerberos update log (${path})\n`;
}

async function show({ path, slots }: Place, given: Arguments): Promise<void> {
  if (!given.json) process.stdout.write(title(path));
  const log = open(path, slots);
  try {
    const header = log.header();
    if (header === undefined) throw new Failure(`Unable to map log file ${path}`);
    if (header.magic !== headerMagic) throw new Failure('Corrupt header log, exiting');
    if (given.json) writeJson(headerJson(path, header));
    else process.stdout.write(headerText(header), 'latin1');
    if (!given.headerOnly && header.entries > 0)
      showEntries(log, header, startOf(header, given), given);
    if (given.follow) await follow(log, header, given);
    if (!given.json) process.stdout.write('\n');
  } finally {
    log.close();
  }
}

function open(path: string, slots: number): LogFile {
  try {
    return new LogFile(path, slots);
  } catch {
    throw new Failure(`Unable to map log file ${path}`);
  }
}

/** The index of the first entry to show. */
function startOf({ first, last, entries }: LogHeader, { count }: Arguments): number {
  return count > 0 && count < entries ? last.serial - count : first.serial - 1;
}

function showEntries(log: LogFile, header: LogHeader, from: number, given: Arguments): void {
  for (let index = from; index < header.last.serial; index += 1) {
    const entry = log.entry(index, header);
    if (entry === undefined) throw new Failure('Corrupt update entry');
    if (!given.json) process.stdout.write(entryHead(entry));
    if (entry.bytes === 0) {
      if (given.json) writeJson(entryJson(entry, undefined));
      else process.stdout.write('\tDummy entry\n');
      continue;
    }
    const update = decoded(entry);
    if (given.json) writeJson(entryJson(entry, update));
    else process.stdout.write(updateText(entry, update, given.verbosity), 'latin1');
  }
}

function decoded({ data }: LogEntry): Update {
  try {
    // What follows the update in its slot is of no interest.
    return updateCodec.read(new ByteReader(data, 'update'), 'update');
  } catch {
    throw new Failure('Entry data decode failure', 'stdout');
  }
}

/** Shows what is added, until it is interrupted. A writer changes the header last. */
async function follow(log: LogFile, since: LogHeader, given: Arguments): Promise<void> {
  let shown = since;
  for (;;) {
    await sleep(followMillis);
    const header = log.header();
    if (header === undefined || header.magic !== headerMagic || header.state !== logStates.stable)
      continue;
    const { last } = header;
    if (last.serial === shown.last.serial && last.micros === shown.last.micros) continue;
    const isNext = last.serial > shown.last.serial && header.first.serial <= shown.last.serial + 1;
    if (!isNext) process.stderr.write(`${program}: the log was begun anew\n`);
    const from = isNext ? shown.last.serial : Math.max(header.first.serial - 1, 0);
    showEntries(log, header, from, given);
    shown = header;
  }
}

function writeJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const followMillis = 500;
