import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isKpropError, type KpropError } from '../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { shiftedAmbient, systemAmbient } from '../../src/protocol/ambient.ts';
import { parseKeytab } from '../../src/protocol/krb5/formats/keytab.ts';
import type { ServeOptions } from '../../src/server/serve.ts';
import {
  honest,
  labCredential,
  openInsider,
  startMiddleman,
  stranger,
} from '../support/rig/attacker.ts';
import { expectHelpful, ReplicaRig } from '../support/rig/replica-rig.ts';
import { formatKeytab } from '../support/wire/format-keytab.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

const file = (name: string, text: string | Uint8Array) => {
  const path = join(rig.lab.replica.folder, name);
  writeFileSync(path, text);
  return path;
};

/** The reason that a replica with these options gives, after the attempt has done no harm. */
async function refusalBy(options: Partial<ServeOptions>, host?: string): Promise<KpropError> {
  const server = await rig.serve(options);
  let refusal: KpropError | undefined;
  const fault = async () => {
    refusal = await rig.failure(server.port, host === undefined ? {} : { host });
  };
  // What stands in its way is still there, so it is another server that must take the good one.
  await rig.survives(server, fault, { thenSends: false });
  await rig.expectServes(await rig.serve());
  rig.holdGood();
  expect(server.errors).toHaveLength(1);
  if (!isKpropError(refusal, 'peer.refused')) throw refusal;
  expectHelpful(refusal);
  return refusal;
}

