import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { validator } from '../../../kpropctl/test/schema.ts';
import { loadKrb5Config } from '../../../src/host/config-files.ts';
import { serveSocket } from '../../../src/server/serve.ts';
import { kdb5Util, ReplicaRig } from '../../support/rig/replica-rig.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  await rig.lab.dump();
});
afterAll(() => rig.close());
beforeEach(() => rmSync(path(), { force: true }));

const path = () => `${rig.lab.replica.fromMaster}.status`;
const conforms = validator('replica-status-1', 'schemas');
function status() {
  const found = JSON.parse(readFileSync(path(), 'utf8'));
  conforms(found);
  return found;
}
function successOf(dump: string) {
  const text = readFileSync(dump, 'latin1');
  const principals = text.match(/^princ/gm)?.length;
  return { client: rig.lab.client, bytes: text.length, principals, policies: 0 };
}

test.each(['native', 'complete', 'streamed'] as const)(
  'a propagation of MIT and one of ours, loaded %s',
  async (load) => {
    const server = await rig.serve({ load });
    const { dumpFile } = rig.lab;
    expect(await rig.lab.mitKprop({ port: server.port })).toMatchObject({ status: 0 });
    await expect.poll(() => status().full.lastSuccess).toMatchObject(successOf(dumpFile));
    await rig.send(server.port);
    await expect.poll(() => status().full.lastSuccess).toMatchObject(successOf(rig.other));
    expect(status()).not.toHaveProperty('full.lastFailure');
    expect(status()).not.toHaveProperty('incremental');
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    await rig.lab.load(rig.good);
  },
);

test('what failed is in it, with the remedy, and the success from before', async () => {
  const server = await rig.serve({ load: 'native' });
  await rig.send(server.port);
  const broken = `${rig.lab.primary.folder}/broken`;
  writeFileSync(broken, readFileSync(rig.other, 'latin1').replace(/\tK\/M@.*/, ''));
  copyFileSync(`${rig.good}.dump_ok`, `${broken}.dump_ok`);
  await rig.failure(server.port, { dump: broken });
  await expect
    .poll(() => status().full)
    .toMatchObject({
      lastSuccess: successOf(rig.other),
      lastFailure: {
        client: rig.lab.client,
        code: 'loader.no-master-key',
        message: expect.stringContaining('K/M@LAB.EXAMPLE'),
        remedy: expect.stringContaining('kdb5_util dump'),
      },
    });
  // Another process goes on with it.
  const another = await rig.serve({ load: 'native' });
  await rig.send(another.port, { dump: rig.good });
  await expect.poll(() => status().full.lastSuccess).toMatchObject(successOf(rig.good));
  expect(status().full.lastFailure.code).toBe('loader.no-master-key');
});

test('one whom the ACL does not have leaves no trace', async () => {
  const acl = `${rig.lab.replica.folder}/other.acl`;
  writeFileSync(acl, 'host/another@LAB.EXAMPLE\n');
  const server = await rig.serve({ acl });
  await rig.failure(server.port);
  await server.settled();
  await server.close();
  expect(() => status()).toThrow('ENOENT');
});

test('a file that cannot be written stops nothing, and is said once', async () => {
  mkdirSync(`${path()}.new`);
  const server = await rig.serve({ load: 'native' });
  await rig.send(server.port);
  await rig.send(server.port, { dump: rig.good });
  await server.close();
  const notices = server.events.filter(({ kind }) => kind === 'notice');
  expect(notices).toEqual([
    expect.objectContaining({ text: 'loads natively' }),
    expect.objectContaining({ text: expect.stringContaining(`cannot write ${path()}: `) }),
  ]);
  rmSync(`${path()}.new`, { recursive: true });
});

test.each(['', 'nonsense', 'null', '{"version":2}', '[]', `{"x":"${'x'.repeat(70_000)}"}`])(
  'what is no status file of ours is replaced: %.20s',
  async (text) => {
    writeFileSync(path(), text);
    const server = await rig.serve({ load: 'native' });
    await rig.send(server.port, { dump: rig.good });
    await expect.poll(() => status().full.lastSuccess).toMatchObject(successOf(rig.good));
  },
);

test('under inetd it is written before kpropd ends', async () => {
  const { replica } = rig.lab;
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived = once(server, 'connection') as Promise<[Socket]>;
  const sent = rig.send((server.address() as { port: number }).port, { dump: rig.good });
  await serveSocket((await arrived)[0], {
    config: loadKrb5Config({ krb5ConfFiles: replica.krb5Conf, kdcConfFile: replica.kdcConf }),
    keytab: `FILE:${replica.keytab}`,
    acl: replica.acl,
    file: replica.fromMaster,
    loader: { path: kdb5Util, environment: replica.env() },
  });
  expect(status().full.lastSuccess).toMatchObject(successOf(rig.good));
  await sent;
  server.close();
});
