import { constants, type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { syncFolder } from '../../host/durable.ts';
import { folderExposureOf } from '../../host/exposed-files.ts';
import { lockFile } from '../../host/libc.ts';
import type { ReceivedDump } from '../../protocol/kprop/dump.ts';
import { openLocked, removeUnlocked } from './temporary-file.ts';

/** The file into which a dump is received. Until `publish`, `path` keeps the dump from before. */
export interface Spool {
  readonly path: string;
  /** Where the new dump is until then. */
  readonly temporary: string;
  /**
   * Writes all of the dump into the temporary file, and makes the disk keep it.
   * @throws spool.*, what receiving the dump throws, and the reason of `follower.failed`
   */
  fill(dump: ReceivedDump, follower?: Follower): Promise<void>;
  /** Puts the temporary file in the place of the last good one. @throws spool.write */
  publish(): Promise<void>;
  /** Gives up the lock, and the temporary file if it was not published. */
  close(): Promise<void>;
}

/** What follows a dump into its spool. */
export interface Follower {
  /** Aborted with the reason if it is of no use to receive the rest of the dump. */
  readonly failed: AbortSignal;
  /** These are the next blocks of the dump, and are about to be written. */
  arrived(blocks: readonly Uint8Array[]): void;
  /** This many bytes of the dump, from its start, can be read back from the temporary file. */
  grow(bytes: number): void;
}

/** How much is collected for each write. */
const batchBytes = 1 << 20;
/** How much may be written before the disk is asked to keep it. */
const syncBytes = 32 << 20;

/** The temporary files of one server. */
export class SpoolRoom {
  readonly #path: string;
  readonly #inUse = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The spool of one connection: `<path>.temp`, locked as MIT's kpropd locks it (the whole file,
   * exclusively). If this process already fills that, `<path>.temp.2` and so on, so that a slow sender
   * does not hold up another.
   * @throws spool.busy if another process has it, spool.write
   */
  async open(): Promise<Spool> {
    let number = 1;
    const nameOf = () => `${this.#path}.temp${number === 1 ? '' : `.${number}`}`;
    while (this.#inUse.has(nameOf())) number += 1;
    const temporary = nameOf();
    this.#inUse.add(temporary);
    try {
      const file = await openLocked(temporary);
      return new TemporarySpool(this.#path, temporary, file, () => this.#inUse.delete(temporary));
    } catch (error) {
      this.#inUse.delete(temporary);
      throw error;
    }
  }

  /** What is wrong with the folder, in one line; undefined if nothing is. */
  async complaint(): Promise<string | undefined> {
    const exposed = folderExposureOf(dirname(this.#path));
    return exposed && `${exposed.what}: ${exposed.remedy}`;
  }

  /** Removes the temporary files that no process has locked, left by a kpropd that was killed. */
  async sweep(): Promise<void> {
    const folder = dirname(this.#path);
    const first = `${basename(this.#path)}.temp`;
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name);
      const ours = name.startsWith(first) && /^(\.\d+)?$/.test(name.slice(first.length));
      if (!ours || this.#inUse.has(path)) continue;
      // A connection that begins now takes another name, so it does not find the file locked.
      this.#inUse.add(path);
      // A file that cannot be removed must not keep the server from starting.
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

  constructor(path: string, temporary: string, file: FileHandle, release: () => void) {
    this.path = path;
    this.temporary = temporary;
    this.#file = file;
    this.#release = release;
  }

  async fill(dump: ReceivedDump, follower?: Follower): Promise<void> {
    let written = 0;
    // One write is under way while the next batch is received and decrypted.
    let underWay: Promise<void> = Promise.resolve();
    let batch: Uint8Array[] = [];
    let collected = 0;
    // The disk is asked to keep what it has now and then, so that the last sync is short.
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
      underWay = this.#write(blocks, offset, follower);
      // It is awaited before the next write; until then a failure must not count as unhandled.
      underWay.catch(() => undefined);
    };
    try {
      for await (const blocks of dump.batches()) {
        follower?.failed.throwIfAborted();
        follower?.arrived(blocks);
        for (const block of blocks) {
          batch.push(block);
          collected += block.length;
        }
        if (collected >= batchBytes) await flush();
      }
      await flush();
    } catch (error) {
      // The reason is of more use than the interruption that it caused.
      follower?.failed.throwIfAborted();
      throw error;
    } finally {
      await underWay;
    }
    await syncing;
    await this.#sync(written);
  }

  async publish(): Promise<void> {
    // The kernel frees a large file when it is closed for the last time, which takes 0.1 s for 340 MB.
    // With this descriptor that is not in the rename, for which the sender waits, but in a close that
    // nobody waits for.
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
      // Other readers, such as a kprop that sends it on, may share the file while it is loaded.
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

  async #write(blocks: readonly Uint8Array[], offset: number, follower?: Follower) {
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
    follower?.grow(position);
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

/** The buffers without their first bytes. */
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
