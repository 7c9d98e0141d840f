import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { oursFails } from '../support/lab/both-kprops.ts';
import { Lab, packageRoot } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import { asPrimary, expectReplicaHas, startKpropd, succeeded } from '../support/lab/pairings.ts';

// The package `kerberos` is real here: `npm install` built it. What it runs in is the compiled
// worker, so these tests go through dist/.

let lab: Lab;
const path = (name: string) => join(lab.primary.folder, name);
const privateFolders = () => readdirSync(path('tmp')).filter((name) => name.startsWith('kprop-'));

beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

describe.each(['ours', 'mit'] as const)('kprop --gss to kpropd (%s)', (make) => {
  test.each(['127.0.0.1', 'localhost'])('as %s', async (host) => {
    await lab.addPrincipals([`${make}-${host}`]);
    await lab.dump();
    const kpropd = await startKpropd(lab, make);
    const sent = await lab.ourKprop({ port: kpropd.port, host, args: ['--gss'] });
    await kpropd.stop();
    expect(sent).toMatchObject(succeeded(host));
    expect(kpropd.stderr).toContain(`authenticated client: ${lab.client} `);
    await expectReplicaHas(lab);
    // The ticket came by way of a TGT: it was the system's libkrb5 that asked.
    expect(lab.kdcLog('primary')).toMatch(new RegExp(`TGS_REQ .* for host/${host}@`));
    expect(privateFolders()).toEqual([]);
  });
});

test('-s names the keytab, and of several keys in it our own is used', async () => {
  const keytab = path('both.keytab');
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} host/localhost host/${lab.host}`);
  const kpropd = await lab.startMitKpropd();
  const args = ['--gss', '-s', keytab];
  const sent = await lab.ourKprop({ port: kpropd.port, args, env: { KRB5_KTNAME: undefined } });
  await kpropd.stop();
  expect(sent).toMatchObject(succeeded());
  expect(kpropd.stderr).toContain(`authenticated client: ${lab.client} `);
});

describe('it fails', () => {
  let kpropd: Kpropd;
  beforeAll(async () => {
    kpropd = await lab.startOurKpropd();
  });
  const fails = async (o: { args?: readonly string[]; host?: string } = {}) => {
    const { args = [], ...rest } = o;
    const failure = await oursFails(lab, () =>
      lab.ourKprop({ port: kpropd.port, args: ['--gss', ...args], ...rest }),
    );
    expect(failure.ours[0]).toMatch(/^kprop: \S.* while getting initial credentials$/);
    expect(privateFolders()).toEqual([]);
    return failure;
  };

  test('without a keytab, with a garbled one, and with one that lacks our key', async () => {
    writeFileSync(path('garbage.keytab'), 'garbage');
    const other = path('other.keytab');
    await lab.kadminLocal('primary', `ktadd -norandkey -k ${other} host/localhost`);
    for (const name of ['none.keytab', 'garbage.keytab', 'other.keytab']) {
      const { ours, advice } = await fails({ args: ['-s', path(name)] });
      expect(ours).toEqual([expect.stringContaining('No credentials were supplied')]);
      expect(advice).toMatch(/the system's Kerberos did not get the ticket: No cred.*KRB5_TRACE/);
    }
  });

  test('for a replica that the KDC does not know', async () => {
    const { advice } = await fails({ host: '127.0.0.2' });
    expect(advice).toContain(`host/127.0.0.2@${lab.realm} not found in Kerberos database`);
  });

  test('where the package kerberos is not installed', async () => {
    const copy = path('installed');
    mkdirSync(join(copy, 'node_modules'), { recursive: true });
    cpSync(join(packageRoot, 'dist'), join(copy, 'dist'), { recursive: true });
    cpSync(join(packageRoot, 'package.json'), join(copy, 'package.json'));
    for (const name of ['asn1js', 'koffi']) {
      symlinkSync(join(packageRoot, 'node_modules', name), join(copy, 'node_modules', name));
    }
    const program = join(copy, 'dist', 'bin', 'kprop.js');
    const run = (...args: string[]) =>
      lab.run(process.execPath, [program, ...lab.kpropArgs({ port: kpropd.port, args })]);

    const { ours, advice } = await oursFails(lab, () => run('--gss'));
    expect(ours).toEqual([expect.stringContaining("Cannot find package 'kerberos'")]);
    expect(advice).toMatch(/cannot be used.*install the optional package "kerberos".*--gss/);
    expect(privateFolders()).toEqual([]);
    // Nothing else misses it.
    expect(await run()).toMatchObject(succeeded());
  });
});

test('an abort ends the worker and removes its folder', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const config = path('silent.conf');
  writeFileSync(
    config,
    `[realms]\n  ${lab.realm} = {\n    kdc = 127.0.0.1:${silent.address().port}\n  }\n`,
  );
  const url = pathToFileURL(join(packageRoot, 'dist', 'index.js')).href;
  const { propagate } = (await import(url)) as typeof import('../../src/index.ts');
  const abort = new AbortController();
  const before = process.env.TMPDIR;
  process.env.TMPDIR = path('tmp');
  try {
    const sending = propagate({
      ...asPrimary(lab),
      port: 1,
      credential: {
        kind: 'gss',
        keytab: lab.primary.keytab,
        environment: { ...lab.env('primary'), KRB5_CONFIG: `${config}:${lab.primary.krb5Conf}` },
      },
      signal: abort.signal,
    });
    const settled = sending.then(
      () => 'sent',
      (error: unknown) => error,
    );
    await once(silent, 'message');
    expect(privateFolders()).toHaveLength(1);
    abort.abort(new Error('enough'));
    expect(await settled).toMatchObject({ code: 'aborted', phase: 'credentials' });
    expect(privateFolders()).toEqual([]);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    silent.close();
  }
});
