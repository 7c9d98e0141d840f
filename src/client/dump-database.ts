import { randomBytes } from 'node:crypto';
import { constants, copyFile, type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

import { errnoOf, errnoText } from '../errors/com-err.ts';
import { inPhase, KpropError } from '../errors/kprop-error.ts';
import { loadKrb5Config } from '../host/config-files.ts';
import { syncFolder } from '../host/durable.ts';
import { lockFileAsync } from '../host/libc.ts';
import { LeafReader } from '../kdb/db2/leaf-reader.ts';
import { withDb2Lock } from '../kdb/db2/lock.ts';
import { Db2Damage, NotABtree } from '../kdb/db2/page-window.ts';
import { RecordText } from '../kdb/db2/record-text.ts';
import { type DumpFormat, type DumpVersion, dumpVersion } from '../kdb/dump/dump-version.ts';
import { LineWriter } from '../kdb/dump/line-writer.ts';
import { UpdateLog } from '../kdb/ulog/update-log.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';

export interface DumpDatabaseOptions {
  /** Where the dump goes; beside it, `.dump_ok` says that it is complete. */
  readonly file: string;
  readonly realm?: string | undefined;
  /** krb5.conf and kdc.conf; only /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /** The path of the db2 database; the configured one unless given. */
  readonly database?: string | undefined;
  /** What kdb5_util was told to write: `current` unless given; `resync` is `-i`. */
  readonly format?: DumpFormat | undefined;
  readonly onProgress?: ((soFar: DumpProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DumpProgress {
  /** Principals and policies. */
  readonly records: number;
  readonly bytes: number;
}

export interface DumpReport extends DumpProgress {
  /** How long nobody could write to the database. */
  readonly lockedMillis: number;
}

/**
 * Writes a dump of a db2 database: byte for byte what `kdb5_util dump` would have written at the
 * moment of the call. The database is locked (shared, as kdb5_util does) only while its files are
 * copied; the dump is made from the copy. Until it is complete and on the disk, the dump from
 * before stays in its place.
 * @throws dump.not-native if the database is another one than a btree of db2: kdb5_util can dump it;
 * dump.database, dump.write, config.*, the signal's reason @see krb5 src/kadmin/dbutil/dump.c
 */
export async function dumpDatabase(o: DumpDatabaseOptions): Promise<DumpReport> {
  const config = o.config ?? loadKrb5Config({});
  const realm = o.realm ?? config.defaultRealm;
  const library = config.dbLibrary(realm);
  if (library !== 'db2') throw notNative(`the realm's database library is ${library}`);
  const database = o.database ?? config.databasePath(realm);
  if (database === undefined) {
    throw notNative('the place of the database is not known: set database_name in kdc.conf');
  }
  const { file, format = 'current', signal } = o;
  const okPath = `${file}.dump_ok`;
  const mark = await inPhase('dump', undefined, () => openToWrite(okPath, constants.O_CREAT));
  try {
    // Two dumps to one file follow each other, as with kdb5_util.
    await lockFileAsync(mark.fd, 'exclusive', signal && { signal });
    // Before the database is read: an update in between is in the dump, and is sent once more later.
    const log = format === 'resync' ? await lastUpdate(config, realm, database) : undefined;
    const copy = await copyOf(database, dirname(file));
    try {
      const temporary = `${file}-${randomBytes(3).toString('hex')}`;
      const progress = await writeDump(temporary, copy, dumpVersion(format, log), o);
      await writing(file, () => rename(temporary, file));
      await writing(okPath, async () => {
        await mark.truncate(1);
        await mark.write(new Uint8Array(1), 0, 1, 0);
        await mark.sync();
        await syncFolder(dirname(file));
      });
      return { ...progress, lockedMillis: copy.lockedMillis };
    } finally {
      await copy.principals.close();
      await copy.policies.close();
    }
  } finally {
    await mark.close();
  }
}

/** Both files of a database, of one moment, without names. */
interface Copy {
  readonly principals: FileHandle;
  readonly policies: FileHandle;
  readonly lockedMillis: number;
}

/** @param otherFolder where the copy goes if there is no room beside the database */
async function copyOf(database: string, otherFolder: string): Promise<Copy> {
  const copies: FileHandle[] = [];
  let lockedMillis = 0;
  const lock = { kind: 'shared', patienceMillis: lockMillis } as const;
  const copy = async () => {
    const begun = performance.now();
    for (const path of [database, `${database}.kadm5`]) {
      copies.push(
        await copyOfFile(path, dirname(database)).catch((error: unknown) => {
          if (!noPlace.includes(errnoOf(error))) throw error;
          return copyOfFile(path, otherFolder).catch((other: unknown) => {
            const errno = errnoOf(other);
            if (errno !== 'ENOSPC' && errno !== 'EDQUOT') throw other;
            // It is the copy that fails, not the database.
            const place = { path: `${otherFolder}/${basename(path)}`, errno };
            throw new KpropError('dump.write', place, { cause: other, phase: 'dump' });
          });
        }),
      );
    }
    lockedMillis = performance.now() - begun;
  };
  try {
    let locked = false;
    await withDb2Lock(`${database}.ok`, lock, async () => {
      locked = await withDb2Lock(`${database}.kadm5.lock`, lock, copy);
    });
    if (!locked) throw unreadable(database, 'another program keeps it locked');
  } catch (error) {
    for (const file of copies) await file.close();
    if (error instanceof KpropError) throw error;
    throw unreadable(database, errnoText(errnoOf(error)), error);
  }
  const [principals, policies] = copies as [FileHandle, FileHandle];
  return { principals, policies, lockedMillis };
}

async function copyOfFile(path: string, folder: string): Promise<FileHandle> {
  const target = `${folder}/.kprop-copy-${randomBytes(6).toString('hex')}`;
  try {
    // Shares the blocks where the file system can.
    await copyFile(path, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return await open(target, 'r');
  } finally {
    // Nobody else sees it, and nothing is left of it after a crash.
    await unlink(target).catch(() => undefined);
  }
}

async function writeDump(
  path: string,
  copy: Copy,
  version: DumpVersion,
  o: DumpDatabaseOptions,
): Promise<DumpProgress> {
  const file = await inPhase('dump', undefined, () =>
    openToWrite(path, constants.O_CREAT | constants.O_EXCL),
  );
  try {
    const progress = await writeRecords(file, copy, version, o);
    await writing(path, () => file.sync());
    return progress;
  } catch (error) {
    await unlink(path).catch(() => undefined);
    if (error instanceof NotABtree) throw notNative(error.message);
    if (error instanceof Db2Damage) throw unreadable(o.file, error.message, error);
    throw error;
  } finally {
    await file.close();
  }
}

async function writeRecords(
  file: FileHandle,
  copy: Copy,
  version: DumpVersion,
  { onProgress, signal, file: path }: DumpDatabaseOptions,
): Promise<DumpProgress> {
  let [out, other] = [new LineWriter(), new LineWriter()];
  let written = Promise.resolve();
  const soFar = { records: 0, bytes: 0 };
  /** While one batch is written, the next is made. */
  const flush = async () => {
    await written;
    signal?.throwIfAborted();
    const batch = out.bytes.subarray(0, out.length);
    const position = soFar.bytes;
    soFar.bytes += batch.length;
    written = writing(path, () => writeAll(file, batch, position));
    written.catch(() => undefined);
    [out, other] = [other, out];
    out.length = 0;
    onProgress?.({ ...soFar });
  };
  const header = Buffer.from(version.header, 'latin1');
  out.copy(header, 0, header.length);
  const scratch = new Scratch();
  for (const kind of ['principal', 'policy'] as const) {
    const reader = new LeafReader(copy[kind === 'principal' ? 'principals' : 'policies'].fd);
    let [text, otherText] = [new RecordText(out, version), new RecordText(other, version)];
    while (reader.next()) {
      if (out.length >= batchBytes) {
        await flush();
        [text, otherText] = [otherText, text];
      }
      const { bytes, start } = scratch.dataOf(reader);
      text[kind](bytes, start, start + reader.dataBytes);
      soFar.records += 1;
    }
  }
  await flush();
  await written;
  signal?.throwIfAborted();
  return soFar;
}

/** The data of a record where they lie, or together in one piece if they are in several pages. */
class Scratch {
  #bytes = new Uint8Array(64 << 10);

  dataOf(reader: LeafReader): { readonly bytes: Uint8Array; readonly start: number } {
    if (!reader.isBig) return { bytes: reader.bytes, start: reader.keyAt + reader.keyBytes };
    if (reader.dataBytes > this.#bytes.length) this.#bytes = new Uint8Array(2 * reader.dataBytes);
    reader.copyData(this.#bytes, 0);
    return { bytes: this.#bytes, start: 0 };
  }
}

async function lastUpdate(config: Krb5Config, realm: string, database: string) {
  if (!config.ipropEnable(realm)) throw notNative('iprop_enable is not set for a resync dump');
  const { path, slots } = config.updateLog(realm, database);
  const log = await UpdateLog.open(path, slots).catch((cause: unknown) => {
    throw unreadable(path, errnoText(errnoOf(cause)), cause);
  });
  try {
    return await log.last();
  } finally {
    await log.close();
  }
}

async function openToWrite(path: string, flags: number): Promise<FileHandle> {
  return writing(path, async () => {
    const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | flags, 0o600);
    // The umask may have removed even the owner's permission.
    await file.chmod(0o600);
    return file;
  });
}

async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  return work().catch((cause: unknown) => {
    throw new KpropError('dump.write', { path, errno: errnoOf(cause) }, { cause });
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.length - done;
    done += (await file.write(bytes, done, rest, position + done)).bytesWritten;
  }
}

function notNative(reason: string): KpropError {
  return new KpropError('dump.not-native', { reason }, { phase: 'dump' });
}

function unreadable(path: string, reason: string, cause?: unknown): KpropError {
  return new KpropError('dump.database', { path, reason }, { cause, phase: 'dump' });
}

const batchBytes = 1 << 20;
/** No write of a KDC and no load holds the database for longer than this. */
const lockMillis = 60_000;
/** No room, or no right to make a file, beside the database. */
const noPlace = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'];
