import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';

import { type DumpSummary, dumpDatabase, inspectDump, isKpropError, type Krb5Config } from 'kprop';

import type { Settings } from '../config/settings.ts';
import type { ErrorNote, State } from '../state/state.ts';
import { type DumpReport, note } from './report.ts';

export interface MakeDumpOptions {
  readonly settings: Settings;
  readonly krb5: Krb5Config;
  readonly state: State;
  readonly environment: NodeJS.ProcessEnv;
  readonly force: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (records: number) => void;
}

/**
 * Dumps the database beside the last good dump, looks at the new one, and lets it take the place of the
 * old one if it is good. One that is refused is kept aside, as DUMP.refused.
 * @throws dump.*, config.*, Error with kdb5_util's words
 */
export async function makeDump(o: MakeDumpOptions): Promise<DumpReport> {
  const { settings, state } = o;
  const started = performance.now();
  const candidate = `${settings.dump}.candidate`;
  await sweep(candidate);
  await write(candidate, o);
  const summary = await inspectDump(candidate, {
    without: settings.proof === undefined ? [] : [settings.proof],
    masterKey: o.krb5.masterKeyName(settings.realm),
    signal: o.signal,
  });
  const refused = o.force ? undefined : faultOf(summary, o);
  const path = refused === undefined ? settings.dump : `${settings.dump}.refused`;
  // The new dump is younger than the mark of the old one, which says nothing about it therefore.
  await rename(candidate, path);
  if (refused === undefined) await rename(`${candidate}.dump_ok`, `${path}.dump_ok`);
  else await unlink(`${candidate}.dump_ok`);
  const { principals, bytes, digest } = summary;
  if (refused === undefined) await keep(settings);
  return {
    ...{ path, principals, bytes, digest },
    millis: Math.round(performance.now() - started),
    grown: state.dump === undefined ? null : principals - state.dump.principals,
    unchanged: state.dump?.digest === digest,
    refused: refused ?? null,
  };
}

/** What a run left behind that was killed; this one holds the lock of runs. */
async function sweep(candidate: string): Promise<void> {
  const folder = dirname(candidate);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (name.startsWith(basename(candidate))) await rm(join(folder, name), { force: true });
  }
}

async function write(file: string, o: MakeDumpOptions): Promise<void> {
  const { settings, krb5, signal, environment } = o;
  const { realm } = settings;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await dumpDatabase({
      ...{ file, realm, config: krb5, signal },
      onProgress: ({ records }) => o.onProgress(records),
    });
  } catch (error) {
    // Another library than db2, or a database that kdb5_util knows better.
    if (!isKpropError(error, 'dump.not-native')) throw error;
    await promisify(execFile)(settings.kdb5Util, ['-r', realm, 'dump', file], {
      env: environment,
      signal,
    });
  }
}

/** Why a dump must not be sent. */
function faultOf(dump: DumpSummary, { settings, state }: MakeDumpOptions): ErrorNote | undefined {
  if (!dump.complete || !/^kdb5_util load_dump version \d+$/.test(dump.header)) {
    return note(
      'torn',
      'the dump is not whole',
      'look for a full or failing disk, and run it again',
    );
  }
  if (dump.masterKvno === undefined) {
    return note(
      'no-master-key',
      'the dump has no entry of the master key: no KDC could start with it',
      'look at this database with kadmin.local listprincs; restore it from a good dump before anything else',
    );
  }
  const before = state.dump?.principals;
  const least = (before ?? 0) * (1 - settings.maxShrink);
  if (before !== undefined && dump.principals < least) {
    return note(
      'shrunk',
      `the dump has ${dump.principals} principals, and the last good one had ${before}`,
      'if that is right, send it with --force, or raise max_shrink; else restore the database of the primary',
    );
  }
  return undefined;
}

/** Keeps a compressed copy of a good dump, and removes what is too old. */
async function keep({ dump, keepDumps }: Settings): Promise<void> {
  if (keepDumps === 0) return;
  const stamp = new Date().toISOString().replace(/[-:]/g, '').replace(/\..*/, 'Z');
  const path = `${dump}.${stamp}.gz`;
  await pipeline(
    createReadStream(dump),
    createGzip({ level: 1 }),
    createWriteStream(path, { mode: 0o600 }),
  );
  await chmod(path, 0o600);
  const folder = dirname(dump);
  const kept = (await readdir(folder))
    .filter((name) => name.startsWith(`${basename(dump)}.`) && /\.\d{8}T\d{6}Z\.gz$/.test(name))
    .sort();
  for (const old of kept.slice(0, -keepDumps)) await rm(join(folder, old));
}
