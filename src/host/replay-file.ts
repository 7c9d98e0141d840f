import { constants, type FileHandle, open } from 'node:fs/promises';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { concat, equalBytes } from '../protocol/bytes.ts';
import type { ReplayCache } from '../protocol/krb5/session/replay.ts';
import { lockFileAsync } from './libc.ts';
import { sipHash24 } from './siphash.ts';

/** MIT's file2 format: a seed, then tables of records, each about twice as large as the one before. */
const seedBytes = 16;
const tagBytes = 12;
const recordBytes = 16;
const firstTableRecords = 1023;
/** The last byte that the format can address (krb5 lib/krb5/rcache/rc_file2.c). */
const sizeLimitBytes = 2 ** 31 - 1;
/** Other programs hold the lock only while they write a record, which takes no time. */
const lockMillis = 5_000;

export interface ReplayFileOptions {
  readonly path: string;
  /** The default file lies in a public folder: it must be our own, and not a symbolic link. */
  readonly strict: boolean;
  readonly clockSkewSeconds: number;
}

/**
 * The replay cache that all acceptors of one user share on this host, C programs included: MIT's
 * file2 format under MIT's lock. @see krb5 lib/krb5/rcache/rc_file2.c
 */
export function fileReplayCache(options: ReplayFileOptions): ReplayCache {
  return {
    async store(tag, nowSeconds, client) {
      const file = await openCache(options);
      try {
        await takeLock(file);
        await new Store(file, options.clockSkewSeconds).note(tag, nowSeconds, client);
      } catch (cause) {
        throw cause instanceof KpropError ? cause : unusable(options.path, cause);
      } finally {
        // This also gives the lock back.
        await file.close();
      }
    },
  };
}

/** The cache `none:`, which remembers nothing. */
export const noReplayCache: ReplayCache = { store: async () => undefined };

class Store {
  readonly #file: FileHandle;
  readonly #skewSeconds: number;

  constructor(file: FileHandle, skewSeconds: number) {
    this.#file = file;
    this.#skewSeconds = skewSeconds;
  }

  /** @throws auth.replay */
  async note(tag: Uint8Array, nowSeconds: number, client: string): Promise<void> {
    const seed = await this.#seed();
    let tableStart = seedBytes;
    let records = firstTableRecords;
    let free: number | undefined;
    for (let table = 0; ; table += 1) {
      const key = seed.slice();
      key[0] = ((key[0] ?? 0) + table) & 0xff;
      const slot = Number(sipHash24(key, tag) % BigInt(records));
      const offset = tableStart + slot * recordBytes;
      if (offset + 2 * recordBytes > sizeLimitBytes) {
        throw Object.assign(new Error('the replay cache is full'), { code: 'EOVERFLOW' });
      }
      // Behind the last slot of a table lies the first record of the next one: MIT uses it, too.
      const bucket = await this.#read(offset, 2 * recordBytes);
      let room = false;
      for (const at of [0, recordBytes]) {
        const record = recordAt(bucket, at);
        if (record === undefined || record.seconds === 0) room = true;
        else if (equalBytes(record.tag, tag)) throw new KpropError('auth.replay', { client });
        const expired = record === undefined || nowSeconds > record.seconds + this.#skewSeconds;
        if (expired) free ??= offset + at;
      }
      if (room && free !== undefined) return this.#write(free, tag, nowSeconds);
      tableStart += records * recordBytes;
      records = table === 0 ? 2048 : records * 2;
    }
  }

  async #seed(): Promise<Uint8Array> {
    const found = await this.#read(0, seedBytes);
    if (found.length === seedBytes) return found;
    const fresh = crypto.getRandomValues(new Uint8Array(seedBytes));
    await this.#file.write(fresh, 0, seedBytes, 0);
    return fresh;
  }

  async #read(offset: number, byteCount: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(byteCount);
    const { bytesRead } = await this.#file.read(buffer, 0, byteCount, offset);
    return buffer.subarray(0, bytesRead);
  }

  async #write(offset: number, tag: Uint8Array, seconds: number): Promise<void> {
    const time = new Uint8Array(4);
    new DataView(time.buffer).setUint32(0, seconds);
    await this.#file.write(concat(tag, time), 0, recordBytes, offset);
  }
}

/** A program that holds the lock for longer hangs; the client may try again. @throws EAGAIN */
async function takeLock({ fd }: FileHandle): Promise<void> {
  const signal = AbortSignal.timeout(lockMillis);
  await lockFileAsync(fd, 'exclusive', { signal }).catch((cause: unknown) => {
    if (!signal.aborted) throw cause;
    throw Object.assign(new Error('the lock is held', { cause }), { code: 'EAGAIN' });
  });
}

async function openCache({ path, strict }: ReplayFileOptions): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | (strict ? constants.O_NOFOLLOW : 0);
  const file = await open(path, flags, 0o600).catch((cause: unknown) => {
    throw unusable(path, cause);
  });
  if (strict && (await file.stat()).uid !== process.geteuid?.()) {
    await file.close();
    throw new KpropError('auth.replay-cache', { path, errno: 'EIO' });
  }
  return file;
}

function recordAt(bucket: Uint8Array, at: number) {
  if (bucket.length < at + recordBytes) return undefined;
  const view = new DataView(bucket.buffer, bucket.byteOffset + at + tagBytes);
  return { tag: bucket.subarray(at, at + tagBytes), seconds: view.getUint32(0) };
}

function unusable(path: string, cause: unknown): KpropError {
  return new KpropError('auth.replay-cache', { path, errno: errnoOf(cause) }, { cause });
}
