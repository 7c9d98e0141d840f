import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import {
  type PropagateEvent,
  type PropagateLimits,
  type PropagateOptions,
  propagate,
} from '../../src/client/propagate.ts';
import type { KpropError } from '../../src/errors/kprop-error.ts';
import { Lab } from '../support/lab/lab.ts';
import { asPrimary } from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { failureOf, HeldReplica } from '../support/rig/held-replica.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';

const phases = [
  'configuration',
  'credentials',
  'dump',
  'connect',
  'authenticate',
  'size',
  'blocks',
  'confirm',
];

let lab: Lab;
let large: string;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
  large = join(lab.primary.folder, 'large');
  const basedOn = readFileSync(lab.dumpFile, 'latin1');
  makeSyntheticDump(large, Number.POSITIVE_INFINITY, { basedOn, exactBytes: 20_000_000 });
});
afterAll(() => lab.close());

let replica: HeldReplica;
async function startReplica(o: { hold?: boolean } = {}): Promise<void> {
  replica = await HeldReplica.start(lab, o);
}
afterEach(() => replica?.close());

async function* endless(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('kdb5_util load_dump version 7\n');
  for (;;) yield new Uint8Array(1_000_000);
}

const send = (port: number, o: Partial<PropagateOptions> = {}) =>
  propagate({ ...asPrimary(lab), port, ...o });

test('events: the phases in order, and progress that only grows, up to the total', async () => {
  await startReplica();
  const heard: PropagateEvent[] = [];
  const report = await send(replica.port, { dump: large, onEvent: (event) => heard.push(event) });
  expect(heard.flatMap((event) => (event.kind === 'phase' ? [event.phase] : []))).toEqual(phases);
  const progress = heard.flatMap((event) => (event.kind === 'progress' ? [event] : []));
  expect(progress).toHaveLength(Math.ceil(20_000_000 / 32_768));
  expect(progress.every(({ total }) => total === 20_000_000)).toBe(true);
  expect(progress.every(({ bytes }, at) => bytes > (progress[at - 1]?.bytes ?? 0))).toBe(true);
  expect(progress.at(-1)?.bytes).toBe(report.bytes);
  expect(heard.indexOf(progress[0] as PropagateEvent)).toBe(phases.length - 1);
  expect(heard.at(-1)).toEqual({ kind: 'phase', phase: 'confirm' });
  expect(report.millis).toBeGreaterThan(0);
});

test('events: the same phases for a dump without a byte', async () => {
  await startReplica();
  const heard: string[] = [];
  const onEvent = (event: PropagateEvent) => {
    heard.push(event.kind === 'phase' ? event.phase : event.kind);
  };
  await send(replica.port, { dump: { bytes: 0, stream: Readable.from([]) }, onEvent }).catch(
    // The replica may know that this is no dump; the conversation came that far.
    (error: KpropError) => expect(error.code).toBe('peer.refused'),
  );
  expect(heard).toEqual(phases);
});

