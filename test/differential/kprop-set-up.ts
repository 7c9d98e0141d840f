import { chmodSync, rmSync, writeFileSync } from 'node:fs';

import { kprop, lonelyKprop } from './kprop-command.ts';
import { dumpPath, krb5Conf } from './realm.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

const file = ['-f', dumpPath];
const replica = 'replica.lab.example';

/** A krb5.conf of the primary. */
const conf = (text: string) => (world: World) =>
  writeFileSync(world.path('/srv/primary/krb5.conf'), text);
const libdefaults = (relations: Readonly<Record<string, string>>) => conf(krb5Conf(relations));
const write = (path: string, bytes: string | Uint8Array) => (world: World) =>
  writeFileSync(world.path(path), bytes);
const keytab = '/srv/primary/krb5.keytab';
const to = (host: string) => ({ args: [...file, host] });

/** Configuration files, keytabs, and what the KDC says. */
export const kpropSetUp: readonly Scenario[] = [
  lonelyKprop('krb5.conf missing', { env: { KRB5_CONFIG: '/nonexistent' } }),
  kprop('krb5.conf missing, and -r', {
    args: [...file, '-r', 'LAB.EXAMPLE', replica],
    env: { KRB5_CONFIG: '/nonexistent' },
    peer: false,
  }),
  lonelyKprop('krb5.conf with a syntax error', { prepare: conf('[libdefaults]\nnonsense\n') }),
  lonelyKprop('krb5.conf that includes a missing file', {
    prepare: conf('include /nonexistent\n'),
  }),
  lonelyKprop('krb5.conf unreadable', {
    prepare: (world) => chmodSync(world.path('/srv/primary/krb5.conf'), 0),
    prelude: 'chown 1:1 /srv/primary/krb5.conf',
    bounded: true,
  }),
  lonelyKprop('krb5.conf without a default realm', { prepare: libdefaults({ default_realm: '' }) }),
  kprop('krb5.conf without a default realm, and -r', {
    prepare: libdefaults({ default_realm: '' }),
    args: [...file, '-r', 'LAB.EXAMPLE', replica],
  }),
  lonelyKprop('krb5.conf with a bad boolean', {
    prepare: libdefaults({ ignore_acceptor_hostname: 'perhaps' }),
  }),
  lonelyKprop('krb5.conf with a bad dns_canonicalize_hostname', {
    prepare: libdefaults({ dns_canonicalize_hostname: 'perhaps' }),
  }),
  lonelyKprop('krb5.conf that permits no encryption type', {
    prepare: libdefaults({ permitted_enctypes: 'nosuch' }),
  }),
  lonelyKprop('krb5.conf with a bad clockskew', { prepare: libdefaults({ clockskew: 'soon' }) }),
  kprop('KRB5_CONFIG with a missing file and a good one', {
    env: { KRB5_CONFIG: '/nonexistent:/srv/primary/krb5.conf' },
  }),
  lonelyKprop('KRB5_CONFIG that begins with an empty entry', {
    env: { KRB5_CONFIG: ':/srv/primary/krb5.conf' },
  }),
  kprop('KRB5_CONFIG whose first file wins', {
    prepare: write('/srv/run/first', '[libdefaults]\ndefault_realm = LAB.EXAMPLE\n'),
    env: { KRB5_CONFIG: '/srv/run/first:/srv/primary/krb5.conf' },
  }),
  lonelyKprop('KRB5_CONFIG that names a folder', { env: { KRB5_CONFIG: '/srv/run' } }),

  kprop('default_keytab_name', {
    prepare: libdefaults({ default_keytab_name: `FILE:${keytab}` }),
    env: { KRB5_KTNAME: undefined },
  }),
  lonelyKprop('default_keytab_name with an unknown token', {
    prepare: libdefaults({ default_keytab_name: 'FILE:%{nosuch}/keytab' }),
    env: { KRB5_KTNAME: undefined },
  }),
  lonelyKprop('KRB5_KTNAME of an unknown type', { env: { KRB5_KTNAME: 'NOSUCH:x' } }),
  lonelyKprop('KRB5_KTNAME that is empty', { env: { KRB5_KTNAME: '' } }),
  lonelyKprop('the keytab is missing', { env: { KRB5_KTNAME: '/nonexistent' } }),
  lonelyKprop('the keytab is missing, with preauthentication', {
    hostname: 'preauth.lab.example',
    env: { KRB5_KTNAME: '/nonexistent' },
  }),
  lonelyKprop('the keytab may not be read', {
    prelude: `chown 1:1 ${keytab}`,
    bounded: true,
  }),
  lonelyKprop('the keytab is garbage', { prepare: write(keytab, 'garbage') }),
  lonelyKprop('the keytab is empty', { prepare: write(keytab, '') }),
  lonelyKprop('the keytab has a header alone', { prepare: write(keytab, '\x05\x02') }),
  lonelyKprop('the keytab is a folder', { env: { KRB5_KTNAME: '/srv/run' } }),
  lonelyKprop('the keytab and the dump are missing', {
    args: ['-f', '/nonexistent', replica],
    env: { KRB5_KTNAME: '/nonexistent' },
  }),

  lonelyKprop('the keytab has no key of this host', { hostname: 'not-in-keytab.lab.example' }),
  lonelyKprop('the KDC does not know this host', { hostname: 'unknown-client.lab.example' }),
  lonelyKprop('the KDC does not know the replica', to('norecord.lab.example')),
  lonelyKprop('a stale key', { hostname: 'stale.lab.example' }),
  lonelyKprop('a stale key, and preauthentication', { hostname: 'stale-preauth.lab.example' }),
  kprop('preauthentication', {
    hostname: 'preauth.lab.example',
    prepare: write('/srv/replica/kpropd.acl', 'host/preauth.lab.example@LAB.EXAMPLE\n'),
  }),
  lonelyKprop('this host has expired', { hostname: 'expired.lab.example' }),
  lonelyKprop("this host's password has expired", { hostname: 'password-expired.lab.example' }),
  lonelyKprop('this host gets no tickets', { hostname: 'locked.lab.example' }),
  lonelyKprop('the replica is no service', to('no-service.lab.example')),
  lonelyKprop('the replica has expired', to('expired-service.lab.example')),
  lonelyKprop('nobody gets tickets for the replica', to('locked-service.lab.example')),
  lonelyKprop('a realm without a KDC', { prepare: conf(krb5Conf({}, '[realms]\n')) }),
  lonelyKprop('a KDC that refuses connections', {
    prepare: conf(krb5Conf({}, '[realms]\nLAB.EXAMPLE = {\nkdc = 192.0.2.1:89\n}\n')),
  }),
  lonelyKprop('a KDC whose name does not resolve', {
    prepare: conf(krb5Conf({}, '[realms]\nLAB.EXAMPLE = {\nkdc = nosuch.lab.example\n}\n')),
  }),
  kprop('a KDC that refuses connections, and one that answers', {
    prepare: conf(
      krb5Conf({}, '[realms]\nLAB.EXAMPLE = {\nkdc = 192.0.2.1:89\nkdc = 192.0.2.1\n}\n'),
    ),
  }),
  lonelyKprop('a KDC of another realm', {
    prepare: conf(
      krb5Conf(
        { default_realm: 'OTHER.EXAMPLE' },
        '[realms]\nOTHER.EXAMPLE = {\nkdc = 192.0.2.1\n}\n',
      ),
    ),
  }),

  kprop('the host in upper case', to('REPLICA.Lab.Example')),
  kprop('the host with a trailing dot', to('replica.lab.example.')),
  kprop('a short host', { ...to('replica'), peer: { hostname: 'replica' } }),
  lonelyKprop('an address', to('192.0.2.2')),
  kprop('a short host and qualify_shortname', {
    prepare: libdefaults({ qualify_shortname: 'lab.example' }),
    ...to('replica'),
  }),
  kprop('a short host and a search domain', {
    prepare: (world) => {
      libdefaults({ qualify_shortname: '' })(world);
      write('/etc/resolv.conf', 'search lab.example other.example\n')(world);
    },
    ...to('replica'),
  }),
  kprop('a short local name and qualify_shortname', {
    prepare: libdefaults({ qualify_shortname: 'lab.example' }),
    hostname: 'primary',
  }),
  kprop('a local name in upper case', { hostname: 'PRIMARY.Lab.Example' }),
  kprop('dns_canonicalize_hostname = true, a short host', {
    prepare: libdefaults({ dns_canonicalize_hostname: 'true' }),
    ...to('replica'),
  }),
  kprop('dns_canonicalize_hostname = true and rdns', {
    prepare: (world) => {
      libdefaults({ dns_canonicalize_hostname: 'true', rdns: 'true' })(world);
      write(
        '/etc/hosts',
        '192.0.2.1 primary.lab.example\n192.0.2.2 replica.lab.example other\n',
      )(world);
    },
    ...to('other'),
  }),
  lonelyKprop('dns_canonicalize_hostname = true, and rdns says something else', {
    prepare: (world) => {
      libdefaults({ dns_canonicalize_hostname: 'true', rdns: 'true' })(world);
      write(
        '/etc/hosts',
        '192.0.2.1 primary.lab.example\n192.0.2.2 norecord.lab.example\n192.0.2.2 replica.lab.example\n',
      )(world);
    },
    ...to('replica.lab.example'),
  }),
  lonelyKprop('dns_canonicalize_hostname = true, a host that nobody knows', {
    prepare: libdefaults({ dns_canonicalize_hostname: 'true' }),
    ...to('nosuch.lab.example'),
  }),
  lonelyKprop('dns_canonicalize_hostname = fallback, a short host', {
    prepare: libdefaults({ dns_canonicalize_hostname: 'fallback' }),
    ...to('replica'),
  }),
  lonelyKprop('dns_canonicalize_hostname = fallback, upper case', {
    prepare: libdefaults({ dns_canonicalize_hostname: 'fallback' }),
    ...to('UPPER.lab.example'),
  }),
  kprop('dns_canonicalize_hostname = fallback, a short local name', {
    prepare: libdefaults({ dns_canonicalize_hostname: 'fallback' }),
    hostname: 'preauth',
    peer: false,
  }),
  lonelyKprop('a host that resolves to nothing', to('replica.lab.example.nosuch')),
  lonelyKprop('an empty host', to('')),
  lonelyKprop('a host that resolves to nothing, through DNS', {
    prepare: (world) => {
      rmSync(world.path('/etc/nsswitch.conf'));
      write('/etc/nsswitch.conf', 'hosts: files dns\nservices: files\n')(world);
      write('/etc/hosts', '192.0.2.1 primary.lab.example\n')(world);
    },
  }),
];
