import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Make } from '../support/lab/make.ts';
import { expectSeesBreaking } from './breaking.ts';
import { ContainerRealm, dumpFile } from './realm.ts';

let realm: ContainerRealm;
const replicas = ['kdc2', 'kdc3'] as const;

beforeAll(async () => {
  realm = await ContainerRealm.create([...replicas, 'kdc4']);
});
afterAll(() => realm?.close());

async function expectAllServed(): Promise<void> {
  for (const label of replicas) {
    for (const kprop of ['ours', 'mit'] as const) await realm.expectPropagates(kprop, label);
    await expect.poll(() => realm.host(label).run(['kdc-healthy'])).toMatchObject({ exitCode: 0 });
    expect(await realm.kinit(label, 'alice', 'wonderland'), label).toMatchObject({ exitCode: 0 });
  }
}

test("MIT's kpropd is replaced by ours, replica by replica, and ours by MIT's again", async () => {
  for (const label of replicas) await realm.startReplica(label, { kpropd: 'mit' });
  await expectAllServed();
  for (const kpropd of ['ours', 'mit'] satisfies Make[]) {
    for (const label of replicas) {
      await realm.stop(label);
      await realm.startReplica(label, { kpropd });
      // It has the database and the spool file that the other one left.
      await expectAllServed();
      await expectSeesBreaking(realm, 'ours', label);
      await expectSeesBreaking(realm, 'mit', label, ['wrong ACL']);
    }
  }
});

test('a second primary, made by mistake, is kept out by the ACL alone', async () => {
  await realm.stop('kdc2');
  await realm.startReplica('kdc2', { kpropd: 'ours' });
  await realm.startReplica('kdc4', { kpropd: 'ours' });
  await realm.expectPropagates('ours', 'kdc4');
  await realm.stop('kdc4');
  const rival = await realm.start('kdc4', ['kdc']);
  await rival.kadmin('addprinc -randkey of-the-rival');
  await rival.must(['kdb5_util', 'dump', dumpFile]);
  const ofTheRival = `of-the-rival@${realm.name}`;
  const from = { from: 'kdc4' };

  for (const label of replicas) {
    const replica = realm.host(label);
    await realm.expectPropagates('ours', label);
    const before = await replica.principals();
    for (const kprop of ['ours', 'mit'] as const) {
      const refused = await realm.kprop(kprop, label, from);
      expect(refused.exitCode, `kprop (${kprop}) to ${label}: ${refused.output}`).toBe(1);
    }
    expect(await replica.principals()).toEqual(before);
    expect(await replica.log()).toContain(
      `Rejected connection from unauthorized principal host/${rival.name}@${realm.name}`,
    );
    // Were it not for the ACL, its database would be there now.
    await replica.sh('echo "host/$1" >>/etc/krb5kdc/kpropd.acl', `${rival.name}@${realm.name}`);
    expect(await realm.kprop('ours', label, from)).toMatchObject({ exitCode: 0 });
    expect(await replica.principals()).toContain(ofTheRival);
    await replica.sh('sed -i "\\,host/$1,d" /etc/krb5kdc/kpropd.acl', rival.name);
    expect((await realm.kprop('ours', label, from)).exitCode).toBe(1);
    await realm.expectPropagates('ours', label);
    expect(await replica.principals()).not.toContain(ofTheRival);
  }
});
