// The pictures of kpropctl/README.md, from real runs of a real realm; as root, for a namespace in which
// the hosts have the names of the examples. With `demo` that of README.md, for which anybody will do:
//   node scripts/run.mjs scripts/pictures.ts [demo]
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { ControlRealm } from '../kpropctl/test/realm.ts';
import { packageRoot } from '../test/support/lab/lab.ts';
import { freePort } from '../test/support/lab/lab-process.ts';
import { takePagePictures } from './pictures/page.ts';
import { drawTerminal, takeTerminalPicture } from './pictures/terminal.ts';

const names = ['kdc2', 'kdc3', 'kdc4', 'kdc5'].map((name) => `${name}.example.org`);
const newcomer = 'kdc6.example.org';
const primary = 'kdc1.example.org';
const folder = join(packageRoot, 'docs/pictures');

if (process.argv[2] === 'demo') {
  const typed = `${process.execPath} scripts/run.mjs scripts/demo.ts`;
  const command = { shown: 'npm run demo', typed, env: process.env, cwd: packageRoot };
  await drawTerminal(join(folder, 'demo.svg'), command);
} else if (hostname() === primary) await takePictures();
else process.exitCode = asPrimary();

/** The same program where this host is called as the primary of the examples is. */
function asPrimary(): number {
  const own = mkdtempSync(join(tmpdir(), 'kprop-pictures-'));
  const lines = [...names, newcomer].map((name, at) => `127.0.0.${at + 12} ${name}`);
  const hosts = join(own, 'hosts');
  writeFileSync(hosts, `127.0.0.1 localhost\n127.0.0.11 ${primary}\n${lines.join('\n')}\n`);
  // What it changes in /etc is in memory.
  const script = `set -e
    mount -t tmpfs tmpfs ${own}.etc
    mkdir ${own}.etc/changes ${own}.etc/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=${own}.etc/changes,workdir=${own}.etc/work /etc
    cp ${hosts} /etc/hosts
    echo ${primary} > /proc/sys/kernel/hostname
    exec "$@"`;
  mkdirSync(`${own}.etc`);
  const program = [process.execPath, 'scripts/run.mjs', 'scripts/pictures.ts'];
  const { status } = spawnSync(
    'unshare',
    ['--mount', '--uts', 'sh', '-c', script, 'sh', ...program],
    { stdio: 'inherit', cwd: packageRoot },
  );
  for (const each of [own, `${own}.etc`]) rmSync(each, { recursive: true });
  return status ?? 1;
}

async function takePictures(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const realm = await ControlRealm.create({ realm: 'EXAMPLE.ORG', principals: 1_200 });
  try {
    for (const [at, host] of names.entries()) {
      await realm.addReplica(at === 1 ? 'mit' : 'ours', { host });
    }
    const port = await freePort();
    const keytab = join(realm.lab.folder, 'page.keytab');
    await realm.lab.addPrincipals([`HTTP/${primary}`]);
    await realm.lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} HTTP/${primary}`);
    realm.configure({
      ...{ every: '5m', listen: `127.0.0.1:${port}` },
      ...{ page_keytab: keytab, page_principals: 'admin/admin' },
    });
    installConfiguration(realm);
    await makeHistory(realm);
    const refusing = names[2] ?? '';
    await takeTerminalPicture(realm, folder, ['run']);
    await takeTerminalPicture(realm, folder, ['status']);
    await takeTerminalPicture(realm, folder, ['doctor', refusing]);
    const kit = ['kit', newcomer, '--with-stash', '>', `${newcomer}.kit`];
    await takeTerminalPicture(realm, folder, kit);
    await takePagePictures(realm, {
      folder,
      address: `http://127.0.0.1:${port}`,
      host: refusing,
    });
  } finally {
    await realm.close();
  }
}

/** Where an administrator has it, so that the pictures name no other place. */
function installConfiguration({ lab: { primary: site }, config }: ControlRealm): void {
  mkdirSync('/etc/krb5kdc', { recursive: true });
  copyFileSync(config, '/etc/krb5kdc/kpropctl.conf');
  copyFileSync(site.krb5Conf, '/etc/krb5.conf');
  copyFileSync(site.kdcConf, '/etc/krb5kdc/kdc.conf');
}

/** Runs of all kinds; in the end kdc4 refuses its primary, and kdc5 is held. */
async function makeHistory(realm: ControlRealm): Promise<void> {
  const [, mit, refusing, held] = realm.replicas;
  if (mit === undefined || refusing === undefined || held === undefined) return;
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
  const runs = async (count: number) => {
    for (let made = 0; made < count; made += 1) await realm.run('run');
  };
  await runs(8);
  await mit.kpropd?.stop();
  await runs(2);
  await realm.startKpropd(mit, 'mit');
  await realm.run('run', '--if-changed');
  await runs(6);
  await realm.run('hold', held.host, '--for', '2h', '--reason', 'its disk is being replaced');
  await runs(3);
  await realm.lab.addPrincipals(['ada', 'grace']);
  writeFileSync(refusing.site.acl, '');
  await runs(3);
}
