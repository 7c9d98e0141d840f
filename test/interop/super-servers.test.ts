import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { Lab, ourProgram } from '../support/lab/lab.ts';
import type { Make } from '../support/lab/make.ts';
import { expectReplicaHas, runKprop, succeeded } from '../support/lab/pairings.ts';
import { printedUnits } from '../support/lab/printed-units.ts';
import {
  type ServerLine,
  type SuperServer,
  type SuperServerName,
  startSuperServer,
} from '../support/lab/super-server.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';

const programs: Record<Make, string> = {
  mit: '/usr/sbin/kpropd',
  ours: ourProgram('kpropd'),
};
const kprops: readonly Make[] = ['mit', 'ours'];
const names: readonly SuperServerName[] = ['inetd', 'xinetd'];

let lab: Lab;
let superServer: SuperServer | undefined;
beforeAll(async () => {
  lab = await Lab.create({ principals: 20 });
  await lab.dump();
});
afterEach(async () => {
  await superServer?.stop();
});
afterAll(() => lab.close());

function line(kpropd: Make, o: { loader?: string; acl?: string } = {}): ServerLine {
  const { acl, fromMaster } = lab.replica;
  const args = ['-a', o.acl ?? acl, '-f', fromMaster, ...(o.loader ? ['-p', o.loader] : [])];
  return { program: programs[kpropd], args };
}

const start = async (name: SuperServerName, server: ServerLine) => {
  superServer = await startSuperServer(lab, name, server);
  return superServer;
};

/** What either kprop prints and how it ends, once the super-server has seen the end of its server. */
async function propagateTo(server: SuperServer, kprop: Make, port = server.port) {
  const exitsBefore = server.exits.length;
  const { status, stdout, stderr } = await runKprop(lab, kprop, { port, env: {} });
  await expect.poll(() => server.exits.length, { timeout: 10_000 }).toBe(exitsBefore + 1);
  return { status, stdout, stderr, kpropd: server.exits.at(-1) };
}

describe.each(names)('%s', (name) => {
  test.each(kprops)('starts kpropd (%s) for one propagation after another', async (kpropd) => {
    const server = await start(name, line(kpropd));
    for (const kprop of [...kprops, ...kprops]) {
      expect(await propagateTo(server, kprop), kprop).toEqual({ ...succeeded(), kpropd: 0 });
    }
    await expectReplicaHas(lab);
  });

  test('what the loader prints never reaches the peer', async () => {
    const noise = 'for i in 1 2 3 4 5 6 7 8 9; do echo noise-noise-noise; echo noise >&2; done';
    const loader = lab.loaderStub(`${noise}; exec /usr/sbin/kdb5_util "$@"`, 'noisy');
    const server = await start(name, line('ours', { loader }));
    const proxy = await startProxy(server.port);
    for (const kprop of kprops) {
      expect(await propagateTo(server, kprop, proxy.port)).toEqual({ ...succeeded(), kpropd: 0 });
    }
    // One byte, an empty message, AP-REP and KRB-SAFE, twice.
    expect(proxy.counted.server).toBeLessThan(2 * 300);
    await proxy.close();
  });

  test('a kpropd that cannot start says nothing to the peer, and exits with 1', async () => {
    const env = { KRB5_CONFIG: join(lab.folder, 'no-such-krb5.conf') };
    const server = await start(name, { ...line('ours'), env });
    const proxy = await startProxy(server.port);
    const failed = await propagateTo(server, 'mit', proxy.port);
    expect(failed).toMatchObject({ status: 1, stdout: '', kpropd: 1 });
    expect(proxy.counted.server).toBe(0);
    await proxy.close();
  });

  test("a sender that MIT's kpropd rejects sees the same from ours", async () => {
    const keytab = join(lab.replica.folder, 'no-such.keytab');
    const outcomes = [];
    for (const kpropd of ['mit', 'ours'] as const) {
      const { program, args } = line(kpropd);
      const server = await start(name, { program, args: [...args, '-s', keytab] });
      outcomes.push(await propagateTo(server, 'mit'));
      await server.stop();
    }
    expect(outcomes[0]).toMatchObject({ status: 1, kpropd: 1 });
    expect(outcomes[1]).toEqual(outcomes[0]);
  });
});

