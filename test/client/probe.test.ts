import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { probe } from '../../src/client/probe.ts';
import { isKpropError } from '../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { Lab, type LabProcess, ourProgram } from '../support/lab/lab.ts';
import { freePort, listens } from '../support/lab/lab-process.ts';
import { expectHelpful } from '../support/rig/replica-rig.ts';

let lab: Lab;
let kpropd: LabProcess | undefined;
beforeAll(async () => {
  lab = await Lab.create({ principals: 2 });
  await lab.dump();
});
afterEach(async () => {
  await kpropd?.stop();
  writeFileSync(lab.replica.acl, `${lab.client}\n`);
});
afterAll(() => lab.close());

async function start(make: 'mit' | 'ours'): Promise<number> {
  const port = await freePort();
  const { acl, fromMaster } = lab.replica;
  const args = ['-D', '-P', `${port}`, '-a', acl, '-f', fromMaster];
  const [program, before] =
    make === 'mit' ? ['/usr/sbin/kpropd', []] : [process.execPath, [ourProgram('kpropd')]];
  kpropd = lab.start(program, [...before, ...args], { role: 'replica' });
  await kpropd.until(() => listens(port), 'kpropd');
  return port;
}

const ask = (port: number, host = '127.0.0.1') =>
  probe({
    ...{ host, port, config: loadKrb5Config({ krb5ConfFiles: lab.primary.krb5Conf }) },
    credential: { kind: 'keytab', name: `FILE:${lab.primary.keytab}` },
    ...{ connectMillis: 1_000, authenticateMillis: 1_000 },
  });

async function failure(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expectHelpful(error);
  return isKpropError(error) ? error.code : undefined;
}

describe.each(['ours', 'mit'] as const)('a kpropd of %s make', (make) => {
  test('that would take a dump: it says so, nothing changes, and a propagation passes after it', async () => {
    const port = await start(make);
    for (let time = 0; time < 3; time += 1) {
      expect(await ask(port)).toMatchObject({
        ...{ server: `host/127.0.0.1@${lab.realm}`, port, enctype: 'aes256-cts-hmac-sha1-96' },
        clockOffsetMillis: expect.any(Number),
      });
    }
    expect(existsSync(lab.replica.database)).toBe(make === 'mit');
    expect(await lab.mitKprop({ port })).toMatchObject({ status: 0 });
    expect(kpropd?.running).toBe(true);
  });

  test('whose ACL lacks this host', async () => {
    const port = await start(make);
    writeFileSync(lab.replica.acl, 'host/other@LAB.EXAMPLE\n');
    expect(await failure(ask(port))).toBe(make === 'ours' ? 'peer.refused' : 'peer.hung-up');
  });
});

test('nobody listens', async () => {
  expect(await failure(ask(await freePort()))).toBe('network.unreachable');
});

test('a replica that the KDC does not know', async () => {
  expect(await failure(ask(1, '127.0.0.99'))).toBe('kdc.error');
});

test('somebody who takes the connection and says nothing', async () => {
  const silent = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve));
  expect(await failure(ask(port))).toBe('network.timeout');
  silent.close();
});
