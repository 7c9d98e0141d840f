import { constants, type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { syncFolder } from '../../host/durable.ts';
import { lockFile } from '../../host/libc.ts';
import type { ReceivedDump } from '../../protocol/kprop/dump.ts';

/** A dump on its way to `path`. Until `publish` the file there is the one from before. */
export interface Spool {
  readonly path: string;
  /** Where the bytes are until then. */
  readonly temporary: string;
  /** Writes all of the dump into the temporary file, and makes the disk keep it. @throws spool.* */
  fill(dump: ReceivedDump): Promise<void>;
  /** Who is told how many bytes of the dump, from its start, can be read back from that file. */
  watch(onWritten: (bytes: number) => void): void;
  /** Puts the temporary file in the place of the last good one. @throws spool.write */
  publish(): Promise<void>;
  /** Gives up the lock, and the temporary file if it was not published. */
  close(): Promise<void>;
}

/** What is collected before it goes to the disk, while more is decrypted meanwhile. */
const batchBytes = 1 << 20;
const othersMayWrite = 0o022;
/** How far the disk may lag behind. */
const syncBytes = 32 << 20;

/** The temporary files of one server, and those that are in use by its own connections. */
export class SpoolRoom {
  readonly #path: string;
  readonly #inUse = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * A spool of its own for one connection: `<path>.temp`, locked whole and exclusively as MIT's
   * kpropd locks it; beside one of this very process that is still being filled, `<path>.temp.2`
   * and so on, for a slow sender must not hold up another.
   * @throws spool.busy if another process has it, spool.write
   */
  async open(): Promise<Spool> {
    let number = 1;
    const nameOf = () => `${this.#path}.temp${number === 1 ? '' : `.${number}`}`;
    while (this.#inUse.has(nameOf())) number += 1;
    const temporary = nameOf();
    this.#inUse.add(temporary);
    try {
      const file = await lockedFile(temporary);
      return new TemporarySpool(this.#path, temporary, file, () => this.#inUse.delete(temporary));
    } catch (error) {
      this.#inUse.delete(temporary);
      throw error;
    }
  }

  /** What should be different about the folder; undefined: nothing. */
  async complaint(): Promise<string | undefined> {
    const folder = dirname(this.#path);
    const mode = (await stat(folder).catch(() => undefined))?.mode ?? 0;
    if ((mode & othersMayWrite) === 0) return undefined;
    const digits = (mode & 0o7777).toString(8);
    return `others may write to the folder ${folder}, where received dumps are put (mode ${digits}): chmod go-w ${folder}`;
  }

  /** Removes temporary files that nobody has locked: a kpropd that was killed left them. */
  async sweep(): Promise<void> {
    const folder = dirname(this.#path);
    const first = `${basename(this.#path)}.temp`;
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name);
      const ours = name.startsWith(first) && /^(\.\d+)?$/.test(name.slice(first.length));
      if (!ours || this.#inUse.has(path)) continue;
      // A connection that comes meanwhile takes another name, and does not meet our lock.
      this.#inUse.add(path);
      // What cannot be removed is no reason not to serve.
      await removeUnlocked(path).catch(() => undefined);
      this.#inUse.delete(path);
    }
  }
}

class TemporarySpool implements Spool {
  readonly path: string;
  readonly temporary: string;
  readonly #file: FileHandle;
  readonly #release: () => void;
  #published = false;
  #onWritten: ((bytes: number) => void) | undefined;

  constructor(path: string, temporary: string, file: FileHandle, release: () => void) {
    this.path = path;
    this.temporary = temporary;
    this.#file = file;
    this.#release = release;
  }

  async fill(dump: ReceivedDump): Promise<void> {
    let written = 0;
    // One write is under way while the next batch is received and decrypted.
    let underWay: Promise<void> = Promise.resolve();
    let batch: Uint8Array[] = [];
    let collected = 0;
    // The disk is asked for what it has so far, now and then, so that the last wait is short.
    let synced = 0;
    let syncing: Promise<void> = Promise.resolve();
    const flush = async () => {
      await underWay;
      if (written - synced >= syncBytes) {
        synced = written;
        await syncing;
        syncing = this.#sync(written);
        syncing.catch(() => undefined);
      }
      const blocks = batch;
      const offset = written;
      written += collected;
      batch = [];
      collected = 0;
      underWay = this.#write(blocks, offset);
      // Awaited before the next one; until then its failure must not count as unhandled.
      underWay.catch(() => undefined);
    };
    try {
      for await (const blocks of dump.batches()) {
        for (const block of blocks) {
          batch.push(block);
          collected += block.length;
        }
        if (collected >= batchBytes) await flush();
      }
      await flush();
    } finally {
      await underWay;
    }
    await syncing;
    await this.#sync(written);
  }

  watch(onWritten: (bytes: number) => void): void {
    this.#onWritten = onWritten;
  }

  async publish(): Promise<void> {
    // The kernel frees a large file when its last holder lets go of it, which takes 0.1 s for 340 MB:
    // here that is not the rename, for which the sender waits, but a close that nobody waits for.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    const replaced = await open(this.path, flags).catch(() => undefined);
    try {
      await rename(this.temporary, this.path);
    } catch (cause) {
      throw this.#notPublished(cause, `while renaming ${this.temporary} to ${this.path}`);
    } finally {
      replaced?.close().catch(() => undefined);
    }
    this.#published = true;
    try {
      // Readers such as a kprop that cascades may share the file while it is loaded.
      lockFile(this.#file.fd, 'shared', { wait: true });
    } catch (cause) {
      throw this.#notPublished(cause, `while downgrading lock on '${this.path}'`);
    }
    await syncFolder(dirname(this.path)).catch((cause: unknown) => {
      throw this.#notPublished(cause, `while syncing the folder of '${this.path}'`);
    });
  }

  async close(): Promise<void> {
    if (!this.#published) await unlink(this.temporary).catch(() => undefined);
    await this.#file.close().catch(() => undefined);
    this.#release();
  }

  async #write(blocks: readonly Uint8Array[], offset: number): Promise<void> {
    let rest = blocks;
    let position = offset;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file
        .writev(rest as Uint8Array[], position)
        .catch((cause: unknown) => {
          throw this.#failure(cause, position);
        });
      position += bytesWritten;
      rest = without(rest, bytesWritten);
    }
    this.#onWritten?.(position);
  }

  async #sync(offset: number): Promise<void> {
    await this.#file.sync().catch((cause: unknown) => {
      throw this.#failure(cause, offset);
    });
  }

  #notPublished(cause: unknown, doing: string): KpropError {
    const detail = { path: this.path, errno: errnoOf(cause) };
    return new KpropError('spool.write', detail, { cause }).during('spool', doing);
  }

  #failure(cause: unknown, offset: number): KpropError {
    const detail = { path: this.temporary, errno: errnoOf(cause) };
    const doing = `while writing database block starting at offset ${offset}`;
    return new KpropError('spool.write', detail, { cause }).during('blocks', doing);
  }
}

