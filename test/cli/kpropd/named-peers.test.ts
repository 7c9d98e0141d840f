import { setImmediate } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { NamedPeers } from '../../../src/cli/kpropd/named-peers.ts';
import type { ServerEvent } from '../../../src/server/serve.ts';
import { Lab, ourProgram } from '../../support/lab/lab.ts';
import { freePort } from '../../support/lab/lab-process.ts';

const connected = { kind: 'connected', address: '192.0.2.1', connection: 1 } as const;
const receiving = { kind: 'receiving', bytes: 7, connection: 1 } as const;
const closed = { kind: 'closed', connection: 1 } as const;
const named = { ...connected, address: 'kdc1.example.org' };

function peers(name: Promise<string | undefined>) {
  const passed: ServerEvent[] = [];
  return {
    passed,
    peers: new NamedPeers(
      () => name,
      (event) => passed.push(event),
    ),
  };
}

test('events of a connection wait for the name of its peer, others do not', async () => {
  let answer = (_: string | undefined) => {};
  const { passed, peers: one } = peers(new Promise((resolve) => (answer = resolve)));
  one.event(connected);
  one.event(receiving);
  const other = { kind: 'notice', text: 'x', connection: 0 } as const;
  one.event(other);
  expect(passed).toEqual([other]);
  answer('kdc1.example.org');
  await setImmediate();
  expect(passed).toEqual([other, named, receiving]);
  one.event(closed);
  expect(passed).toEqual([other, named, receiving, closed]);
});

test('what is closed does not wait', async () => {
  let answer = (_: string | undefined) => {};
  const { passed, peers: one } = peers(new Promise((resolve) => (answer = resolve)));
  for (const event of [connected, receiving, closed]) one.event(event);
  expect(passed).toEqual([connected, receiving, closed]);
  answer('too late');
  await setImmediate();
  expect(passed).toHaveLength(3);
});

test('without a name it is the address', async () => {
  const { passed, peers: one } = peers(Promise.resolve(undefined));
  one.event(connected);
  await setImmediate();
  expect(passed).toEqual([connected]);
});

test('MIT and ours name the same peer, whose name is in /etc/hosts', async () => {
  const lab = await Lab.create();
  try {
    await lab.dump();
    const port = await freePort();
    const { acl, fromMaster } = lab.replica;
    const args = ['-d', '-P', `${port}`, '-a', acl, '-f', fromMaster];
    const said: string[] = [];
    for (const [program, ...first] of [
      ['/usr/sbin/kpropd'],
      [process.execPath, ourProgram('kpropd')],
    ] as const) {
      // In a namespace of its own, with a file of names that has this address of an IPv6 peer.
      const script =
        'echo "fd00::1 kdc1.example.test" >hosts; mount --bind hosts /etc/hosts; ip link set lo up; ip -6 addr add fd00::1 dev lo nodad; exec "$@"';
      const kpropd = lab.start(
        'unshare',
        ['--mount', '--net', 'sh', '-ec', script, 'sh', program, ...first, ...args],
        { role: 'replica' },
      );
      await kpropd.until(() => kpropd.stdout.includes('ready'), 'kpropd');
      const connect = `import socket, time
for _ in range(200):
    try: socket.create_connection(('fd00::1', ${port})).close(); break
    except OSError: time.sleep(0.05)`;
      const entered = ['-t', `${kpropd.pid}`, '-n', 'python3', '-c', connect];
      expect(await lab.run('nsenter', entered)).toMatchObject({ status: 0 });
      await kpropd.until(() => /Connection from/.test(kpropd.stderr), 'the connection');
      said.push(/Connection from .*/.exec(kpropd.stderr)?.[0] ?? '');
      await kpropd.stop('SIGKILL');
    }
    expect(said).toEqual(Array(2).fill('Connection from kdc1.example.test'));
  } finally {
    await lab.close();
  }
});
