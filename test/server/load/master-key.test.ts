import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { isKpropError, type KpropError } from '../../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../../src/host/config-files.ts';
import type { LoadMode } from '../../../src/server/options.ts';
import type { ServerEvent } from '../../../src/server/serve.ts';
import { IpropLab } from '../../support/lab/iprop-lab.ts';
import { kdb5Util, ReplicaRig } from '../../support/rig/replica-rig.ts';
import { largeDump, whole } from '../../support/wire/streams.ts';

// MIT's kpropd loads a dump that the replica's own stash file does not open, and says SUCCEEDED.

let rig: ReplicaRig;
let own: string;
let other: string;
let large: Buffer;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  large = largeDump(rig);
  const { replica } = rig.lab;
  own = join(replica.folder, 'own-stash');
  copyFileSync(replica.stash, own);
  other = join(replica.folder, 'other-stash');
  const database = join(replica.folder, 'other-database');
  const args = ['-sf', other, 'create', '-s', '-P', 'of another realm', '-d', database];
  expect(await rig.lab.run(kdb5Util, args, { role: 'replica' })).toMatchObject({ status: 0 });
});
afterAll(() => rig.close());
beforeEach(() => {
  rig.holdGood();
  copyFileSync(own, rig.lab.replica.stash);
});

const modes: readonly LoadMode[] = ['native', 'complete', 'streamed'];
const notices = (events: readonly ServerEvent[]) =>
  events.flatMap((event) => (event.kind === 'notice' ? [event.text] : []));
/** Such as it says that it loads natively. */
const withoutWay = (texts: readonly string[]) => texts.filter((text) => !/^loads /.test(text));

describe.each(modes)('%s', (load) => {
  test('a dump that the stash does not open is refused, and the primary is told', async () => {
    const { stash } = rig.lab.replica;
    copyFileSync(other, stash);
    const server = await rig.serve({ load });
    let refusal: KpropError | undefined;
    await rig.survives(
      server,
      async () => {
        refusal = await rig.failure(server.port, { dump: whole(large) });
        // What the remedy says mends it, without a restart. The lab's kdb5_util wants it, too.
        copyFileSync(own, stash);
      },
      { thenSends: false },
    );
    const keys = '(kvno 1, aes256-cts-hmac-sha1-96)';
    expect(server.errors).toMatchObject([{ code: 'loader.other-master-key', phase: 'load' }]);
    const [error] = server.errors as KpropError[];
    expect(error?.message).toContain(
      `the stash file ${stash} ${keys} does not open K/M@LAB.EXAMPLE`,
    );
    expect(error?.remedy).toContain(`copy the primary's stash file`);
    if (!isKpropError(refusal, 'peer.refused')) throw refusal;
    expect(refusal.detail.text).toBe(
      `the stash file stash of this replica ${keys} does not open the master key of the dump ${keys}: copy the primary's stash file to the replica`,
    );
    await rig.expectServes(server);
  });

  test('one without the master key is refused', async () => {
    const server = await rig.serve({ load });
    const text = large.toString('latin1').replace(/^princ\t.*\tK\/M@.*\n/m, '');
    await rig.survives(server, () =>
      rig.failure(server.port, { dump: whole(Buffer.from(text, 'latin1')) }),
    );
    const [error] = server.errors as KpropError[];
    // Natively it is found before the stash is looked at, if the dump arrives slowly enough.
    expect(error?.message).toMatch(/has no entry (K\/M@LAB.EXAMPLE|of the master key)/);
  });

  test('with anyMasterKey it is loaded, and the log says so', async () => {
    copyFileSync(other, rig.lab.replica.stash);
    const server = await rig.serve({ load, anyMasterKey: true });
    await rig.send(server.port);
    copyFileSync(own, rig.lab.replica.stash);
    expect(await rig.holdsOther()).toBe(true);
    expect(withoutWay(notices(server.events))).toEqual([
      expect.stringMatching(/does not open .*; it is loaded all the same \(--any-master-key\)$/),
    ]);
    await rig.lab.load(rig.good);
  });
});

test.each([
  ['without a stash file there is no check', () => undefined, []],
  [
    'with one that is damaged there is a warning, once',
    () => 'nonsense',
    [expect.stringMatching(/is not checked against the stash file .*: it is no stash file/)],
  ],
])('%s', async (_, content, said) => {
  const { stash } = rig.lab.replica;
  rmSync(stash);
  const text = content();
  if (text !== undefined) writeFileSync(stash, text);
  const server = await rig.serve({ load: 'native' });
  await rig.send(server.port);
  await rig.send(server.port);
  copyFileSync(own, stash);
  expect(await rig.holdsOther()).toBe(true);
  expect(withoutWay(notices(server.events))).toEqual(said);
  await rig.lab.load(rig.good);
});

test('without key_stash_file it is the one that is built in', async () => {
  const { replica } = rig.lab;
  const kdcConf = join(replica.folder, 'no-stash.conf');
  const text = readFileSync(replica.kdcConf, 'latin1').replace(/^ *key_stash_file.*\n/m, '');
  writeFileSync(kdcConf, text);
  const config = loadKrb5Config({ krb5ConfFiles: replica.krb5Conf, kdcConfFile: kdcConf });
  const builtInStash = join(replica.folder, '.k5.');
  copyFileSync(other, `${builtInStash}LAB.EXAMPLE`);
  const server = await rig.serve({ load: 'native', config, builtInStash });
  await rig.failure(server.port);
  expect(server.errors).toMatchObject([{ detail: { stash: `${builtInStash}LAB.EXAMPLE` } }]);
});

test('MIT loads it without a word; a full resynchronization of ours refuses it, too', async () => {
  const iprop = await IpropLab.create();
  try {
    const { lab } = iprop;
    const resync = join(lab.primary.folder, 'resync');
    await lab.run(kdb5Util, ['dump', '-i1', resync]);
    copyFileSync(other, lab.replica.stash);
    for (const way of ['native', 'kdb5_util']) {
      const kpropd = await lab.startOurKpropd({ args: [`--load=${way}`] });
      const sent = await lab.mitKprop({ port: kpropd.port, file: resync });
      expect(sent.status).toBe(1);
      expect(sent.stderr).toContain('does not open the master key of the dump');
      expect(kpropd.stderr).toContain(`the stash file ${lab.replica.stash} (kvno 1, aes256`);
      await kpropd.stop();
    }
    const forced = await lab.startOurKpropd({ args: ['--any-master-key'] });
    expect(await lab.mitKprop({ port: forced.port, file: resync })).toMatchObject({ status: 0 });
    await forced.stop();
    const mit = await lab.startMitKpropd();
    expect(await lab.mitKprop({ port: mit.port, file: resync })).toMatchObject({ status: 0 });
    await mit.stop();
    const kdc = lab.start('/usr/sbin/krb5kdc', ['-n'], { role: 'replica' });
    expect(await kdc.ended).toMatchObject({ status: 1 });
  } finally {
    await iprop.close();
  }
});
