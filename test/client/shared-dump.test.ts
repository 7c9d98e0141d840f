import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type PropagateOptions, propagate } from '../../src/client/propagate.ts';
import { openSharedDump, type SharedDump } from '../../src/client/shared-dump.ts';
import { KpropError } from '../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { lockFile } from '../../src/host/libc.ts';
import { type KpropServer, serveKprop } from '../../src/server/serve.ts';
import { Lab } from '../support/lab/lab.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';

const replicas = 12;
const pieceBytes = 1 << 20;

let lab: Lab;
let servers: readonly KpropServer[];
let large: string;
beforeAll(async () => {
  lab = await Lab.create();
  const basedOn = readFileSync(await lab.dump(), 'latin1');
  large = join(lab.primary.folder, 'large');
  makeSyntheticDump(large, Number.POSITIVE_INFINITY, { basedOn, exactBytes: 20_000_000 });
  servers = await Promise.all(Array.from({ length: replicas }, (_, at) => startReplica(at)));
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.close({ abort: true })));
  await lab?.close();
});

const open: SharedDump[] = [];
async function opened(path: string): Promise<SharedDump> {
  const dump = await openSharedDump(path);
  open.push(dump);
  return dump;
}
afterEach(() => Promise.all(open.splice(0).map((dump) => dump.close())));

/** What each replica was given to load. */
const loaded = new Map<number, Buffer>();
function startReplica(at: number): Promise<KpropServer> {
  return serveKprop({
    port: 0,
    realm: lab.realm,
    config: loadKrb5Config({ krb5ConfFiles: lab.replica.krb5Conf }),
    keytab: lab.replica.keytab,
    acl: lab.replica.acl,
    file: `${lab.replica.fromMaster}.${at}`,
    loader: async ({ path }) => void loaded.set(at, readFileSync(path)),
  });
}

function send(to: KpropServer, dump: SharedDump, o: Partial<PropagateOptions> = {}) {
  return propagate({
    host: '127.0.0.1',
    port: to.port,
    dump,
    config: loadKrb5Config({ krb5ConfFiles: lab.primary.krb5Conf }),
    credential: { kind: 'keytab', name: `FILE:${lab.primary.keytab}` },
    ...o,
  });
}

/** Propagates to every replica at once; what each of them came to. */
function fanOut(dump: SharedDump, o: (at: number) => Partial<PropagateOptions> = () => ({})) {
  loaded.clear();
  return Promise.allSettled(servers.map((server, at) => send(server, dump, o(at))));
}

const reasons = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
  outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as KpropError] : []));

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** A file of a few pieces that is no dump, and is not sent. */
function file(name: string, contents: Uint8Array): string {
  const path = join(lab.primary.folder, name);
  writeFileSync(path, contents);
  writeFileSync(`${path}.dump_ok`, '\0');
  return path;
}

/** Contents of which no two pieces are equal. */
function pieces(count: number): Buffer {
  const contents = Buffer.alloc(count * pieceBytes - 5);
  for (let at = 0; at < contents.length; at += 4096) contents.writeUInt32BE(at, at);
  return contents;
}

function writerGets(path: string): boolean {
  const descriptor = openSync(path, 'r+');
  try {
    return lockFile(descriptor, 'exclusive', { wait: false });
  } finally {
    closeSync(descriptor);
  }
}

describe('a fan-out', () => {
  test('gives every replica the same', async () => {
    const dump = await opened(large);
    const outcomes = await fanOut(dump);
    expect(reasons(outcomes)).toEqual([]);
    const contents = readFileSync(large);
    expect(loaded.size).toBe(replicas);
    for (const [at, received] of loaded) expect(received.equals(contents), `${at}`).toBe(true);
  });

  test('continues without a reader that gives up', async () => {
    const dump = await opened(large);
    const giveUp = new AbortController();
    const outcomes = await fanOut(dump, (at) =>
      at === 3
        ? {
            signal: giveUp.signal,
            onEvent: (event) => event.kind === 'progress' && giveUp.abort(new Error('enough')),
          }
        : {},
    );
    expect(reasons(outcomes)).toMatchObject([{ code: 'aborted' }]);
    expect([...loaded.keys()].sort((a, b) => a - b)).toEqual(
      servers.map((_, at) => at).filter((at) => at !== 3),
    );
    await dump.close();
    expect(writerGets(large)).toBe(true);
  });

  test.each([
    ['shorter', (path: string) => truncateSync(path, 9_000_000)],
    ['longer', (path: string) => appendFileSync(path, 'one more\n')],
  ])('fails everywhere, with an error for each, when the dump becomes %s', async (how, change) => {
    const path = join(lab.primary.folder, how);
    const basedOn = readFileSync(lab.dumpFile, 'latin1');
    makeSyntheticDump(path, Number.POSITIVE_INFINITY, { basedOn, exactBytes: 20_000_000 });
    const dump = await opened(path);
    let changed = false;
    const outcomes = await fanOut(dump, () => ({
      onEvent: (event) => {
        if (event.kind !== 'progress' || changed) return;
        changed = true;
        change(path);
      },
    }));
    const errors = reasons(outcomes);
    expect(errors.map((error) => error.code)).toEqual(servers.map(() => 'dump.changed'));
    expect(new Set(errors).size).toBe(replicas);
    expect(loaded.size).toBe(0);
  });
});

