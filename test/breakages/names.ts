import { chmodSync, chownSync, writeFileSync } from 'node:fs';

import { krb5Conf } from '../differential/realm.ts';
import type { World } from '../differential/world.ts';
import { type Breakage, kadmin, query, replica, server } from './breakage.ts';

const conf = (libdefaults: Readonly<Record<string, string>>, more?: string) => (world: World) =>
  writeFileSync(world.path('/srv/primary/krb5.conf'), krb5Conf(libdefaults, more));
const write = (path: string, text: string) => (world: World) =>
  writeFileSync(world.path(path), text);
const keytab = '/srv/primary/krb5.keytab';
/** A keytab with the key of one principal, and no other. */
const ownKeytab = (path: string, principal: string) =>
  query(`ktadd -norandkey -k ${path} ${principal}`);
const canonical = { dns_canonicalize_hostname: 'true' };
const hosts = (first: string) =>
  write('/etc/hosts', `127.0.0.1 localhost\n${first}\n192.0.2.2 replica.lab.example replica\n`);

/** Realms, configuration files, and the names that are made of names. */
export const nameBreakages: readonly Breakage[] = [
  {
    name: 'no default_realm',
    break: conf({ default_realm: '' }),
    choose: () => 'set `default_realm = LAB.EXAMPLE` in [libdefaults] of /srv/primary/krb5.conf',
  },
  {
    name: '`KRB5_CONFIG` names no file',
    kprop: { env: { KRB5_CONFIG: '/srv/nowhere.conf' } },
    choose: (fix) => `${fix.split(',')[0]}, and \`unset KRB5_KTNAME\``,
    break: (world) =>
      kadmin(world, 'ktadd -norandkey -k /etc/krb5.keytab host/primary.lab.example'),
  },
  {
    name: '`KRB5_CONFIG` names no file, and there is `-r`',
    kprop: { env: { KRB5_CONFIG: '/srv/nowhere.conf' }, args: ['-r', 'LAB.EXAMPLE'] },
  },
  {
    name: 'krb5.conf with a line that means nothing',
    break: (world) => write('/srv/primary/krb5.conf', `nonsense\n${krb5Conf()}nonsense\n`)(world),
    choose: (fix) => fix.replace(/correct (line \d+)/, 'remove $1'),
  },
  {
    name: 'krb5.conf that includes a file that is not there',
    break: (world) => write('/srv/primary/krb5.conf', `include /nonexistent\n${krb5Conf()}`)(world),
    choose: (fix) => fix.replace('correct or ', ''),
  },
  {
    name: 'a boolean in krb5.conf that is none',
    break: conf({ ignore_acceptor_hostname: 'perhaps' }),
    choose: () =>
      'set `ignore_acceptor_hostname = false` in [libdefaults] of /srv/primary/krb5.conf',
  },
  {
    name: 'permitted_enctypes names nothing that exists',
    break: conf({ permitted_enctypes: 'aes512' }),
    choose: () => 'set `permitted_enctypes = aes` in [libdefaults] of /srv/primary/krb5.conf',
  },
  {
    name: 'no `kdc` line for the realm',
    break: conf({}, '[realms]\n  LAB.EXAMPLE = {\n  }\n'),
    choose: (fix) => fix.replace('kdc = HOST', 'kdc = 192.0.2.1').split(', or')[0] ?? '',
  },
  {
    name: 'the name of the KDC does not resolve',
    break: conf({}, '[realms]\n  LAB.EXAMPLE = {\n    kdc = nosuch.lab.example\n  }\n'),
    choose: () => 'set `kdc = 192.0.2.1` in [realms] LAB.EXAMPLE of /srv/primary/krb5.conf',
  },
  {
    name: 'the wrong `-r`',
    kprop: { args: ['-r', 'LAB.EXAMPEL'] },
  },
  {
    name: 'the wrong default_realm',
    break: conf({ default_realm: 'LAB.EXAMPEL' }),
  },
  {
    name: "this host's name is short",
    break: ownKeytab('/srv/primary/own.keytab', 'host/primary.lab.example'),
    kprop: { hostname: 'primary', env: { KRB5_KTNAME: '/srv/primary/own.keytab' } },
  },
  {
    name: '/etc/hosts has the short name first',
    break: async (world) => {
      conf(canonical)(world);
      hosts('192.0.2.1 primary primary.lab.example')(world);
      await ownKeytab('/srv/primary/own.keytab', 'host/primary.lab.example')(world);
    },
    kprop: { env: { KRB5_KTNAME: '/srv/primary/own.keytab' } },
  },
  {
    name: 'this host was renamed, its keytab was not',
    break: ownKeytab('/srv/primary/own.keytab', 'host/primary.lab.example'),
    kprop: { hostname: 'kdc7.lab.example', env: { KRB5_KTNAME: '/srv/primary/own.keytab' } },
    choose: (fix) => (/run `hostnamectl[^`]*`/.exec(fix) ?? [''])[0],
  },
  {
    name: 'the replica by a short name that the KDC does not have',
    break: query('delprinc -force host/replica'),
    kprop: { host: 'replica' },
  },
  {
    name: "/etc/hosts has the replica's short name first",
    break: async (world) => {
      conf(canonical)(world);
      write(
        '/etc/hosts',
        '127.0.0.1 localhost\n192.0.2.1 primary.lab.example\n192.0.2.2 replica replica.lab.example\n',
      )(world);
      await kadmin(world, 'delprinc -force host/replica');
    },
    kprop: { host: 'replica.lab.example' },
  },
  {
    name: 'the replica by its address',
    break: query('delprinc -force host/192.0.2.2'),
    kprop: { host: '192.0.2.2' },
  },
  {
    name: 'the replica by a name that does not resolve',
    break: query('addprinc -randkey host/replicate.lab.example'),
    kprop: { host: 'replicate.lab.example' },
    choose: () => `give kprop the name \`${replica}\``,
  },
  {
    name: 'no replica is named',
    kprop: { operands: [] },
    choose: () => `give kprop the name \`${replica}\``,
  },
  {
    name: 'two replicas are named',
    kprop: { operands: [replica, 'replica2.lab.example'] },
    choose: () => `give kprop the name \`${replica}\``,
  },
  {
    name: '`--expect` names another replica',
    kprop: { args: ['--expect', 'host/other.lab.example'] },
    choose: () => `run kprop with \`--expect ${server}\``,
  },
  {
    name: '`-P` names a service that /etc/services lacks',
    kprop: { args: ['-P', 'krb5_porp'] },
  },
  {
    name: 'nobody has started kpropd',
    kpropd: 'none',
  },
  {
    name: '`-P` is not the port of kpropd',
    kprop: { args: ['-P', '7777'] },
    choose: () => 'run kprop with `-P 754`',
  },
  {
    name: 'the keytab is not there',
    kprop: { env: { KRB5_KTNAME: '/srv/primary/none.keytab' } },
  },
  {
    name: 'the keytab is garbage',
    break: write(keytab, 'garbage'),
  },
  {
    name: 'the keytab is empty',
    break: write(keytab, ''),
  },
  {
    name: 'the keytab holds nothing of this host',
    break: ownKeytab('/srv/primary/other.keytab', 'HTTP/www.lab.example@LAB.EXAMPLE'),
    kprop: { env: { KRB5_KTNAME: '/srv/primary/other.keytab' } },
  },
  {
    name: 'the keytab may not be read',
    break: (world) => {
      chmodSync(world.path(keytab), 0o600);
      chownSync(world.path(keytab), 1, 1);
    },
    kprop: { bounded: true },
  },
  {
    name: '`-s` is of a kind that does not exist',
    kprop: { args: ['-s', `SRVTAB:${keytab}`] },
    choose: () => `run kprop with \`-s FILE:${keytab}\``,
  },
];
