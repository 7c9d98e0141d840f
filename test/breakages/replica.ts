import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

import { krb5Conf } from '../differential/realm.ts';
import type { World } from '../differential/world.ts';
import { type Breakage, client, host, kadmin, query, server } from './breakage.ts';

const aclFile = '/etc/krb5kdc/kpropd.acl';
const other = `host/${host('other')}@LAB.EXAMPLE`;
const acl =
  (...lines: readonly string[]) =>
  (world: World) =>
    writeFileSync(world.path(aclFile), lines.map((line) => `${line}\n`).join(''));
const write =
  (path: string, text: string, mode = 0o600) =>
  (world: World) =>
    writeFileSync(world.path(path), text, { mode });
const loader = (script: string, mode = 0o755) =>
  write('/srv/run/loader', `#!/bin/sh\n${script}\n`, mode);
const withLoader = (...more: readonly string[]) => ({
  args: ['--load=kdb5_util', '-p', '/srv/run/loader', ...more],
});
const log = { read: 'kpropd' } as const;
/** Who is bound by file modes may not have a port below 1024. */
const bounded = (...args: readonly string[]) => ({
  kpropd: { args: ['-P', '7540', ...args], bounded: true },
  kprop: { args: ['-P', '7540'] },
});
const short = client.replace(/@.*/, '');

/** kpropd.acl. */
export const aclBreakages: readonly Breakage[] = [
  { name: 'there is no kpropd.acl', break: (world) => rmSync(world.path(aclFile)) },
  { name: 'kpropd.acl has another host', break: acl(other) },
  { name: 'the same, read on the replica', break: acl(other), ...log },
  { name: 'a line of kpropd.acl lacks the realm', break: acl(other, short) },
  { name: 'a line of kpropd.acl begins with a blank', break: acl(other, ` ${client}`) },
  { name: 'a line of kpropd.acl has a wildcard', break: acl('host/*@LAB.EXAMPLE') },
  {
    name: 'a line of kpropd.acl demands another encryption type',
    break: acl(`${client} aes128-sha1`),
  },
  { name: 'the same, read on the replica', break: acl(`${client} aes128-sha1`), ...log },
  {
    name: 'a line of kpropd.acl has an encryption type that does not exist',
    break: acl(`${client} aes512`),
  },
  { name: 'a line of kpropd.acl is a comment', break: acl(`# ${client}`, other) },
  { name: 'a line of kpropd.acl is in capitals', break: acl(client.toUpperCase()) },
  { name: 'a line of kpropd.acl has another realm', break: acl(`${short}@LAB.EXAMPEL`) },
  { name: 'a line of kpropd.acl goes on behind the principal', break: acl(`${client},`) },
];