describe('readers', () => {
  test('that keep pace read the file once between them', async () => {
    const contents = pieces(24);
    const dump = await opened(file('once', contents));
    const before = bytesRead();
    const all = await Promise.all(Array.from({ length: 20 }, () => bytesOf(dump.stream)));
    const read = bytesRead() - before;
    expect(all.every((one) => one.equals(contents))).toBe(true);
    expect(read).toBeLessThan(2 * contents.length);
  });

  test('do not wait for a slow one, which gets everything all the same', async () => {
    const contents = pieces(24);
    const dump = await opened(file('slow', contents));
    const slow = dump.stream[Symbol.asyncIterator]();
    const first = await slow.next();
    expect((await bytesOf(dump.stream)).equals(contents)).toBe(true);
    const rest = await bytesOf({ [Symbol.asyncIterator]: () => slow });
    expect(Buffer.concat([first.value, rest]).equals(contents)).toBe(true);
  });

  test('leave no more in memory than a few pieces, however far apart they are', async () => {
    const path = file('sparse', new Uint8Array());
    truncateSync(path, 1 << 30);
    utimesSync(`${path}.dump_ok`, new Date(), new Date());
    const dump = await opened(path);
    const slow = dump.stream[Symbol.asyncIterator]();
    await slow.next();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for await (const _ of dump.stream) most = Math.max(most, process.memoryUsage().arrayBuffers);
    // What is garbage already counts until it is collected.
    expect(most - before).toBeLessThan(300e6);
    await slow.return?.(undefined);
  });

  test('each get an error of their own where the file cannot be read', async () => {
    const path = join(lab.primary.folder, 'unreadable');
    symlinkSync('/proc/self/mem', path); // nothing is mapped at its beginning
    writeFileSync(`${path}.dump_ok`, '\0');
    const later = new Date(Date.now() + 60_000);
    utimesSync(`${path}.dump_ok`, later, later);
    const dump = await opened(path);
    const errors = reasons(
      await Promise.allSettled([bytesOf(dump.stream), bytesOf(dump.stream), bytesOf(dump.stream)]),
    );
    const expected = { code: 'dump.read', detail: { path, errno: 'EIO' } };
    expect(errors).toMatchObject([expected, expected, expected]);
    expect(new Set(errors).size).toBe(3);
    for (const error of errors) expect(error).toBeInstanceOf(KpropError);
  });
});

test('it stays locked until the last reader has ended, and takes no more', async () => {
  const contents = pieces(3);
  const path = file('locked', contents);
  const dump = await opened(path);
  const reader = dump.stream[Symbol.asyncIterator]();
  await reader.next();
  let closed = false;
  const closing = dump.close().then(() => {
    closed = true;
  });
  await expect(bytesOf(dump.stream)).rejects.toMatchObject({
    code: 'caller.closed',
    message: expect.stringContaining(path),
  });
  await sleep(20);
  expect(closed).toBe(false);
  expect(writerGets(path)).toBe(false);
  for (let done = false; !done; ) done = (await reader.next()).done ?? false;
  await closing;
  expect(writerGets(path)).toBe(true);
});

test('it is a dump like any other: the same rules hold', async () => {
  await expect(openSharedDump(join(lab.primary.folder, 'none'))).rejects.toMatchObject({
    code: 'dump.missing',
  });
  const path = file('newer', Buffer.from('x'));
  utimesSync(`${path}.dump_ok`, new Date(0), new Date(0));
  await expect(openSharedDump(path)).rejects.toMatchObject({ code: 'dump.not-ready' });
  const unfinished = file('unfinished', Buffer.from('x'));
  truncateSync(`${unfinished}.dump_ok`, 0);
  expect((await opened(unfinished)).warning?.text).toContain('is empty');
});

/** What this process has read from files so far; the sockets of the replicas are not in use. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
}
