import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab } from '../support/lab/lab.ts';
import { freePort, listens } from '../support/lab/lab-process.ts';
import type { Make } from '../support/lab/make.ts';
import { runKprop, succeeded } from '../support/lab/pairings.ts';
import { SystemdHost } from '../support/lab/systemd-host.ts';
import { stranger } from '../support/rig/attacker.ts';

// A real systemd, our real units with their whole hardening: what they forbid must not be needed.

let lab: Lab;
let host: SystemdHost;
let added = 0;
let ports: { readonly daemon: number; readonly socket: number; readonly inetd: number };
beforeAll(async () => {
  lab = await Lab.create({ principals: 100 });
  await lab.dump();
  ports = { daemon: await freePort(), socket: await freePort(), inetd: await freePort() };
  const listen = (port: number) => `[Socket]\nListenStream=\nListenStream=${port}\n`;
  host = await SystemdHost.boot(lab, {
    'kpropd.service.d/port.conf': `[Service]\nEnvironment="DAEMON_ARGS=-P ${ports.daemon}"\n`,
    'kpropd.socket.d/port.conf': listen(ports.socket),
    'kpropd-inetd.socket.d/port.conf': listen(ports.inetd),
  });
});
afterAll(async () => {
  await host?.close();
  await lab?.close();
});

const makes: readonly Make[] = ['mit', 'ours'];
const active = async (unit: string) => (await host.run('systemctl', ['is-active', unit])).stdout;

/** Both kprops, each with a change that must arrive. */
async function expectPropagation(port: number): Promise<void> {
  for (const make of makes) {
    added += 1;
    const name = `added${added}`;
    await lab.addPrincipals([name]);
    await lab.dump();
    expect(await runKprop(lab, make, { port, env: {} })).toMatchObject(succeeded());
    const there = await host.must('kadmin.local', ['-q', `getprinc ${name}`]);
    expect(there).toContain(`Principal: ${name}@`);
  }
}

test('kpropd.service', async () => {
  await host.must('systemctl', ['start', 'kpropd.service']);
  expect(listens(ports.daemon)).toBe(true);
  await expectPropagation(ports.daemon);
  expect(await host.journal('kpropd')).toContain('Connection from');
  await host.must('systemctl', ['reload', 'kpropd.service']);
  await expectPropagation(ports.daemon);
  await host.must('systemctl', ['stop', 'kpropd.service']);
  expect(listens(ports.daemon)).toBe(false);
  expect(await active('kpropd.service')).toBe('inactive\n');
  // The replay cache outlives the service.
  expect(await host.must('ls', ['/var/lib/kpropd'])).toMatch(/rcache2/);
});

test('kpropd.socket', async () => {
  await host.must('systemctl', ['start', 'kpropd.socket']);
  await expectPropagation(ports.socket);
  await host.must('systemctl', ['stop', 'kpropd.socket', 'kpropd.service']);
});

test('kpropd-inetd.socket: connections without an end do not switch it off', async () => {
  await host.must('systemctl', ['start', 'kpropd-inetd.socket']);
  await expectPropagation(ports.inetd);
  // By default systemd gives up after 200 connections in 2 seconds.
  await Promise.all(Array.from({ length: 300 }, () => stranger(ports.inetd, 'GET /\r\n\r\n')));
  expect(await active('kpropd-inetd.socket')).toBe('active\n');
  await expectPropagation(ports.inetd);
  await host.must('systemctl', ['stop', 'kpropd-inetd.socket']);
});
