import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { type Pairing, pairingsOfOurs } from '../support/lab/pairings.ts';
import { expectSeesBreaking } from './breaking.ts';
import type { Result } from './host.ts';
import { ContainerRealm, dumpFile } from './realm.ts';

const bigDump = '/var/lib/krb5kdc/big';
const spool = '/var/lib/krb5kdc/from_master.temp';
const bulk = 60_000;
// Past what the sockets of both ends can hold: the sender is in the middle, too.
const midway = `[ "$(stat -c %s ${spool} 2>/dev/null || echo 0)" -gt 2000000 ]`;

let realm: ContainerRealm;
const replicaOf = { ours: 'kdc2', mit: 'kdc3' } as const;

beforeAll(async () => {
  realm = await ContainerRealm.create(['kdc2', 'kdc3']);
});
afterAll(() => realm?.close());

/** Some 30 MB: the dump, and its record of alice over and over, with other names. */
async function makeBigDump(): Promise<void> {
  await realm.dump();
  await realm.primary.sh(
    `awk -F '\\t' -v OFS='\\t' -v n=${bulk} '
      { print } $7 ~ /^alice@/ { for (i = 1; i <= n; i++) {
        $7 = sprintf("bulk%07d@%s", i, "${realm.name}"); $3 = length($7); print } }
    ' ${dumpFile} >${bigDump} && touch ${bigDump}.dump_ok`,
  );
}

/** Replicas as they are after a propagation, and one under way that is held in the middle. */
async function holdInTheMiddle([kprop, kpropd]: Pairing) {
  const label = replicaOf[kpropd];
  await realm.stop(label);
  const replica = await realm.startReplica(label, { kpropd });
  await realm.expectPropagates(kprop, label);
  await expectSeesBreaking(realm, kprop, label, ['wrong ACL']);
  await makeBigDump();
  const before = await replica.principals();
  const frozen = replica.freezeOnce(midway);
  let outcome: Result | undefined;
  const sending = realm.kprop(kprop, label, { file: bigDump }).then((result) => {
    outcome = result;
    return result;
  });
  await frozen;
  expect(outcome, 'kprop is under way').toBeUndefined();
  return { label, replica, before, sending, settled: () => outcome };
}

const count = (principals: readonly string[]) =>
  principals.filter((name) => name.startsWith('bulk')).length;

async function kill(program: string): Promise<void> {
  await realm.primary.sh(
    `for exe in /proc/[0-9]*/cmdline; do
      if tr '\\0' ' ' <"$exe" | grep -q "$1 -f"; then kill "$(basename "$(dirname "$exe")")"; fi
    done 2>/dev/null; true`,
    program,
  );
}

test.each(pairingsOfOurs)(
  'kprop (%s), kpropd (%s): a replica that starts late',
  async (kprop, kpropd) => {
    const label = replicaOf[kpropd];
    await realm.stop(label);
    await realm.dump();
    expect((await realm.kprop(kprop, label)).exitCode).toBe(1);
    const replica = await realm.startReplica(label, { kpropd });
    await expectSeesBreaking(realm, kprop, label, ['wrong ACL']);
    await realm.expectPropagates(kprop, label);
    await expect.poll(() => replica.run(['kdc-healthy'])).toMatchObject({ exitCode: 0 });
    expect(await realm.kinit(label, 'alice', 'wonderland')).toMatchObject({ exitCode: 0 });
  },
);

test.each(pairingsOfOurs)(
  'kprop (%s), kpropd (%s): a replica that restarts in the middle',
  async (...pairing) => {
    const { label, replica, before, sending } = await holdInTheMiddle(pairing);
    await replica.restart();
    expect((await sending).exitCode).toBe(1);
    expect(await replica.principals()).toEqual(before);
    const again = await realm.kprop(pairing[0], label, { file: bigDump });
    expect(again, again.output).toMatchObject({ exitCode: 0 });
    expect(count(await replica.principals())).toBe(bulk);
  },
);

test.each(pairingsOfOurs)(
  'kprop (%s), kpropd (%s): cut off in the middle, and back: the propagation goes on',
  async (...pairing) => {
    const { replica, before, sending, settled } = await holdInTheMiddle(pairing);
    const address = await replica.address();
    await replica.cutOff();
    await replica.thaw();
    await sleep(3000);
    expect(settled()).toBeUndefined();
    expect(await replica.principals()).toEqual(before);
    await replica.reconnect(address);
    const outcome = await sending;
    expect(outcome, outcome.output).toMatchObject({ exitCode: 0 });
    expect(count(await replica.principals())).toBe(bulk);
  },
);

// MIT's kpropd serves one peer after the other, and waits 300 s for this one that is gone.
test.each(['ours', 'mit'] as const)(
  'kprop (%s), our kpropd: cut off in the middle, and back with another address',
  async (kprop) => {
    const { label, replica, before, sending } = await holdInTheMiddle([kprop, 'ours']);
    const address = await replica.address();
    await replica.cutOff();
    await replica.thaw();
    await kill('kprop');
    expect((await sending).exitCode).not.toBe(0);
    await replica.reconnect(address.replace(/\d+$/, '200'));
    expect(await replica.principals()).toEqual(before);
    await realm.expectPropagates(kprop, label);
  },
);
