import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { CheckFinding } from '../../../src/server/check/finding.ts';
import { Lab, ourProgram } from '../../support/lab/lab.ts';

// What belongs to the host and not to the realm is broken in a mount namespace of the test's own.

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.dump();
  await lab.load(lab.dumpFile);
});
afterAll(() => lab.close());

/** Breaks, checks, does what the fix of this check says in the same namespace, and checks again. */
async function inNamespace(setUp: string, check: CheckFinding['check'], more = '') {
  const { acl, fromMaster } = lab.replica;
  const out = join(lab.folder, 'found');
  const kpropd = `${process.execPath} ${ourProgram('kpropd')} --check --json -P 0 -a ${acl} -f ${fromMaster} ${more}`;
  const script = `${setUp}
systemctl() { case "$1" in restart) echo "$2" > ${out}.restarted;; enable) SYSTEMD_OFFLINE=1 command systemctl enable "$3";; esac; }
${kpropd} > ${out}.1
fix=$(${process.execPath} -p 'JSON.parse(fs.readFileSync("${out}.1")).findings.find((f) => f.check === "${check}" && f.fix !== "").fix')
case "$fix" in
"write line "*) line="\${fix#*as: }"; eval "\${line##*, then }"; line="\${line%, then *}"; n=$(echo "$fix" | cut -d' ' -f3)
  sed "\${n}s/.*/$line/" /etc/hosts > ${out}.hosts; cat ${out}.hosts > /etc/hosts;;
"make room: "*) rm ${lab.replica.folder}/small/ballast;;
*) eval "$fix";;
esac
${kpropd} > ${out}.2`;
  const { stderr } = await lab.run('unshare', ['-m', 'sh', '-c', script], { role: 'replica' });
  const wrong = (part: number): readonly CheckFinding[] =>
    JSON.parse(readFileSync(`${out}.${part}`, 'utf8')).findings.filter(
      ({ state }: CheckFinding) => state !== 'ok',
    );
  const restarted = existsSync(`${out}.restarted`)
    ? readFileSync(`${out}.restarted`, 'utf8').trim()
    : undefined;
  return { first: wrong(1), second: wrong(2), restarted, stderr };
}

const systemd = `mount -t tmpfs none /run/systemd && mkdir /run/systemd/system
mount -t tmpfs none /etc/systemd/system`;

test('the sandbox of the unit does not let kpropd write to the database', async () => {
  const { first, second } = await inNamespace(
    `${systemd}
printf '[Service]\\nProtectSystem=strict\\nReadWritePaths=/var/lib/krb5kdc\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/kpropd.service
mkdir /etc/systemd/system/multi-user.target.wants
ln -s ../kpropd.service /etc/systemd/system/multi-user.target.wants/kpropd.service`,
    'unit',
  );
  expect(first).toMatchObject([
    { check: 'unit', state: 'failure', fix: expect.stringContaining('ReadWritePaths=/tmp/') },
  ]);
  expect(second).toEqual([]);
});

test('nothing starts kpropd when the host boots', async () => {
  const { first, second } = await inNamespace(systemd, 'service');
  expect(first).toMatchObject([
    { check: 'service', state: 'warning', fix: 'systemctl enable --now krb5-kpropd.service' },
  ]);
  expect(second).toEqual([]);
});

test('the folder is read-only', async () => {
  const { folder } = lab.replica;
  const { first, second } = await inNamespace(
    `mount --bind ${folder} ${folder} && mount -o remount,ro,bind ${folder}`,
    'database',
  );
  expect(first.map(({ check, fix }) => [check, fix])).toEqual([
    ['database', `mount -o remount,rw ${folder}`],
    ['spool', `mount -o remount,rw ${folder}`],
  ]);
  expect(second).toEqual([]);
});

test('there is no room for a dump', async () => {
  const small = join(lab.replica.folder, 'small');
  const { first, second } = await inNamespace(
    `mkdir -p ${small} && mount -t tmpfs -o size=64k,mode=700 none ${small}
head -c 12000 /dev/zero > ${small}/from_master && chmod 600 ${small}/from_master
head -c 45000 /dev/zero > ${small}/ballast`,
    'space',
    `-f ${small}/from_master`,
  );
  expect(first).toMatchObject([{ check: 'space', fix: expect.stringMatching(/^make room: du /) }]);
  expect(second).toEqual([]);
});

test('/etc/hosts makes this host localhost', async () => {
  const { krb5Conf } = lab.replica;
  const text = readFileSync(krb5Conf, 'utf8').replace(/.*ignore_acc.*\n/, '');
  const names = '[libdefaults]\n  dns_canonicalize_hostname = true\n  rdns = true\n';
  writeFileSync(krb5Conf, `${names}${text}`);
  const keytab = join(lab.folder, 'own.keytab');
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} host/${lab.host}`);
  const { first, second, restarted } = await inNamespace(
    `printf '127.0.0.1 localhost\\n127.0.0.1 ${lab.host}\\n' > ${lab.folder}/hosts
mount --bind ${lab.folder}/hosts /etc/hosts`,
    'name',
    `-s ${keytab}`,
  );
  expect(first).toMatchObject([
    {
      check: 'name',
      what: `this host calls itself localhost (line 1 of /etc/hosts), and its keys are for ${lab.host}`,
      fix: expect.stringMatching(
        /^write line 2 of \/etc\/hosts as: \S+ vm, then systemctl restart \S+$/,
      ),
    },
  ]);
  expect(second).toEqual([]);
  // It keeps the name that it had when it started.
  expect(restarted).toMatch(/^(?:krb5-)?kpropd?$/);
});
