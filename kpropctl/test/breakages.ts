import { chmodSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Finding } from '../src/doctor/finding.ts';
import type { ControlRealm, Replica } from './realm.ts';

/** A realm that is broken on purpose, and what doctor has to say about it. */
export interface Breakage {
  readonly break: () => Promise<unknown> | unknown;
  readonly on: string;
  readonly check: string;
  readonly what: RegExp;
  readonly fix: RegExp;
  /** `failure` unless given. */
  readonly state?: Finding['state'];
}

/** With a replica of ours and one of MIT's. */
export function breakagesOf(
  realm: ControlRealm,
  { ours, mit }: { readonly ours: Replica; readonly mit: Replica },
): Readonly<Record<string, Breakage>> {
  const { lab } = realm;
  const dump = join(lab.primary.folder, 'to-send');
  const here = 'here';
  const inKdc =
    (...queries: readonly string[]) =>
    () =>
      realm.kadminLocal(queries);
  const edited = (file: string, change: (text: string) => string) => () =>
    writeFileSync(file, change(readFileSync(file, 'latin1')), 'latin1');
  const spoilt = (change: (text: string) => string) => () => {
    edited(dump, change)();
    // Younger than the dump, as kdb5_util leaves it.
    writeFileSync(`${dump}.dump_ok`, '\0');
  };
  const longAgo = new Date('2020-01-01');
  return {
    ...Object.fromEntries(
      [ours, mit].map((replica) => [
        `the ACL of ${replica === ours ? 'ours' : "MIT's"} lacks this host`,
        {
          break: () => writeFileSync(replica.site.acl, 'host/other@LAB.EXAMPLE\n'),
          ...{ on: replica.host, check: 'ACL' },
          ...(replica === ours
            ? {
                what: /^not in the ACL: kpropd on/,
                fix: /^add this line to \/etc\/krb5kdc\/kpropd\.acl on 127\.0\.0\.1\d: {3}host\/\S+$/,
              }
            : {
                // MIT's says nothing, and it has let this host in before.
                what: /hangs up on host\S+: it is not in the ACL there, or the received dump cannot be written/,
                fix: /^run on 127\.0\.0\.1\d: {3}kpropctl doctor --here$/,
              }),
        },
      ]),
    ),
    ...Object.fromEntries(
      [ours, mit].map((replica) => [
        `the keytab of ${replica === ours ? 'ours' : "MIT's"} is gone`,
        {
          break: () => renameSync(replica.site.keytab, `${replica.site.keytab}.away`),
          ...{ on: replica.host, check: 'principal' },
          what: /kpropd on \S+ cannot read its keytab, or finds no key in it for what it takes for its name/,
          fix: /^run on 127\.0\.0\.1\d: {3}kpropctl doctor --here$/,
        },
      ]),
    ),
    ...Object.fromEntries(
      [ours, mit].map((replica) => [
        `the principal of ${replica === ours ? 'ours' : "MIT's"} was made anew: its key has a lower version`,
        {
          break: inKdc(
            `delprinc -force host/${replica.host}`,
            `addprinc -randkey host/${replica.host}`,
          ),
          ...{ on: replica.host, check: 'principal' },
          what: /the replica's keytab does not have the KDC's key of host/,
          fix: /^run on 127\.0\.0\.1\d: {3}kadmin -q "ktremove .*, then run on .*ktadd host\//,
        },
      ]),
    ),
    ...Object.fromEntries(
      [ours, mit].map((replica) => [
        `the kpropd of ${replica === ours ? 'ours' : "MIT's"} hangs`,
        {
          break: () => replica.kpropd?.signal('SIGSTOP'),
          ...{ on: replica.host, check: 'ACL' },
          what: /takes the connection and says nothing: it hangs/,
          fix: /^run on 127\.0\.0\.1\d: {3}systemctl restart krb5-kpropd$/,
        },
      ]),
    ),
    ...Object.fromEntries(
      [ours, mit].map((replica) => [
        `the key of ${replica === ours ? 'ours' : "MIT's"} was changed in the KDC`,
        {
          break: inKdc(`cpw -randkey host/${replica.host}`),
          ...{ on: replica.host, check: 'principal' },
          what: /the replica's keytab does not have the KDC's key of host/,
          fix: /^run on 127\.0\.0\.1\d: {3}kadmin -q "ktremove .*, then run on .*ktadd host\//,
        },
      ]),
    ),
    'kpropd is down': {
      break: () => ours.kpropd?.stop(),
      ...{ on: ours.host, check: 'port' },
      ...{ what: /kpropd does not listen there/, fix: /systemctl start krb5-kpropd/ },
    },
    'the replica has no host principal': {
      break: inKdc(`renprinc -force host/${ours.host} host/elsewhere`),
      ...{ on: ours.host, check: 'principal' },
      ...{ what: /Server not found in Kerberos database/, fix: /addprinc -randkey .*then run on/ },
    },
    "the replica's principal is locked": {
      break: inKdc(`modprinc -allow_tix host/${mit.host}`),
      ...{ on: mit.host, check: 'principal', what: /LOCKED/, fix: /modprinc \+allow_tix host/ },
    },
    "the replica's principal has expired": {
      break: inKdc(`modprinc -expire yesterday host/${mit.host}`),
      ...{ on: mit.host, check: 'principal', what: /expired/, fix: /modprinc -expire never host/ },
    },
    "the replica's principal is not allowed to be a service": {
      break: inKdc(`modprinc -allow_svr host/${mit.host}`),
      ...{ on: mit.host, check: 'principal', what: /./, fix: /modprinc \+allow_svr host/ },
    },
    'the key of this host was changed in the KDC': {
      break: inKdc(`cpw -randkey ${lab.client}`),
      ...{ on: here, check: 'key', what: /./, fix: /ktadd -norandkey.*kpropctl run/ },
    },
    'this host has no principal': {
      break: inKdc(`renprinc -force ${lab.client} host/gone`),
      ...{ on: here, check: 'key', what: /Client not found/, fix: /addprinc -randkey/ },
    },
    "this host's principal is locked": {
      break: inKdc(`modprinc -allow_tix ${lab.client}`),
      ...{ on: here, check: 'key', what: /revoked/, fix: /modprinc \+allow_tix -unlock/ },
    },
    "this host's principal has expired": {
      break: inKdc(`modprinc -expire yesterday ${lab.client}`),
      ...{ on: here, check: 'key', what: /expired/, fix: /modprinc -expire never/ },
    },
    "this host's key has expired": {
      break: inKdc(`modprinc -pwexpire yesterday ${lab.client}`),
      ...{ on: here, check: 'key', what: /expired/, fix: /modprinc -pwexpire never/ },
    },
    "this host's principal wants a token (hardware)": {
      break: inKdc(`modprinc +requires_hwauth ${lab.client}`),
      ...{ on: here, check: 'key', what: /pre-authentication/, fix: /modprinc -requires_hwauth/ },
    },
    'the principal of this host was made anew: its key has a lower version': {
      break: inKdc(
        `cpw -randkey ${lab.client}`,
        `ktadd -norandkey -k ${lab.primary.keytab} ${lab.client}`,
        `delprinc -force ${lab.client}`,
        `addprinc -randkey ${lab.client}`,
      ),
      ...{ on: here, check: 'key', what: /./, fix: /ktremove .* all.*ktadd -norandkey/ },
    },
    'the keytab is gone': {
      break: () => rmSync(lab.primary.keytab),
      ...{ on: here, check: 'key', what: /cannot read the keytab/, fix: /ktadd -norandkey -k/ },
    },
    'the keytab is no keytab': {
      break: () => writeFileSync(lab.primary.keytab, 'nonsense'),
      ...{ on: here, check: 'key', what: /is not a keytab/, fix: /rm \S+, then run here/ },
    },
    'the keytab has a key of somebody else': {
      break: async () => {
        rmSync(lab.primary.keytab);
        await realm.kadminLocal([`ktadd -norandkey -k ${lab.primary.keytab} user1`]);
      },
      ...{ on: here, check: 'key', what: /has no usable key/, fix: /ktadd -norandkey -k/ },
    },
    'everybody can read the keytab': {
      break: () => chmodSync(lab.primary.keytab, 0o644),
      ...{ on: here, check: 'key', what: /mode 644/, fix: /chmod 600/ },
    },
    'everybody can read the dump': {
      break: () => chmodSync(dump, 0o640),
      ...{ on: here, check: 'dump', what: /mode 640/, fix: /chmod 600/ },
    },
    'there is no dump': {
      break: () => rmSync(dump),
      ...{ on: here, check: 'dump', state: 'warning', what: /there is none/, fix: /kpropctl run/ },
    },
    'the dump is cut': {
      break: spoilt((text) => text.slice(0, -30)),
      ...{ on: here, check: 'dump', what: /not complete/, fix: /kpropctl run/ },
    },
    'the dump lacks the master key': {
      break: spoilt((text) => text.replace(/^.*\tK\/M@.*\n/m, '')),
      ...{ on: here, check: 'dump', what: /has no K\/M/, fix: /kpropctl run/ },
    },
    'the dump was never finished': {
      break: () => rmSync(`${dump}.dump_ok`),
      ...{ on: here, check: 'dump', what: /dump_ok is not there/, fix: /kpropctl run/ },
    },
    'the dump is newer than its mark': {
      break: () => utimesSync(`${dump}.dump_ok`, longAgo, longAgo),
      ...{ on: here, check: 'dump', what: /newer than its \.dump_ok/, fix: /kpropctl run/ },
    },
    'the dump is old': {
      break: () => utimesSync(dump, longAgo, longAgo),
      ...{ on: here, check: 'dump', state: 'warning', what: /\d d .*old/, fix: /kpropctl run/ },
    },
    'a replica was restored from an old dump': {
      break: async () => {
        const old = await lab.dump(join(lab.folder, 'old'));
        await lab.addPrincipals(['doctored']);
        await realm.run('run');
        await lab.run('/usr/sbin/kdb5_util', ['load', old], { env: mit.site.env() });
      },
      ...{ on: mit.host, check: 'generation' },
      ...{ what: /whether it has generation \d+: no, it has \d+/, fix: /kpropctl run 127\.0\.0/ },
    },
    'this is said not to be the primary': {
      break: () => realm.configure({ primary: 'other.example' }),
      ...{ on: here, check: 'role' },
      ...{ what: /primary in .* is other\.example/, fix: /write as line \d+: {7}primary = / },
    },
    'the KDC of this host is down': {
      break: () => lab.stopKdc('primary'),
      ...{ on: here, check: 'key', what: /^the KDC 127\.0\.0\.1:\d+ does not answer$/ },
      fix: /^run here: {3}systemctl restart krb5-kdc$/,
    },
    'the KDC of a replica is down': {
      break: () => ours.kdc?.stop(),
      ...{ on: ours.host, check: 'clock', state: 'unknown' },
      ...{ what: /its KDC \(\S+\) does not answer$/ },
      fix: /^run on 127\.0\.0\.11: {3}systemctl restart krb5-kdc$/,
    },
    'the KDC of a replica hangs': {
      break: () => ours.kdc?.signal('SIGSTOP'),
      ...{ on: ours.host, check: 'clock', state: 'unknown' },
      ...{ what: /its KDC \(\S+\) does not answer$/ },
      fix: /^run on 127\.0\.0\.11: {3}systemctl restart krb5-kdc$/,
    },
    'the canary is locked': {
      break: async () => {
        await inKdc('modprinc -allow_tix kpropctl/canary')();
        await realm.run('run');
      },
      ...{ on: ours.host, check: 'generation', state: 'unknown', what: /LOCKED/ },
      fix: /modprinc \+allow_tix kpropctl\/canary@LAB\.EXAMPLE", then run here: {3}kpropctl run/,
    },
    'the key of the canary was thrown away': {
      break: () => rmSync(join(realm.state, 'canary.keytab')),
      ...{ on: ours.host, check: 'generation', state: 'unknown' },
      ...{ what: /canary\.keytab/, fix: /^run here: {3}kpropctl run --config \S+$/ },
    },
    'the resolver makes another name of this host': {
      break: edited(lab.primary.krb5Conf, (text) =>
        text
          .replace('dns_canonicalize_hostname = false', 'dns_canonicalize_hostname = true')
          .replace('rdns = false', 'rdns = true'),
      ),
      ...{ on: here, check: 'name', what: /takes this host for host\/localhost/ },
      fix: /write as line \d+: {7}dns_canonicalize_hostname = false/,
    },
    'a relation of the configuration is misspelt': {
      break: () => realm.configure({ keepdumps: '1' }),
      ...{ on: here, check: 'configuration', what: /there is no relation keepdumps/ },
      fix: /write as line \d+: +keep_dumps = 1$/,
    },
    'a comment stands behind a value': {
      break: () => realm.configure({ parallel: '2 # at once' }),
      ...{ on: here, check: 'configuration', what: /comment behind its value/ },
      fix: /write as line \d+: +parallel = 2$/,
    },
  };
}
