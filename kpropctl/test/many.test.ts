import { writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

import { type KpropServer, loadKrb5Config, serveKprop } from 'kprop';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { freePort } from '../../test/support/lab/lab-process.ts';
import { ControlRealm } from './realm.ts';

// Two hundred replicas, of which fifty are dead in three ways. Those that live are our own server with a
// loader that does nothing: what is looked at is kpropctl.

const living = 150;
const dead = 50;

let realm: ControlRealm;
const servers: KpropServer[] = [];
const silent: Server[] = [];
const sockets = new Set<Socket>();
const hosts: { readonly host: string; readonly port: number; readonly dies: boolean }[] = [];

beforeAll(async () => {
  realm = await ControlRealm.create();
  const { lab } = realm;
  const keytab = join(lab.folder, 'all.keytab');
  const names = Array.from({ length: living + dead }, (_, at) => `127.1.0.${at + 1}`);
  await lab.addPrincipals(names.map((host) => `host/${host}`));
  await realm.kadminLocal([
    `ktadd -norandkey -k ${keytab} ${names.map((host) => `host/${host}`).join(' ')}`,
  ]);
  const config = loadKrb5Config({
    krb5ConfFiles: lab.replica.krb5Conf,
    kdcConfFile: lab.replica.kdcConf,
  });
  writeFileSync(lab.replica.acl, `${lab.client}\n`);
  for (const [at, host] of names.entries()) {
    if (at < living) {
      const server = await serveKprop({
        ...{ port: 0, address: host, config, keytab: `FILE:${keytab}`, acl: lab.replica.acl },
        file: join(lab.folder, `received-${at}`),
        loader: async () => undefined,
      });
      servers.push(server);
      hosts.push({ host, port: server.port, dies: false });
    } else if (at % 2 === 0) {
      // Nobody listens.
      hosts.push({ host, port: await freePort(), dies: true });
    } else {
      const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      silent.push(server);
      hosts.push({ host, port: (server.address() as { port: number }).port, dies: true });
    }
  }
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of silent) server.close();
  await Promise.all(servers.map((server) => server.close({ abort: true })));
  await realm.close();
});

async function runWith(chosen: typeof hosts) {
  const sections = chosen.map(
    ({ host, port }) => `    ${host} = {\n        port = ${port}\n    }\n`,
  );
  writeFileSync(
    realm.config,
    `[kpropctl]
    dump = ${join(realm.lab.primary.folder, 'to-send')}
    state = ${realm.state}
    proof = none
    attempts_within = 0
    total = 15s
[replicas]
${sections.join('')}`,
  );
  const started = performance.now();
  const { stdout } = await realm.run('run', '--json');
  return { millis: performance.now() - started, report: JSON.parse(stdout) };
}

test('all outcomes are right, and the living do not wait for the dead', {
  timeout: 120_000,
}, async () => {
  const alone = await runWith(hosts.slice(0, 1));
  const healthy = await runWith(hosts.filter(({ dies }) => !dies));
  expect(healthy.report.exit).toBe(0);
  const all = await runWith(hosts);
  expect(all.report.exit).toBe(1);
  for (const { host, dies } of hosts) {
    const found = all.report.replicas.find((replica: { host: string }) => replica.host === host);
    expect(found.state, host).toBe(dies ? 'failed' : 'current');
  }
  const slowest = (report: typeof all.report) =>
    Math.max(
      ...report.replicas
        .filter(({ state }: { state: string }) => state === 'current')
        .map(({ millis }: { millis: number }) => millis),
    );
  console.log(
    `one alone ${alone.millis.toFixed(0)} ms; 150 living ${healthy.millis.toFixed(0)} ms, the slowest ` +
      `${slowest(healthy.report)} ms; with 50 dead ${all.millis.toFixed(0)} ms, the slowest living ${slowest(all.report)} ms`,
  );
});