/** The replica's keytab, name, files and loader. */
export const replicaBreakages: readonly Breakage[] = [
  {
    name: "kpropd's keytab is not there",
    break: (world) => rmSync(world.path('/etc/krb5.keytab')),
  },
  { name: "kpropd's keytab is garbage", break: write('/etc/krb5.keytab', 'garbage'), ...log },
  {
    name: "kpropd's keytab may not be read",
    break: (world) => chownSync(world.path('/etc/krb5.keytab'), 1, 1),
    ...bounded(),
  },
  {
    name: "kpropd's key is older than the KDC's",
    break: query(`cpw -randkey ${server}`),
  },
  {
    name: "the replica's principal was made anew: its key has a lower version",
    break: async (world) => {
      for (let kvno = 2; kvno <= 3; kvno++) {
        await kadmin(world, `ktadd -k /etc/krb5.keytab ${server}`);
      }
      await kadmin(world, `delprinc -force ${server}`);
      await kadmin(world, `addprinc -randkey ${server}`);
    },
  },
  {
    name: 'the name of the replica is short',
    break: async (world) => {
      rmSync(world.path('/etc/krb5.keytab'));
      await kadmin(world, `ktadd -norandkey -k /etc/krb5.keytab ${server}`);
    },
    kpropd: { hostname: 'replica' },
  },
  {
    name: 'the replica was renamed, its keytab was not',
    break: async (world) => {
      rmSync(world.path('/etc/krb5.keytab'));
      await kadmin(world, `ktadd -norandkey -k /etc/krb5.keytab ${server}`);
    },
    kpropd: { hostname: 'replica7.lab.example' },
    ...log,
  },
  {
    name: 'kpropd is told another realm (`-r`)',
    kpropd: { args: ['-r', 'LAB.EXAMPEL'] },
    ...log,
  },
  {
    name: 'the folder of the received dump is not there',
    kpropd: { args: ['-f', '/srv/run/folder/from_master'] },
    ...log,
  },
  {
    name: 'the folder of the received dump may not be written to',
    break: (world) => {
      mkdirSync(world.path('/srv/run/folder'));
      chownSync(world.path('/srv/run/folder'), 1, 1);
    },
    ...bounded('-f', '/srv/run/folder/from_master'),
  },
  {
    name: 'the file system of the received dump is read-only',
    break: async (world) => {
      mkdirSync(world.path('/srv/run/disk'));
      const args = ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', '/srv/run/disk'];
      await world.must({ program: '/bin/mount', args });
    },
    kpropd: { args: ['-f', '/srv/run/disk/from_master'] },
  },
  {
    name: 'the folder of the database is not there',
    break: async (world) => {
      const conf = world.path('/etc/krb5kdc/kdc.conf');
      writeFileSync(
        conf,
        '[realms]\n  LAB.EXAMPLE = {\n    database_name = /srv/run/db/principal\n    key_stash_file = /srv/replica/stash\n  }\n',
      );
    },
    ...log,
  },
  {
    name: 'the received dump is locked by another program',
    break: async (world) => {
      const script = `import fcntl, time
f = open('/var/lib/krb5kdc/from_master.temp', 'w'); fcntl.lockf(f, fcntl.LOCK_EX)
print('locked', flush=True); time.sleep(60)`;
      const held = world.start({ program: '/usr/bin/python3', args: ['-c', script] });
      await held.until(() => held.stdout.includes('locked'), 'a lock');
      writeFileSync(world.path('/srv/run/holder'), `${held.pid}`);
    },
    choose: (fix) => `${fix.split(',')[0]}: run \`kill $(cat /srv/run/holder)\``,
    ...log,
  },
  {
    name: 'kdb5_util is missing on the replica',
    kpropd: { args: ['--load=kdb5_util', '-p', '/srv/run/kdb5_util'] },
    choose: () => 'start kpropd with `-p /usr/sbin/kdb5_util`',
  },
  {
    name: 'kdb5_util is not executable',
    break: loader('exec /usr/sbin/kdb5_util "$@"', 0o644),
    kpropd: withLoader(),
  },
  {
    name: 'kdb5_util is killed',
    break: loader(
      '[ -e /srv/run/once ] || { touch /srv/run/once; kill -9 $$; }; exec /usr/sbin/kdb5_util "$@"',
    ),
    kpropd: withLoader(),
    choose: (fix) => fix.split(';')[0] ?? '',
  },
  {
    name: 'kdb5_util is too slow',
    break: loader('sleep 3; exec /usr/sbin/kdb5_util "$@"'),
    kpropd: withLoader('--timeout=2'),
    choose: (fix) => `${fix.split(', or')[0]}`.replace('--timeout=8', '--timeout=20'),
  },
  {
    name: 'the dump is larger than `--max-dump`',
    kpropd: { args: ['--max-dump=1000'] },
    choose: (fix) => fix.replace(/^if [^,]*, /, ''),
  },
  {
    name: 'the folder of the replay cache is not there',
    kpropd: { env: { KRB5RCACHEDIR: '/srv/run/rcache' } },
    ...log,
  },
  {
    name: 'the replica permits other encryption types',
    break: write('/etc/krb5.conf', krb5Conf({ permitted_enctypes: 'camellia' })),
    choose: () =>
      'on the replica, set `permitted_enctypes = aes` in [libdefaults] of /etc/krb5.conf',
  },
];
