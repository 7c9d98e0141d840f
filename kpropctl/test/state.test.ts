import { writeFileSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { startProxy } from '../../test/support/rig/tcp-proxy.ts';
import { readState } from '../src/state/state.ts';
import { ControlRealm, type Replica } from './realm.ts';

// Several commands change the state side by side: what one has read long ago undoes nothing.

let realm: ControlRealm;
let quick: Replica;
let slow: Replica;
beforeAll(async () => {
  realm = await ControlRealm.create();
  quick = await realm.addReplica('ours');
  slow = await realm.addReplica('ours');
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
});
afterAll(() => realm.close());

const state = () => readState(realm.state, (text) => expect.fail(text));

/** The KDC of one replica takes a question and answers only when it is told to. */
async function withSilentKdc(
  during: (silent: { readonly asked: Promise<void>; answer(): void }) => Promise<void>,
): Promise<void> {
  const proxy = await startProxy(slow.kdcPort, { from: 'client', afterBytes: 1, fate: 'hold' });
  realm.configure({}, { [slow.host]: { kdc: `127.0.0.1:${proxy.port}` } });
  try {
    await during({ asked: proxy.struck, answer: () => proxy.release() });
  } finally {
    await proxy.close();
    realm.configure();
  }
}

test('a run and a hold while status --probe waits', async () => {
  const before = state().generation;
  await withSilentKdc(async ({ asked, answer }) => {
    const probing = realm.run('status', '--probe');
    await asked;
    expect((await realm.run('run', quick.host)).status).toBe(0);
    await realm.run('hold', quick.host, '--reason', 'its disk');
    answer();
    expect((await probing).status).toBe(0);
  });
  expect(state().generation).toBe(before + 1);
  expect(state().replicas[quick.host]).toMatchObject({ has: before + 1, proved: true });
  expect(Object.keys(state().holds)).toEqual([quick.host]);
  await realm.run('release', quick.host);
  expect((await realm.run('run')).status).toBe(0);
});

test('a hold and a kit while a run waits', async () => {
  const passphrase = `${realm.lab.folder}/passphrase`;
  writeFileSync(passphrase, 'a passphrase of the test\n', { mode: 0o600 });
  await withSilentKdc(async ({ asked, answer }) => {
    const running = realm.run('run');
    await asked;
    await realm.run('hold', quick.host, '--reason', 'its disk');
    const kit = await realm.run('kit', '127.0.0.99', '--passphrase-file', passphrase);
    expect(kit.status).toBe(0);
    answer();
    await running;
  });
  expect(Object.keys(state().holds)).toEqual([quick.host]);
  expect(Object.keys(state().expected ?? {})).toEqual(['127.0.0.99']);
});
