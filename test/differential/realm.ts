import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Make } from '../support/lab/make.ts';
import { copyTree, World } from './world.ts';

export const realm = 'LAB.EXAMPLE';
export const primaryHost = 'primary.lab.example';
export const replicaHost = 'replica.lab.example';
export const dumpPath = '/srv/primary/replica_datatrans';

/** Two worlds that started as one: MIT's programs run in the first, ours in the second. */
export interface Twins {
  readonly worlds: Readonly<Record<Make, World>>;
  /** Puts both back to the start. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** [libdefaults] of a host, over the defaults of the realm; a value of '' drops the relation. */
export function krb5Conf(libdefaults: Readonly<Record<string, string>> = {}, more = ''): string {
  const relations = Object.entries({ ...defaults, ...libdefaults })
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `  ${name} = ${value}\n`);
  const kdcs = more === '' ? `[realms]\n  ${realm} = {\n    kdc = 192.0.2.1\n  }\n` : more;
  return `[libdefaults]\n${relations.join('')}${kdcs}`;
}

/** What the KDC is set up with: as little as it needs, or as Debian's package does. */
export type KdcConf = 'plain' | 'debian';

export async function createTwins(kdcConf: KdcConf = 'plain'): Promise<Twins> {
  const folder = mkdtempSync(join(tmpdir(), 'kprop-twins-'));
  const template = join(folder, 'template');
  const mit = await World.create(join(folder, 'mit'));
  const ours = await World.create(join(folder, 'ours'));
  const worlds = { mit, ours };
  const both = [mit, ours];
  const close = async () => {
    await Promise.all(both.map((world) => world.close()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    writeTemplate(template, kdcConf);
    await copyTree(template, mit.folder);
    await populate(mit);
    for (const name of ['primary', 'replica', 'kdc']) {
      mkdirSync(join(template, 'srv', name), { recursive: true });
      await copyTree(join(mit.folder, 'srv', name), join(template, 'srv', name));
    }
    await copyTree(template, ours.folder);
    const kdcs = await Promise.all(both.map((world) => startKdc(world)));
    rmSync(join(template, 'srv/kdc'), { recursive: true });
    const spared = new Set(kdcs);
    const restore = async () => {
      await Promise.all(both.map((world) => world.restore(template, spared)));
    };
    await restore();
    return { worlds, restore, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const defaults: Readonly<Record<string, string>> = {
  default_realm: realm,
  dns_lookup_realm: 'false',
  dns_lookup_kdc: 'false',
  dns_canonicalize_hostname: 'false',
  rdns: 'false',
  qualify_shortname: '""',
};

/** Clients and services with something about them, each on a host of that name. */
const hosts = [
  ...['primary', 'replica', 'norecord', 'stale', 'stale-preauth', 'preauth', 'expired'],
  ...['password-expired', 'locked', 'no-service', 'expired-service', 'locked-service'],
  ...['other-key', 'other-kvno', 'unknown-client', 'not-in-keytab'],
];

function writeTemplate(template: string, kdcConf: KdcConf): void {
  for (const name of ['srv/primary', 'srv/replica', 'srv/kdc', 'srv/run', 'state', 'var-tmp']) {
    mkdirSync(join(template, name), { recursive: true });
  }
  mkdirSync(join(template, 'etc/krb5kdc'), { recursive: true, mode: 0o700 });
  const etc = (name: string, text: string) => writeFileSync(join(template, 'etc', name), text);
  const names = hosts.map((host, n) => `192.0.2.${n + 1} ${host}.lab.example ${host}\n`);
  etc('hosts', `127.0.0.1 localhost\n::1 ip6-localhost\n${names.join('')}192.0.2.99 alias\n`);
  etc('services', 'kerberos 88/udp\nkerberos 88/tcp\nkrb5_prop 754/tcp\nother_prop 7754/tcp\n');
  etc('resolv.conf', 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  etc('nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files\nservices: files\n');
  etc('krb5.conf', krb5Conf());
  for (const role of ['primary', 'replica', 'kdc']) {
    const file = (name: string, text: string) =>
      writeFileSync(join(template, 'srv', role, name), text);
    file('krb5.conf', krb5Conf());
    file('kdc.conf', `${kdcConfs[kdcConf](role)}[logging]\n  kdc = FILE:/srv/kdc/krb5kdc.log\n`);
  }
  const acl = `host/${primaryHost}@${realm}\n`;
  writeFileSync(join(template, 'srv/replica/kpropd.acl'), acl);
}

const kdcConfs: Readonly<Record<KdcConf, (role: string) => string>> = {
  plain: (role) => `[realms]
  ${realm} = {
    database_name = /srv/${role}/principal
    key_stash_file = /srv/${role}/stash
    acl_file = /srv/${role}/kadm5.acl
  }
[kdcdefaults]
  kdc_listen = 192.0.2.1:88
  kdc_tcp_listen = 192.0.2.1:88
`,
  // Every principal needs preauthentication there, and the KDC listens everywhere, on two ports.
  debian: (role) =>
    readFileSync('/usr/share/doc/krb5-kdc/examples/kdc.conf', 'utf8')
      .replace('@MYREALM', realm)
      .replace(/\/\S*\/(principal|stash|kadm5\.acl)$/gm, `/srv/${role}/$1`),
};

const kdcEnvironment = {
  KRB5_CONFIG: '/srv/kdc/krb5.conf',
  KRB5_KDC_PROFILE: '/srv/kdc/kdc.conf',
};

async function populate(world: World): Promise<void> {
  const util = (...args: string[]) =>
    world.must({ program: '/usr/sbin/kdb5_util', args, env: kdcEnvironment });
  await util('create', '-s', '-P', 'master');
  const own = (host: string) => `host/${host}.lab.example`;
  const known = hosts.filter((host) => host !== 'unknown-client' && host !== 'norecord');
  const clients = known.filter((host) => host !== 'not-in-keytab').map(own);
  const services = ['replica', 'other-key', 'other-kvno'].map(own);
  const short = ['host/primary', 'host/replica', 'host/alias', 'host/192.0.2.2', 'host/localhost'];
  const primaryKeys = '-k /srv/primary/krb5.keytab';
  await kadmin(world, [
    ...[...known.map(own), ...short].map((name) => `addprinc -randkey ${name}`),
    'addprinc -randkey host/UPPER.lab.example',
    `addprinc -randkey ${own('unknown-client')}`,
    `ktadd -norandkey ${primaryKeys} ${[...clients, ...short, own('unknown-client')].join(' ')}`,
    `delprinc -force ${own('unknown-client')}`,
    `ktadd -norandkey -k /srv/replica/krb5.keytab ${[...services, ...short].join(' ')}`,
    `cpw -randkey ${own('other-kvno')}`,
    // The same number of the key, and another key.
    `delprinc -force ${own('other-key')}`,
    ...[own('other-key')].map((name) => `addprinc -randkey ${name}`),
    ...['stale', 'stale-preauth'].flatMap((host) => [
      `delprinc -force ${own(host)}`,
      `addprinc -randkey ${own(host)}`,
    ]),
    `modprinc +requires_preauth ${own('stale-preauth')}`,
    `modprinc +requires_preauth ${own('preauth')}`,
    `modprinc -expire 2020-01-01 ${own('expired')}`,
    `modprinc -pwexpire 2020-01-01 ${own('password-expired')}`,
    `modprinc -allow_tix ${own('locked')}`,
    `modprinc -allow_svr ${own('no-service')}`,
    `modprinc -expire 2020-01-01 ${own('expired-service')}`,
    `modprinc -allow_tix ${own('locked-service')}`,
    ...Array.from({ length: 150 }, (_, n) => `addprinc -nokey user${n}`),
  ]);
  await util('dump', dumpPath);
  const onReplica = { KRB5_CONFIG: undefined, KRB5_KDC_PROFILE: undefined };
  await world.must({ program: '/bin/cp', args: ['-p', '/srv/kdc/stash', '/srv/replica/stash'] });
  const env = { ...onReplica, KRB5_CONFIG: '/srv/replica/krb5.conf' };
  const load = {
    program: '/usr/sbin/kdb5_util',
    args: ['load', dumpPath],
    role: 'replica' as const,
  };
  await world.must({ ...load, env: { ...env, KRB5_KDC_PROFILE: '/srv/replica/kdc.conf' } });
  const hourAgo = Math.floor(Date.now() / 1000) - 3600;
  for (const suffix of ['', '.dump_ok']) {
    utimesSync(world.path(`${dumpPath}${suffix}`), hourAgo, hourAgo);
  }
}

/** In batch mode kadmin.local exits with 0 whatever happened: what it says on stderr decides. */
async function kadmin(world: World, queries: readonly string[]): Promise<void> {
  writeFileSync(world.path('/srv/kdc/queries'), `${queries.join('\n')}\n`);
  const program = '/usr/sbin/kadmin.local';
  const prelude = 'exec </srv/kdc/queries';
  const { stderr } = await world.must({ program, env: kdcEnvironment, prelude });
  const complaints = stderr
    .split('\n')
    .filter((line) => line !== '' && !/No policy specified|^Authenticating|^WARNING/.test(line));
  if (complaints.length > 0) throw new Error(`kadmin.local: ${complaints.join('\n')}`);
}

async function startKdc(world: World): Promise<number> {
  const kdc = world.start({ program: '/usr/sbin/krb5kdc', args: ['-n'], env: kdcEnvironment });
  await kdc.until(() => kdc.stderr.includes('starting...'), 'the KDC');
  return kdc.pid;
}
