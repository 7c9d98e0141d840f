import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { NewReplica } from './new-replica.ts';
import { ControlRealm } from './realm.ts';

// A new replica: what the kit has, what join writes, and a realm that has one replica more.

let realm: ControlRealm;
beforeAll(async () => {
  realm = await ControlRealm.create();
  realm.configure();
  await realm.lab.addPrincipals(['before'], 'pass word');
});
afterAll(() => realm.close());

describe.each(['ours', 'mit'] as const)('with the kpropd of %s', (make) => {
  test('kit, join, run: the replica answers for a principal that was there before it', async () => {
    const replica = await NewReplica.create(realm);
    const kit = await replica.kit('--with-stash');
    expect(kit.status, kit.stderr).toBe(0);
    const joined = await replica.join('--keep');
    expect(joined).toMatchObject({ status: 0, stderr: '' });
    expect(joined.stdout).toMatch(/^ {2}new .*\/krb5\.keytab +0600 +root +1 key of host/m);
    expect(replica.modeOf(replica.site.keytab)).toBe('600');
    expect(replica.modeOf(replica.site.stash)).toBe('600');
    expect(replica.modeOf(replica.site.acl)).toBe('644');
    await replica.start(make);
    const run = replica.run();
    await replica.startKdcAfterFirst();
    const { status, stdout } = await run;
    expect(stdout).toMatch(/live/);
    expect(status).toBe(0);
    expect(await replica.kinit('before', 'pass word')).toMatchObject({ status: 0 });
  });
});