describe('a primary that is refused is told why', () => {
  test('not in the ACL', async () => {
    const acl = file('acl-other', `host/other.example@${rig.lab.realm}\n#${rig.lab.client}\n`);
    const refusal = await refusalBy({ acl });
    expect(refusal.detail).toMatchObject({
      number: 60,
      text: `${rig.lab.client} is not authorized to propagate to this host: its line 2 is a comment`,
    });
    expect(refusal.remedy).toContain('kpropd.acl');
  });

  test('in the ACL with another encryption type only', async () => {
    const acl = file('acl-enctype', `${rig.lab.client} aes128-cts\n`);
    expect((await refusalBy({ acl })).detail).toMatchObject({
      number: 60,
      text: `${rig.lab.client} is not authorized to propagate to this host: its line 1 demands another encryption type of the ticket than ${rig.lab.enctype}`,
    });
  });

  test.each([
    ['missing', () => join(rig.lab.replica.folder, 'no-such-acl'), 'No such file or directory'],
    ['a directory', () => rig.lab.replica.folder, 'Is a directory'],
    ['empty', () => file('acl-empty', ''), 'it is not in the ACL'],
  ])('the ACL file is %s, which stays in the log', async (_what, path, reason) => {
    const server = await rig.serve({ acl: path() });
    const { detail } = await rig.failure(server.port);
    const text = `${rig.lab.client} is not authorized to propagate to this host`;
    expect(detail).toMatchObject({ number: 60, text });
    await server.settled();
    expect(`${server.errors.at(-1)}`).toContain(reason);
  });

  test('with an encryption type that is not the required one', async () => {
    const more = file('more.conf', '[libdefaults]\npermitted_enctypes = aes camellia\n');
    const krb5Conf = `${more}:${rig.lab.replica.krb5Conf}`;
    const { kdcConf } = rig.lab.replica;
    const config = loadKrb5Config({ krb5ConfFiles: krb5Conf, kdcConfFile: kdcConf });
    const refusal = await refusalBy({ config, requireEnctype: 'aes256-cts-hmac-sha384-192' });
    expect(refusal.detail).toMatchObject({ number: 60, text: 'Encryption type not permitted' });
    await rig.expectServes(await rig.serve({ requireEnctype: 'aes' }));
    rig.holdGood();
    await expect(rig.serve({ requireEnctype: 'aes257' })).rejects.toMatchObject({
      code: 'crypto.no-enctypes',
      phase: 'configuration',
    });
    const args = ['--require-enctype=camellia'];
    const env = { KRB5_CONFIG: krb5Conf };
    const kpropd = await rig.lab.startOurKpropd({ args, env });
    const { stderr } = await rig.lab.ourKprop({ port: kpropd.port, file: rig.other });
    expect(stderr).toContain('Encryption type not permitted');
    await kpropd.stop();
  });

  test('the ACL changes while the server runs: the next connection is judged by it', async () => {
    const acl = file('acl-live', `${rig.lab.client}\n`);
    const server = await rig.serve({ acl });
    await rig.expectServes(server);
    rig.holdGood();
    writeFileSync(acl, '');
    await rig.survives(server, () => rig.failure(server.port), { thenSends: false });
    expect(server.events).toContainEqual(
      expect.objectContaining({ kind: 'denied', client: rig.lab.client }),
    );
    expect(server.events.filter(({ kind }) => kind === 'receiving')).toHaveLength(1);
    writeFileSync(acl, `${rig.lab.client}\n`);
    await rig.expectServes(server);
    rig.holdGood();
  });

  test('the replica is of another realm', async () => {
    const { detail } = await refusalBy({ realm: 'OTHER.EXAMPLE' });
    expect(detail).toMatchObject({ number: 45, text: expect.stringMatching(/key/i) });
  });

  test('the replica has no keytab', async () => {
    const keytab = `FILE:${join(rig.lab.replica.folder, 'no-such-keytab')}`;
    const { detail } = await refusalBy({ keytab });
    expect(detail).toMatchObject({ number: 45, text: 'Service key not available' });
  });

  test('the keytab is garbage', async () => {
    const { detail } = await refusalBy({ keytab: `FILE:${file('bad.keytab', 'no keytab')}` });
    expect(detail).toMatchObject({
      number: 60,
      text: 'Unsupported key table format version number',
    });
  });

  test('the keytab lacks the principal', async () => {
    const keytab = join(rig.lab.replica.folder, 'user.keytab');
    await rig.lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} user1`);
    const { detail } = await refusalBy({ keytab: `FILE:${keytab}` });
    expect(detail).toMatchObject({ number: 45 });
  });

  test('the keytab has another version of the key', async () => {
    const strict = file(
      'strict.conf',
      `[libdefaults]\nignore_acceptor_hostname = false\n${readFileSync(rig.lab.replica.krb5Conf)}`,
    );
    const config = loadKrb5Config({
      krb5ConfFiles: strict,
      kdcConfFile: rig.lab.replica.kdcConf,
    });
    const keytab = join(rig.lab.replica.folder, 'later.keytab');
    const entries = parseKeytab(readFileSync(rig.lab.replica.keytab), keytab);
    const later = entries.map(({ principal, timestampSeconds, enctype, key }) => {
      return { principal, timestampSeconds, enctype, key, kvno: 7 };
    });
    writeFileSync(keytab, formatKeytab(later));
    const { detail } = await refusalBy({ config, keytab: `FILE:${keytab}` }, rig.lab.host);
    expect(detail).toMatchObject({ number: 44 });
  });

  test.each([
    ['ahead', 400, 37],
    ['behind', -400, 37],
  ])('a clock that is %s', async (_what, clockOffsetSeconds, number) => {
    const server = await rig.serve();
    const credential = await labCredential(rig.lab);
    await rig.survives(server, async () => {
      const attempt = openInsider(server.port, credential, { clockOffsetSeconds });
      await expect(attempt).rejects.toMatchObject({ detail: { number } });
    });
    expect(server.errors).toMatchObject([{ code: 'auth.clock-skew', phase: 'authenticate' }]);
  });

  test.each([
    ['ahead by two days', 2 * 86_400, 32],
    ['behind by two days', -2 * 86_400, 33],
  ])('the clock of the replica is %s', async (_what, seconds, number) => {
    const ambient = shiftedAmbient(systemAmbient(), seconds * 1_000_000);
    expect((await refusalBy({ ambient })).detail).toMatchObject({ number });
  });
});

test('a propagation that somebody recorded is not loaded a second time', async () => {
  const server = await rig.serve();
  const middleman = await startMiddleman(server.port, honest);
  await rig.send(middleman.port);
  const recording = Buffer.concat(middleman.seen);
  await rig.expectServes(server);
  rig.holdGood();
  await rig.survives(server, async () => {
    const { told } = await stranger(server.port, recording);
    expect(told.toString('latin1')).toContain('Request is a replay\0');
  });
  expect(server.errors).toMatchObject([{ code: 'auth.replay' }]);
  await middleman.close();
});

test('a ticket for another service of the realm does not open the door', async () => {
  const server = await rig.serve();
  const credential = await labCredential(rig.lab, ['kadmin', 'admin']);
  await rig.survives(server, async () => {
    const attempt = openInsider(server.port, credential);
    await expect(attempt).rejects.toMatchObject({ detail: { number: 35 } });
  });
});
