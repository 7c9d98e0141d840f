import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { propagate } from '../../src/client/propagate.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { type Ambient, shiftedAmbient, systemAmbient } from '../../src/protocol/ambient.ts';
import { nameTypes, Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { type CredentialSource, obtainCredential } from '../../src/ticket/credentials.ts';
import { oursFails } from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import { asPrimary, expectReplicaHas, startKpropd, succeeded } from '../support/lab/pairings.ts';

let lab: Lab;
const path = (name: string) => join(lab.primary.folder, name);
const host = (name: string) => Principal.of(lab.realm, ['host', name], nameTypes.srvHst);
const later = (hours: number): Ambient => shiftedAmbient(systemAmbient(), hours * 3_600_000_000);

/** A cache with a ticket for one service, as an administrator gets it. */
async function kinit(cache: string, service: string, ...args: string[]): Promise<string> {
  const name = path(cache);
  const all = ['-k', '-t', lab.primary.keytab, '-c', name, '-S', service, ...args, lab.client];
  expect(await lab.run('kinit', all)).toMatchObject({ status: 0, stderr: '' });
  return name;
}

beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

describe('a ticket of a credential cache', () => {
  test.each(['ours', 'mit'] as const)('is used, and no KDC is asked: kpropd (%s)', async (make) => {
    const cache = await kinit(`${make}.ccache`, 'host/127.0.0.1');
    await lab.addPrincipals([`cached-${make}`]);
    await lab.dump();
    const kpropd = await startKpropd(lab, make);
    const asked = lab.kdcLog('primary');
    const env = { KRB5_KTNAME: '/none' };
    for (const name of [cache, `FILE:${cache}`]) {
      const args = ['--ccache', name];
      expect(await lab.ourKprop({ port: kpropd.port, args, env })).toMatchObject(succeeded());
    }
    expect(lab.kdcLog('primary')).toBe(asked);
    await expectReplicaHas(lab);
    await kpropd.stop();
  });

  test('serves as kvno leaves it, under the realm of referrals', async () => {
    const cache = await kinit('kvno.ccache', `krbtgt/${lab.realm}`);
    const asked = await lab.run('kvno', ['-c', cache, '-S', 'host', '127.0.0.1']);
    expect(asked).toMatchObject({ status: 0 });
    const kpropd = await lab.startMitKpropd();
    const credential: CredentialSource = { kind: 'ccache', name: cache };
    await propagate({ ...asPrimary(lab), port: kpropd.port, credential });
    await kpropd.stop();
  });
});

describe('a credential cache fails', () => {
  let kpropd: Kpropd;
  beforeAll(async () => {
    kpropd = await lab.startOurKpropd();
  });
  const fails = (name: string) =>
    oursFails(lab, () => lab.ourKprop({ port: kpropd.port, args: ['--ccache', name] }));
  const inCredentials = (text: string) => [`kprop: ${text} while getting initial credentials`];

  test('that is not there', async () => {
    const { ours, advice } = await fails(path('none.ccache'));
    expect(ours).toEqual(inCredentials('No credentials cache found'));
    expect(advice).toMatch(/none\.ccache: No such file or directory.*kinit -k -S host\/REPLICA/);
  });

  test('that is not a keytab', async () => {
    writeFileSync(path('garbage.ccache'), 'garbage');
    const { ours, advice } = await fails(path('garbage.ccache'));
    expect(ours).toEqual(inCredentials('Bad format in credentials cache'));
    expect(advice).toMatch(/garbage\.ccache is not a credential cache/);
  });

  test('of a kind that lives elsewhere', async () => {
    const { ours } = await fails('KEYRING:persistent:0');
    expect(ours).toEqual(inCredentials('Unknown credential cache type'));
    const memory = await fails('MEMORY:x');
    expect(memory.ours).toEqual(inCredentials('No credentials cache found'));
  });

  test('with a ticket for another replica, and with a TGT alone', async () => {
    const caches = [
      await kinit('foreign.ccache', 'host/localhost'),
      await kinit('tgt.ccache', `krbtgt/${lab.realm}`),
    ];
    for (const cache of caches) {
      const { ours, advice } = await fails(cache);
      expect(ours).toEqual(inCredentials('Matching credential not found'));
      expect(advice).toMatch(
        /no ticket for host\/127\.0\.0\.1@.*kinit -k -S host\/127\.0\.0\.1\S+ -c \S+/,
      );
    }
  });

  test('with a ticket of a principal that the ACL does not list', async () => {
    await lab.addPrincipals(['mallory'], 'secret');
    const cache = path('mallory.ccache');
    const args = ['-c', cache, '-S', 'host/127.0.0.1', 'mallory'];
    expect(await lab.run('kinit', args, { input: 'secret\n' })).toMatchObject({ status: 0 });
    const { ours, advice } = await fails(cache);
    expect(ours.join()).toMatch(/^Generic remote error: mallory@LAB\.EXAMPLE is not authorized/);
    expect(advice).toContain('kpropd.acl');
  });

  test('with a ticket that has expired, or is not valid yet', async () => {
    const name = await kinit('short.ccache', 'host/127.0.0.1', '-l', '1h');
    const send = (hours: number) =>
      propagate({
        ...asPrimary(lab),
        port: kpropd.port,
        credential: { kind: 'ccache', name },
        ambient: later(hours),
      });
    await expect(send(1.2)).rejects.toMatchObject({
      code: 'auth.expired',
      phase: 'credentials',
      comErrText: 'Ticket expired',
      remedy: expect.stringContaining('get a fresh ticket'),
    });
    await expect(send(-1)).rejects.toMatchObject({
      code: 'auth.not-yet-valid',
      phase: 'credentials',
      comErrText: 'Ticket not yet valid',
    });
    // Within the clock skew that libkrb5 allows it is still tried; here the replica minds our clock.
    await expect(send(1.05)).rejects.toMatchObject({ code: 'peer.refused' });
  });
});

describe('a keytab', () => {
  const credential = (name?: string, extra = '') => {
    writeFileSync(path('extra.conf'), `[libdefaults]\n${extra}\n`);
    return obtainCredential({
      source: { kind: 'keytab', name },
      clients: [host('elsewhere'), host(lab.host)],
      server: host('127.0.0.1'),
      config: loadKrb5Config({ krb5ConfFiles: `${path('extra.conf')}:${lab.primary.krb5Conf}` }),
      ambient: systemAmbient(),
    });
  };

  test('gives the key of the first of our names that it knows', async () => {
    const found = await credential(lab.primary.keytab);
    expect(`${found.client}`).toBe(lab.client);
    expect(`${found.server}`).toBe(`host/127.0.0.1@${lab.realm}`);
    expect(found.sessionKey.profile.name).toBe(lab.enctype);
  });

  test('is the one of default_keytab_name unless named', async () => {
    copyFileSync(lab.primary.keytab, path('configured.keytab'));
    const extra = `default_keytab_name = FILE:${path('configured.keytab')}`;
    expect(`${(await credential(undefined, extra)).client}`).toBe(lab.client);
  });

  test('whose enctype is not permitted here is of no use', async () => {
    const extra = 'permitted_enctypes = aes128-cts-hmac-sha1-96';
    await expect(credential(lab.primary.keytab, extra)).rejects.toMatchObject({
      code: 'keytab.no-key',
    });
  });
});
