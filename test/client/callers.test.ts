import { once } from 'node:events';

import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import {
  type DumpToLoad,
  type KpropError,
  type KpropServer,
  loadKrb5Config,
  openSharedDump,
  type PropagateOptions,
  probe,
  propagate,
  type ServeOptions,
  serveKprop,
} from '../../src/index.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Make } from '../support/lab/make.ts';
import { asPrimary, runKprop } from '../support/lab/pairings.ts';
import { failureOf } from '../support/rig/held-replica.ts';

// What programs that use the library do, rightly and wrongly.

let lab: Lab;
let servers: KpropServer[] = [];
beforeAll(async () => {
  lab = await Lab.create({ principals: 3 });
  await lab.dump();
  return () => lab.close();
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close({ abort: true })));
  servers = [];
  vi.restoreAllMocks();
});

async function serve(more: Partial<ServeOptions> = {}): Promise<number> {
  const server = await serveKprop({
    port: 0,
    realm: lab.realm,
    config: loadKrb5Config({ krb5ConfFiles: lab.replica.krb5Conf }),
    keytab: lab.replica.keytab,
    acl: lab.replica.acl,
    file: lab.replica.fromMaster,
    loader: async () => undefined,
    ...more,
  });
  servers.push(server);
  return server.port;
}

const send = (port: number, more: Partial<PropagateOptions> = {}) =>
  propagate({ ...asPrimary(lab), port, ...more });

describe("a loader of the caller's own", () => {
  test('is told what it gets, and from whom', async () => {
    const loaded: DumpToLoad[] = [];
    const port = await serve({ loader: async (dump) => void loaded.push(dump) });
    const { bytes } = await send(port);
    expect(loaded).toEqual([
      {
        path: lab.replica.fromMaster,
        kind: 'plain',
        bytes,
        client: lab.client,
        signal: expect.any(AbortSignal),
      },
    ]);
  });

  test.each<Make>(['ours', 'mit'])("its words reach the sender (%s's kprop)", async (make) => {
    const port = await serve({
      loader: async () => {
        throw new Error('LDAP\nis down');
      },
    });
    const { status, stderr } = await runKprop(lab, make, { port });
    expect(status).toBe(1);
    expect(stderr).toContain('Generic remote error: LDAP is down');
  });
});

test('an error as JSON has all that a program may want to know', async () => {
  const error = await failureOf(send(1, { dump: '/nowhere/dump' }));
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'dump.missing',
    message: error.message,
    phase: 'dump',
    fault: 'local',
    retry: false,
    why: error.why ?? null,
    remedy: error.remedy,
    detail: { path: '/nowhere/dump', errno: 'ENOENT' },
  });
});

describe('options that are wrong, from callers without types', () => {
  const wrong = (call: (options: never) => Promise<unknown>, options: object) =>
    failureOf(call(options as never));

  test.each([
    ['host', {}],
    ['host', { host: null }],
    ['dump', { host: 'kdc2' }],
    ['dump', { host: 'kdc2', dump: { bytes: 3 } }],
    ['dump', { host: 'kdc2', dump: null }],
  ])('propagate: %s (%j)', async (option, options) => {
    expect(await wrong(propagate, options)).toMatchObject({
      code: 'caller.option',
      phase: 'configuration',
      detail: { call: 'propagate()', option },
    });
  });

  test('probe: host', async () => {
    expect(await wrong(probe, {})).toMatchObject({ detail: { call: 'probe()', option: 'host' } });
  });

  test.each([
    ['acl', {}],
    ['file', { acl: '/acl' }],
    ['loader', { acl: '/acl', file: '/dump' }],
    ['loader', { acl: '/acl', file: '/dump', loader: {} }],
  ])('serveKprop: %s (%j)', async (option, options) => {
    expect(await wrong(serveKprop, options)).toMatchObject({
      code: 'caller.option',
      detail: { call: 'serveKprop()', option },
    });
  });
});

test('a time limit that runs out has another code than a stop', async () => {
  const port = await serve({ loader: ({ signal }) => once(signal, 'abort').then(() => undefined) });
  const late = await failureOf(send(port, { signal: AbortSignal.timeout(1_500) }));
  expect(late).toMatchObject({ code: 'caller.timeout', retry: true });
  const control = new AbortController();
  const stopping = send(port, {
    signal: control.signal,
    onEvent: (event) => event.kind === 'phase' && event.phase === 'confirm' && control.abort(),
  });
  expect(await failureOf(stopping)).toMatchObject({ code: 'aborted' });
});

test('what an onEvent throws becomes a warning, on both sides', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const onEvent = (side: string) => () => {
    throw new Error(`a defect of the ${side}`);
  };
  const port = await serve({ onEvent: onEvent('replica') });
  await send(port, { onEvent: onEvent('primary') });
  const words = warned.mock.calls.map(([warning]) => (warning as Error).message);
  expect(new Set(words)).toEqual(new Set(['a defect of the primary', 'a defect of the replica']));
});

test('await using closes a server and a shared dump', async () => {
  let port = 0;
  let dump: PropagateOptions['dump'] = '';
  {
    await using server = await serveKprop({
      ...{ port: 0, address: '127.0.0.1', realm: lab.realm, keytab: lab.replica.keytab },
      config: loadKrb5Config({ krb5ConfFiles: lab.replica.krb5Conf }),
      ...{ acl: lab.replica.acl, file: lab.replica.fromMaster, loader: async () => undefined },
    });
    await using shared = await openSharedDump(lab.dumpFile);
    port = server.port;
    dump = shared;
    await send(port, { dump });
  }
  const refused: KpropError = await failureOf(send(port));
  expect(refused.code).toBe('network.unreachable');
  const other = await serve();
  expect(await failureOf(send(other, { dump }))).toMatchObject({ code: 'caller.closed' });
});