describe('an abort', () => {
  // What is begun when its phase is announced ends there; else it is noticed at the next step.
  const expected = {
    configuration: 'configuration',
    credentials: 'credentials',
    dump: 'connect',
    connect: 'connect',
    authenticate: 'authenticate',
    size: 'size',
    blocks: 'blocks',
  };
  test.each(Object.entries(expected))('in phase %s', async (phase, ends) => {
    await startReplica();
    const abort = new AbortController();
    const onEvent = (event: PropagateEvent) => {
      if (event.kind === 'phase' && event.phase === phase) abort.abort(new Error('enough'));
    };
    const sending = send(replica.port, { dump: large, signal: abort.signal, onEvent });
    const error = await failureOf(sending);
    expect(error).toMatchObject({ code: 'aborted', detail: { reason: 'enough' }, phase: ends });
    await replica.close();
    expect(replica.loaded).toEqual([]);
  });

  test('in the middle of the dump', async () => {
    await startReplica();
    const abort = new AbortController();
    const onEvent = (event: PropagateEvent) => {
      if (event.kind === 'progress' && event.bytes > 5_000_000) abort.abort(new Error('enough'));
    };
    const sending = send(replica.port, { dump: large, signal: abort.signal, onEvent });
    expect(await failureOf(sending)).toMatchObject({ code: 'aborted', phase: 'blocks' });
    await vi.waitUntil(() => replica.events.at(-1)?.kind === 'closed');
    expect(replica.events.find(({ kind }) => kind === 'failed')).toMatchObject({
      error: { phase: 'blocks', code: expect.stringMatching(/^network\.(closed|failed)$/) },
    });
    expect(replica.loaded).toEqual([]);
  });

  test('while the replica loads', async () => {
    await startReplica({ hold: true });
    const abort = new AbortController();
    const sending = send(replica.port, { signal: abort.signal });
    const failing = failureOf(sending);
    await vi.waitUntil(() => replica.events.at(-1)?.kind === 'loading');
    abort.abort();
    expect(await failing).toMatchObject({ code: 'aborted', phase: 'confirm' });
    replica.release();
  });

  test('before anything', async () => {
    await startReplica();
    const sending = send(replica.port, { signal: AbortSignal.abort(new Error('never')) });
    expect(await failureOf(sending)).toMatchObject({ code: 'aborted', phase: 'configuration' });
    expect(replica.events).toEqual([]);
  });

  test('by a time limit for all of it', async () => {
    await startReplica({ hold: true });
    const error = await failureOf(send(replica.port, { signal: AbortSignal.timeout(400) }));
    expect(error).toMatchObject({ code: 'caller.timeout', phase: 'confirm' });
    expect(error.message).toMatch(/timeout/);
    replica.release();
  });
});

describe('limits', () => {
  test('authenticate: a server that says nothing', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0);
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const error = await failureOf(send(port, { limits: { authenticateMillis: 200 } }));
    expect(error).toMatchObject({ code: 'network.timeout', phase: 'authenticate', retry: true });
    expect(error.message).toMatch(/0\.2 s with 127\.0\.0\.1 port \d+ while authenticating/);
    silent.close();
  });

  test.each([
    ['after half an answer', [0, 0, 0]],
    ['after a text that might be a length', [...Buffer.from('\0SSH-2.0-OpenSSH\r\n')]],
  ])('authenticate: a server that falls silent %s', async (_, answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(Uint8Array.from(answer)));
    }).listen(0);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const error = await failureOf(send(port, { limits: { authenticateMillis: 200 } }));
    expect(error.phase).toBe('authenticate');
    expect(['network.timeout', 'message.too-long']).toContain(error.code);
    server.close();
  });

  test('idle: a replica that takes nothing any more', async () => {
    await startReplica();
    const proxy = await startProxy(replica.port, {
      from: 'client',
      afterBytes: 1_000_000,
      fate: 'hold',
    });
    // More than what the kernel's buffers take in.
    const dump = { bytes: 2_000_000_000, stream: endless() };
    const error = await failureOf(send(proxy.port, { dump, limits: { idleMillis: 300 } }));
    expect(error).toMatchObject({ code: 'network.timeout', phase: 'blocks' });
    await proxy.close();
  });

  test('that are undefined are the ones by default', async () => {
    await startReplica();
    const { connectMillis, authenticateMillis, idleMillis, confirmMillis } =
      {} as Partial<PropagateLimits>;
    const limits = { connectMillis, authenticateMillis, idleMillis, confirmMillis };
    await send(replica.port, { limits });
    expect(replica.loaded).toHaveLength(1);
  });

  test('confirm: a load that takes too long', async () => {
    await startReplica({ hold: true });
    const error = await failureOf(
      send(replica.port, { limits: { confirmMillis: 200, idleMillis: 100 } }),
    );
    expect(error).toMatchObject({ code: 'network.timeout', phase: 'confirm' });
    expect(error.message).toMatch(/waiting for the replica to load/);
    replica.release();
  });
});
