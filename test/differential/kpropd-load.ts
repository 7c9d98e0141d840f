import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { kpropd, kpropdBothWays, loader, write } from './kpropd-command.ts';
import { dumpPath, krb5Conf, realm } from './realm.ts';
import type { Scenario } from './scenario.ts';
import type { Run, World } from './world.ts';

const conf = '/srv/replica/krb5.conf';
const temporary = '/srv/replica/from_master.temp';
const withLoader = ['-p', '/srv/run/loader'];
/** iprop_resync_timeout counts from the accept. */
const timeout = (seconds: number) => (world: World) =>
  writeFileSync(
    world.path(conf),
    krb5Conf(
      {},
      `[realms]\n  ${realm} = {\n    kdc = 192.0.2.1\n    iprop_resync_timeout = ${seconds}\n  }\n`,
    ),
  );

/** Keys, replay caches, the spool, the loader. */
export const kpropdLoad: readonly Scenario[] = [
  ...kpropdBothWays('kpropd: the keytab is missing', { env: { KRB5_KTNAME: '/nonexistent' } }),
  ...kpropdBothWays('kpropd: the keytab is garbage', {
    prepare: write('/srv/replica/krb5.keytab', 'garbage'),
  }),
  kpropd('kpropd: the keytab is empty', { prepare: write('/srv/replica/krb5.keytab', '') }),
  kpropd('kpropd: -s with a path', {
    args: ['-d', '-s', '/srv/replica/krb5.keytab'],
    env: { KRB5_KTNAME: '/nonexistent' },
  }),
  kpropd('kpropd: KRB5_KTNAME of an unknown type', { env: { KRB5_KTNAME: 'NOSUCH:x' } }),
  kpropd('kpropd: no key of its own', { hostname: 'norecord.lab.example' }),
  kpropd('kpropd: ignore_acceptor_hostname', {
    hostname: 'other-key.lab.example',
    prepare: write(conf, krb5Conf({ ignore_acceptor_hostname: 'true' })),
  }),
  kpropd('kpropd: dns_canonicalize_hostname = fallback', {
    prepare: write(conf, krb5Conf({ dns_canonicalize_hostname: 'fallback' })),
    hostname: 'replica',
  }),
  ...kpropdBothWays('kpropd: permitted_enctypes', {
    prepare: write(conf, krb5Conf({ permitted_enctypes: 'aes128-cts' })),
  }),

  ...kpropdBothWays('kpropd: the folder of the replay cache is missing', {
    env: { KRB5RCACHEDIR: '/nonexistent' },
  }),
  kpropd('kpropd: TMPDIR', { env: { TMPDIR: '/srv/run' } }),
  kpropd('kpropd: KRB5RCACHENAME none:', { env: { KRB5RCACHENAME: 'none:' } }),
  kpropd('kpropd: KRB5RCACHENAME file2:', { env: { KRB5RCACHENAME: 'file2:/srv/run/x.rcache2' } }),
  kpropd('kpropd: KRB5RCACHENAME dfl: with a name', { env: { KRB5RCACHENAME: 'dfl:x' } }),
  kpropd('kpropd: KRB5RCACHENAME of an unknown type', { env: { KRB5RCACHENAME: 'nosuch:' } }),
  kpropd('kpropd: KRB5RCACHENAME without a type', { env: { KRB5RCACHENAME: 'nosuch' } }),
  kpropd('kpropd: KRB5RCACHETYPE', { env: { KRB5RCACHETYPE: 'none' } }),
  kpropd('kpropd: default_rcache_name', {
    prepare: write(conf, krb5Conf({ default_rcache_name: 'file2:/srv/run/%{uid}.rcache2' })),
  }),
  kpropd('kpropd: the replay cache is a link', {
    prelude: 'ln -s /srv/run/elsewhere.rcache2 /var/tmp/krb5_0.rcache2',
  }),
  kpropd('kpropd: the replay cache is of somebody else', {
    prelude: 'touch /var/tmp/krb5_0.rcache2; chown 1:1 /var/tmp/krb5_0.rcache2',
  }),

  ...kpropdBothWays('kpropd: the spool folder is missing', { args: ['-f', '/nonexistent/x'] }),
  kpropd('kpropd: the spool file is a folder', {
    prepare: (world) => mkdirSync(world.path('/srv/replica/from_master')),
  }),
  kpropd('kpropd: the temporary file is a folder', {
    prepare: (world) => mkdirSync(world.path(temporary)),
  }),
  kpropd('kpropd: left-overs with other modes', {
    prepare: (world) => {
      for (const path of [temporary, '/srv/replica/from_master']) {
        writeFileSync(world.path(path), 'left over from before'.repeat(5000));
        chmodSync(world.path(path), 0o644);
      }
    },
  }),
  kpropd('kpropd: the spool file is of somebody else', {
    prelude: 'touch /srv/replica/from_master; chown 1:1 /srv/replica/from_master',
  }),
  ...['-d', '-D'].map(
    (way): Scenario => ({
      name: `kpropd: the temporary file is locked, ${way}`,
      act: async (stage) => {
        const script = `import fcntl, time
f = open("${temporary}", "w+b")
fcntl.lockf(f, fcntl.LOCK_EX)
open("/srv/run/locked", "w").close()
time.sleep(60)`;
        const holder = stage.world.start({ program: 'python3', args: ['-c', script] });
        await holder.until(() => existsSync(stage.world.path('/srv/run/locked')), 'the lock');
        const server = await stage.serve({ args: [way] });
        await stage.send();
        holder.kill();
        await holder.ended;
        await stage.finish(server);
      },
    }),
  ),
  {
    name: 'kpropd: the disk is full',
    act: async (stage) => {
      const prelude =
        'mkdir /srv/run/small; mount -t tmpfs -o size=16k,mode=755 tmpfs /srv/run/small';
      const server = await stage.serve({ args: ['-d', '-f', '/srv/run/small/x'], prelude });
      await stage.send();
      await stage.finish(server);
      await stage.world.run({ program: 'umount', args: ['/srv/run/small'] });
      rmSync(stage.world.path('/srv/run/small'), { recursive: true });
    },
  },

  // With -d, two processes of MIT's write to stderr at once, and into each other's lines.
  kpropd('kpropd: the loader is missing, -D', { args: ['-D', '-p', '/nonexistent'] }),
  kpropd('kpropd: the loader is no program', {
    prepare: loader('exit 0', 0o644),
    args: ['-D', ...withLoader],
  }),
  kpropd('kpropd: the loader is a folder', { args: ['-D', '-p', '/srv/run'] }),
  ...kpropdBothWays('kpropd: the loader fails', {
    prepare: loader('echo some words >&2; exit 7'),
    args: withLoader,
  }),
  ...kpropdBothWays('kpropd: the loader is killed', {
    prepare: loader('kill -9 $$'),
    args: withLoader,
  }),
  kpropd('kpropd: what the loader is given', {
    prepare: loader('for word; do echo "<$word>"; done; env | grep -v "^_=" | sort; pwd; umask'),
    args: ['-d', ...withLoader],
  }),
  kpropd('kpropd: what the loader is given with -r, -F, and a relative -f', {
    prepare: loader('echo "$0"; for word; do echo "<$word>"; done'),
    args: ['-d', '-r', realm, '-F', '/srv/run/db', '-f', 'from_master', ...withLoader],
    folder: '/srv/replica',
  }),
  kpropd('kpropd: -F', { args: ['-d', '-F', '/srv/run/principal'] }),
  kpropd('kpropd: a dump that kdb5_util does not know', {
    prepare: write('/srv/primary/bad', 'nonsense\n'),
    sender: { args: ['-f', '/srv/primary/bad'], prelude: 'touch /srv/primary/bad.dump_ok' },
  }),
  kpropd('kpropd: an empty dump', {
    prepare: write('/srv/primary/empty', ''),
    sender: { args: ['-f', '/srv/primary/empty'], prelude: 'touch /srv/primary/empty.dump_ok' },
  }),
  kpropd('kpropd: a large dump with a bad record', {
    args: ['-D'],
    prepare: write(
      '/srv/primary/bad',
      `kdb5_util load_dump version 7\nprinc\t38\tgarbage\n${'princ\t38\tx\t-1;\n'.repeat(2_000_000)}`,
    ),
    sender: {
      args: ['-f', '/srv/primary/bad'],
      // Without the master key ours would refuse it for that.
      prelude: `grep K/M@ ${dumpPath} >>/srv/primary/bad; touch /srv/primary/bad.dump_ok`,
    },
  }),
  ...['-d', '-D'].map(
    (way): Scenario => ({
      name: `kpropd: the time is over during the load, ${way}`,
      prepare: (world) => {
        timeout(1)(world);
        loader('sleep 2; : >/srv/run/promoted')(world);
      },
      act: async (stage) => {
        const server = await stage.serve({ args: [way, ...withLoader] });
        await stage.send();
        await sleep(2000); // a loader that lives on has ended by then
        await stage.finish(server);
      },
    }),
  ),
  ...['-d', '-D'].map(
    (way): Scenario => ({
      name: `kpropd: the time is over while it waits for a sender's words, ${way}`,
      prepare: timeout(1),
      act: async (stage) => {
        const server = await stage.serve({ args: [way] });
        const script = 'import socket; s = socket.create_connection(("192.0.2.2", 754)); s.recv(9)';
        await stage.world.run({ program: 'python3', args: ['-c', script] });
        await sleep(50);
        await stage.finish(server);
      },
    }),
  ),
  {
    name: 'kpropd: a propagation behind a peer that says nothing',
    act: async (stage) => {
      const server = await stage.serve({ args: ['-D'] });
      const peer = stage.world.start(silentFor(3));
      await peer.until(() => existsSync(stage.world.path('/srv/run/connected')), 'the peer');
      await stage.send();
      await peer.ended;
      await stage.finish(server);
    },
  },
  {
    name: 'kpropd: a peer that says nothing for 11 s',
    act: async (stage) => {
      const server = await stage.serve({ args: ['-D'] });
      const { stdout } = await stage.world.run(silentFor(11));
      stage.note(stdout);
      await stage.finish(server);
    },
  },
];

/** Connects, and says how the server ends it, or leaves. */
function silentFor(seconds: number): Run {
  const script = `import socket
s = socket.create_connection(("192.0.2.2", 754))
open("/srv/run/connected", "w").close()
s.settimeout(${seconds})
try:
  print("closed" if s.recv(9) == b"" else "told something")
except socket.timeout:
  print("waited for")
except OSError:
  print("reset")`;
  return { program: 'python3', args: ['-c', script] };
}
