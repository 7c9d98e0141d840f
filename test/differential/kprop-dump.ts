import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { kprop, lonelyKprop } from './kprop-command.ts';
import { dumpPath } from './realm.ts';
import { childrenOf, kpropdArgs, type Scenario } from './scenario.ts';
import type { World } from './world.ts';

const replica = 'replica.lab.example';
const ok = `${dumpPath}.dump_ok`;
const lastProp = `${dumpPath}.${replica}.last_prop`;
const remove = (path: string) => (world: World) => rmSync(world.path(path));
const touch = (path: string, seconds: number) => (world: World) =>
  utimesSync(world.path(path), seconds, seconds);

/** A python3 that holds a lock on the dump while kprop runs. */
function whileLocked(name: string, python: string, o: { readonly peer: boolean }): Scenario {
  return {
    name,
    act: async (stage) => {
      const script = `import fcntl, struct, sys, time
f = open("${dumpPath}", "r+b")
${python}
open("/srv/run/locked", "w").close()
time.sleep(60)`;
      const holder = stage.world.start({ program: 'python3', args: ['-c', script] });
      await holder.until(() => existsSync(stage.world.path('/srv/run/locked')), 'the lock');
      if (o.peer) {
        const args = kpropdArgs();
        await stage.listen({ program: 'mit kpropd', role: 'replica', args });
      }
      await stage.run('kprop', { args: ['-f', dumpPath, replica] });
      holder.kill();
      await holder.ended;
    },
  };
}
const flockOf = (type: string, start: string) =>
  `struct.pack("hhqqi4x", fcntl.${type}, 0, ${start}, 0, 0)`;

/** The dump, its marker, and the mark of the last propagation. */
export const kpropDump: readonly Scenario[] = [
  lonelyKprop('the dump is missing', { prepare: remove(dumpPath) }),
  lonelyKprop('the dump may not be read', { prelude: `chown 1:1 ${dumpPath}`, bounded: true }),
  kprop('the dump is a folder', {
    args: ['-f', '/srv/run/x', replica],
    prepare: (world) => {
      mkdirSync(world.path('/srv/run/x'));
      writeFileSync(world.path('/srv/run/x.dump_ok'), '');
    },
    peer: {},
  }),
  lonelyKprop('the dump is a folder without a marker', { args: ['-f', '/srv/run', replica] }),
  lonelyKprop('an empty path of the dump', { args: ['-f', '', replica] }),
  lonelyKprop('the marker is missing', { prepare: remove(ok) }),
  lonelyKprop('the marker is older', { prepare: touch(ok, 1_700_000_000) }),
  kprop('the marker is older within a second', {
    prepare: (world) => {
      touch(dumpPath, 1_700_000_000.9)(world);
      touch(ok, 1_700_000_000.1)(world);
    },
  }),
  kprop('the marker is a folder', {
    prepare: (world) => {
      remove(ok)(world);
      mkdirSync(world.path(ok));
    },
  }),
  kprop('the dump is empty', {
    prepare: (world) => {
      writeFileSync(world.path(dumpPath), '');
      touch(dumpPath, 1_700_000_000)(world);
    },
  }),
  kprop('a dump of whole blocks', {
    prepare: (world) => {
      writeFileSync(world.path(dumpPath), `kdb5_util load_dump version 7\n${'\n'.repeat(65_506)}`);
      touch(dumpPath, 1_700_000_000)(world);
    },
    args: ['-d', '-f', dumpPath, replica],
  }),
  whileLocked('a POSIX lock, exclusive', 'fcntl.lockf(f, fcntl.LOCK_EX)', { peer: false }),
  whileLocked(
    'a POSIX lock, exclusive, on one byte far behind',
    'fcntl.lockf(f, fcntl.LOCK_EX, 1, 2**40)',
    { peer: false },
  ),
  whileLocked('an OFD lock, exclusive', `fcntl.fcntl(f, 37, ${flockOf('F_WRLCK', '0')})`, {
    peer: false,
  }),
  whileLocked('a POSIX lock, shared', 'fcntl.lockf(f, fcntl.LOCK_SH)', { peer: true }),
  whileLocked('a lock of flock, exclusive', 'fcntl.flock(f, fcntl.LOCK_EX)', { peer: true }),
  kprop('the mark of the last propagation exists', {
    prepare: (world) => {
      writeFileSync(world.path(lastProp), 'something longer');
      chmodSync(world.path(lastProp), 0o644);
    },
  }),
  kprop('the mark of the last propagation is a folder', {
    prepare: (world) => mkdirSync(world.path(lastProp)),
  }),
  kprop('the mark of the last propagation may not be made', {
    prelude: 'chmod 555 /srv/primary',
    bounded: true,
  }),
  kprop('a loose umask', { prelude: 'umask 0' }),
  kprop('a strict umask', { prelude: 'umask 0777' }),
  {
    name: 'the dump grows while it is sent',
    act: async (stage) => {
      const { world } = stage;
      const path = world.path(dumpPath);
      // More than the sockets hold, so that kprop waits for a kpropd that was stopped; and so much
      // that it is stopped in time on a busy machine, too.
      writeFileSync(path, `kdb5_util load_dump version 7\n${'\n'.repeat(100_000_000)}`);
      touch(dumpPath, 1_700_000_000)(world);
      const args = kpropdArgs(['-d']);
      const kpropd = await stage.listen({ program: 'mit kpropd', role: 'replica', args });
      const sent = stage.run('kprop', { args: ['-f', dumpPath, replica] });
      await kpropd.until(() => kpropd.stderr.includes('transfer started'), 'the transfer');
      const child = Number(childrenOf(kpropd.pid));
      process.kill(child, 'SIGSTOP');
      await sleep(100);
      appendFileSync(path, 'more\n');
      touch(dumpPath, 1_700_000_000)(world);
      process.kill(child, 'SIGCONT');
      await sent;
    },
  },
];
