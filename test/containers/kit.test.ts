import { GenericContainer, Network, type StartedNetwork, Wait } from 'testcontainers';
import { afterEach, expect, test } from 'vitest';

import type { Make } from '../support/lab/make.ts';
import { Host } from './host.ts';

// From two empty hosts to a realm with a replica, with what an administrator types.

const primaryName = 'kdc1.kit.test';
const replicaName = 'kdc5.kit.test';
const krb5Conf = `[libdefaults]
    default_realm = KIT.TEST
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
[realms]
    KIT.TEST = {
        kdc = ${primaryName}
        kdc = ${replicaName}
        admin_server = ${primaryName}
    }
`;

let network: StartedNetwork | undefined;
const hosts: Host[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.remove()));
  await network?.stop();
  network = undefined;
});

/** A host with packages and nothing else. */
async function emptyHost(name: string): Promise<Host> {
  network ??= await new Network().start();
  const container = await new GenericContainer('kprop/control')
    .withHostname(name)
    .withNetwork(network)
    .withNetworkAliases(name)
    .withUser('root')
    .withCommand(['sleep', 'infinity'])
    .withWaitStrategy(Wait.forSuccessfulCommand('true'))
    .start();
  const host = new Host(name, container, { network: network.getName(), user: 'root' });
  hosts.push(host);
  return host;
}

/** A line as root types it; the image's own variables are not those of a host. */
function type(host: Host, line: string, ...args: string[]): Promise<string> {
  return host.sh(`unset KRB5_CONFIG KRB5_KDC_PROFILE KRB5_KTNAME; ${line}`, ...args);
}

async function makePrimary(): Promise<Host> {
  const host = await emptyHost(primaryName);
  await type(host, 'mkdir -p /etc/krb5kdc; printf %s "$1" >/etc/krb5.conf', krb5Conf);
  await type(
    host,
    'printf "[realms]\\n KIT.TEST = {\\n max_life = 10h\\n }\\n" >/etc/krb5kdc/kdc.conf',
  );
  await type(host, 'kdb5_util create -s -P "a master password"; touch /etc/krb5kdc/kadm5.acl');
  await type(host, `kadmin.local -q "addprinc -randkey host/${primaryName}"`);
  await type(host, `kadmin.local -q "ktadd host/${primaryName}"`);
  await type(host, 'kadmin.local -q "addprinc -pw wonderland alice"');
  await type(host, 'krb5kdc && kadmind');
  await type(host, 'umask 077; echo "a passphrase, long enough" >/root/passphrase');
  return host;
}

// The script of the package starts the program that a bare PATH finds.
const paths: Readonly<Record<Make, string>> = {
  mit: '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin',
  ours: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

test.each(['ours', 'mit'] as const)('kit, join, run; the kpropd is %s', async (make) => {
  const primary = await makePrimary();
  const replica = await emptyHost(replicaName);
  const began = performance.now();
  const run = (host: Host, line: string) => type(host, `PATH=${paths[make]}; ${line}`);

  const secret = '--passphrase-file /root/passphrase';
  await run(primary, `kpropctl kit ${replicaName} --with-stash ${secret} >/root/kdc5.kit`);
  const kit = (await type(primary, 'base64 -w0 /root/kdc5.kit')).trim();
  await type(replica, 'umask 077; printf %s "$1" | base64 -d >/root/kdc5.kit', kit);
  await type(replica, 'umask 077; echo "a passphrase, long enough" >/root/passphrase');

  const log = '/root/join.log';
  const joined = run(replica, `kpropctl join /root/kdc5.kit ${secret} --yes --wait >${log} 2>&1`);
  const said = () => type(replica, `cat ${log} 2>/dev/null || true`);
  await expect.poll(said).toContain(`on ${primaryName}: kpropctl run ${replicaName}`);
  // Without systemd, and with a kpropd that no script knows, it is started as join says.
  const byHand = /^start kpropd: (\S+)$/m.exec(await said())?.[1];
  expect(byHand).toBe(make === 'ours' ? '/usr/local/bin/kpropd' : undefined);
  if (byHand !== undefined) await type(replica, byHand);

  expect(await run(primary, `kpropctl run --plain ${replicaName}`)).toMatch(/\blive\b/);
  await joined;
  const millis = performance.now() - began;
  console.log(`a new replica with the kpropd of ${make}: ${(millis / 1000).toFixed(1)} s`);
  expect(await said()).toMatch(new RegExp(`^${replicaName} is a replica\\.$`, 'm'));

  // The replica's KDC alone, for a principal that was there before it.
  const only = krb5Conf.replace(/^ +kdc = kdc1.*\n/m, '');
  await type(replica, 'printf %s "$1" >/root/only.conf', only);
  await primary.remove();
  hosts.splice(hosts.indexOf(primary), 1);
  const ticket = 'export KRB5_CONFIG=/root/only.conf; echo wonderland | kinit alice && kvno';
  expect(await type(replica, `${ticket} host/${replicaName}`)).toMatch(/kvno = \d/);
});
