import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { pairings } from '../support/lab/pairings.ts';
import { expectSeesBreaking } from './breaking.ts';
import { ContainerRealm } from './realm.ts';

let realm: ContainerRealm;
const replicaOf = { ours: 'kdc2', mit: 'kdc3' } as const;

beforeAll(async () => {
  realm = await ContainerRealm.create(['kdc2', 'kdc3']);
  await Promise.all([
    realm.startReplica('kdc2', { kpropd: 'ours' }),
    realm.startReplica('kdc3', { kpropd: 'mit' }),
  ]);
});
afterAll(() => realm?.close());

test.each(pairings)('kprop (%s) to kpropd (%s) on another host', async (kprop, kpropd) => {
  await realm.expectPropagates(kprop, replicaOf[kpropd]);
  await expectSeesBreaking(realm, kprop, replicaOf[kpropd]);
  await realm.expectPropagates(kprop, replicaOf[kpropd]);
});

describe('a password changed with kadmin on the primary', () => {
  const kadmin = (query: string) =>
    realm.client.must(['kadmin', '-p', 'admin/admin', '-w', 'looking-glass', '-q', query]);

  test.each(['ours', 'mit'] as const)(
    'is valid at each replica after kprop (%s), and not before',
    async (kprop) => {
      for (const replica of ['kdc2', 'kdc3']) await realm.expectPropagates(kprop, replica);
      const password = randomUUID(); // another one each time that this is tried
      expect(await kadmin(`cpw -pw "${password}" alice`)).toContain('changed');
      expect(await realm.kinit('kdc1', 'alice', password)).toMatchObject({ exitCode: 0 });
      for (const replica of ['kdc2', 'kdc3']) {
        const early = await realm.kinit(replica, 'alice', password);
        expect(early.output, replica).toContain('Password incorrect');
        await expectSeesBreaking(realm, kprop, replica, ['wrong ACL']);
        const broken = await realm.kinit(replica, 'alice', password);
        expect(broken.output, replica).toContain('Password incorrect');
        await realm.expectPropagates(kprop, replica);
        const after = await realm.kinit(replica, 'alice', password);
        expect(after, replica).toMatchObject({ exitCode: 0 });
      }
    },
  );
});