/** Opens the temporary file, locks it, and only then empties it. */
async function lockedFile(path: string): Promise<FileHandle> {
  for (;;) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const file = await open(path, flags, 0o600).catch((cause: unknown) => {
      throw notOpened(path, cause);
    });
    try {
      if (!lockFile(file.fd, 'exclusive', { wait: false })) {
        throw new KpropError('spool.busy', { path }).during(
          'spool',
          `while trying to lock '${path}'`,
        );
      }
      // Between our open and our lock its holder may have renamed it into place, or removed it.
      if (await isStillAt(file, path)) {
        await requireOwn(file, path);
        await file.truncate(0);
        await file.chmod(0o600);
        return file;
      }
    } catch (error) {
      await file.close();
      throw error instanceof KpropError ? error : notOpened(path, error);
    }
    await file.close();
  }
}

/**
 * Refuses a file that somebody else put there: a dump holds every key of the realm, and one with
 * another owner or another name could be read by others, also later.
 */
async function requireOwn(file: FileHandle, path: string): Promise<void> {
  const stats = await file.stat();
  const { nlink, uid } = stats;
  const reason = !stats.isFile()
    ? 'is no regular file'
    : uid !== process.geteuid?.()
      ? 'belongs to another user'
      : nlink !== 1
        ? 'has other names (hard links)'
        : undefined;
  if (reason === undefined) return;
  throw new KpropError('spool.planted', { path, reason }).during(
    'spool',
    `while opening database file, '${path}'`,
  );
}

async function removeUnlocked(path: string): Promise<void> {
  // Not to wait for the other end of what may be a pipe.
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags);
  try {
    const free = (await file.stat()).isFile() && lockFile(file.fd, 'exclusive', { wait: false });
    if (free && (await isStillAt(file, path))) await unlink(path);
  } finally {
    await file.close();
  }
}

function notOpened(path: string, cause: unknown): KpropError {
  const doing = `while opening database file, '${path}'`;
  const detail = { path, errno: errnoOf(cause) };
  return new KpropError('spool.write', detail, { cause }).during('spool', doing);
}

async function isStillAt(file: FileHandle, path: string): Promise<boolean> {
  const [ours, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return ours.ino === there?.ino && ours.dev === there.dev;
}

/** The buffers less their first bytes. */
function without(buffers: readonly Uint8Array[], byteCount: number): readonly Uint8Array[] {
  let skipped = byteCount;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skipped >= buffer.length) skipped -= buffer.length;
    else {
      rest.push(buffer.subarray(skipped));
      skipped = 0;
    }
  }
  return rest;
}