test('the line of inetd.conf for a node that no PATH leads to', async () => {
  const server = await start('inetd', { ...line('ours'), byNode: true });
  expect(await propagateTo(server, 'mit')).toEqual({ ...succeeded(), kpropd: 0 });
});

describe('systemd', () => {
  const folder = () => join(lab.folder, 'units');
  const verify = (...units: readonly string[]) => {
    const paths = units.map((unit) => join(folder(), unit));
    return spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], { encoding: 'utf8' });
  };
  beforeAll(() => {
    mkdirSync(folder());
    for (const [name, text] of Object.entries(printedUnits(lab.replica.env()))) {
      writeFileSync(join(folder(), name), text);
    }
    const template = join(folder(), 'kpropd-inetd@.service');
    cpSync(template, template.replace('@', '@1'));
  });

  test.each([
    ['kpropd.service'],
    ['kpropd.socket'],
    ['kpropd-inetd.socket', 'kpropd-inetd@1.service'],
  ])('finds nothing wrong with %s', (...units) => {
    expect(verify(...units)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  test.each(['kpropd.service', 'kpropd-inetd@1.service'])('finds %s little exposed', (unit) => {
    const args = ['security', '--offline=true', '--no-pager', join(folder(), unit)];
    const { stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    const exposure = /Overall exposure level for \S+: (\d+\.\d+)/.exec(stdout)?.[1];
    expect(Number(exposure), stdout + stderr).toBeLessThanOrEqual(2.5);
  });

  test('both services are confined by the same rules, except for the port', () => {
    const rules = (unit: string) => {
      const text = readFileSync(join(folder(), unit), 'utf8');
      const [, after = ''] = text.split('# What kpropd, Node and kdb5_util need, and no more');
      const lines = after.split('\n').filter((line) => /^[A-Z]\w+=/.test(line));
      return lines.filter((line) => !/^(CapabilityBoundingSet|WantedBy)=/.test(line));
    };
    expect(rules('kpropd.service').length).toBeGreaterThan(30);
    expect(rules('kpropd-inetd@.service')).toEqual(rules('kpropd.service'));
  });

  test('a unit runs this very kpropd, with its options, and may write where kdc.conf says', () => {
    const { replica } = lab;
    const more = ['-f', '/srv/spool/from master', '-r', 'A.EXAMPLE', '-D', '--max-dump=5'];
    const units = printedUnits(replica.env(), ...more);
    const program = `${process.execPath} --inspect-port=[ff00::]:9229 ${ourProgram('kpropd')}`;
    const options = '-f "/srv/spool/from master" -r A.EXAMPLE -D --max-dump=5';
    expect(units['kpropd.service']).toContain(
      `\nExecStart=${program} ${options} -D $DAEMON_ARGS\n`,
    );
    expect(units['kpropd-inetd@.service']).toContain(`\nExecStart=-${program} ${options} $DAEMON`);
    const writable = [...units['kpropd.service'].matchAll(/^ReadWritePaths=([^-].*)$/gm)];
    // The realm of -r has no section in kdc.conf: the database is where MIT's programs would have it.
    expect(writable.map(([, folder]) => folder)).toEqual(['/var/lib/krb5kdc', '/srv/spool']);
    const own = printedUnits(replica.env())['kpropd.service'];
    expect(own).toContain(`\nReadWritePaths=${replica.folder}\n`);
  });

  test('would have found an option that it does not know', () => {
    const unit = join(folder(), 'kpropd.service');
    writeFileSync(
      join(folder(), 'typo.service'),
      readFileSync(unit, 'utf8').replace('Home', 'Hme'),
    );
    expect(verify('typo.service').stderr).toMatch(/Unknown key.*ProtectHme/);
  });
});
