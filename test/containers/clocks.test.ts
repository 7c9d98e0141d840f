import { afterAll, beforeAll, expect, test } from 'vitest';

import { pairings } from '../support/lab/pairings.ts';
import { ContainerRealm } from './realm.ts';

let realm: ContainerRealm;
const replicaOf = { ours: 'kdc2', mit: 'kdc3' } as const;

beforeAll(async () => {
  realm = await ContainerRealm.create(['kdc2', 'kdc3']);
});
afterAll(() => realm?.close());

async function startReplicas(clock?: string): Promise<void> {
  for (const kpropd of ['ours', 'mit'] as const) {
    await realm.stop(replicaOf[kpropd]);
    await realm.startReplica(replicaOf[kpropd], {
      kpropd,
      ...(clock === undefined ? {} : { clock }),
    });
  }
}

async function expectAllRefused(message: string): Promise<void> {
  for (const [kprop, kpropd] of pairings) {
    const label = replicaOf[kpropd];
    const before = await realm.host(label).principals();
    // The check of every other test, which has to fail here.
    await expect(realm.expectPropagates(kprop, label)).rejects.toThrow(
      `${message} signalled from server`,
    );
    expect(await realm.host(label).principals()).toEqual(before);
  }
}

async function expectAllServed(): Promise<void> {
  for (const [kprop, kpropd] of pairings) await realm.expectPropagates(kprop, replicaOf[kpropd]);
}

test.each([
  ['an hour fast', '+1h', 'Clock skew too great'],
  ['an hour slow', '-1h', 'Ticket not yet valid'],
])('replicas whose clocks are %s load nothing until they are right', async (_, clock, message) => {
  await startReplicas();
  await expectAllServed();
  await startReplicas(clock);
  await expectAllRefused(message);
  await startReplicas();
  await expectAllServed();
});

test('a primary whose clock is an hour fast is refused until the clock is right', async () => {
  await startReplicas();
  await realm.stop('kdc1');
  await realm.start('kdc1', ['kdc', 'kadmind'], { clock: '+1h' });
  await expectAllRefused('Ticket not yet valid');
  await realm.stop('kdc1');
  await realm.start('kdc1', ['kdc', 'kadmind']);
  await expectAllServed();
});

test('a clock within the limit of five minutes does no harm', async () => {
  await startReplicas('+3m');
  await expectAllServed();
});
