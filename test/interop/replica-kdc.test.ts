import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Lab } from '../support/lab/lab.ts';
import { pairingsOfOurs, runKprop, startKpropd, succeeded } from '../support/lab/pairings.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
  // It runs all the time: a load must not need it to be started again.
  await lab.startReplicaKdc();
});
afterAll(() => lab.close());

describe.each(pairingsOfOurs)(
  "kprop (%s) to kpropd (%s): the replica's own KDC",
  (kprop, kpropd) => {
    const user = `user-of-${kprop}-to-${kpropd}`;
    const propagates = async () => {
      await lab.dump();
      const server = await startKpropd(lab, kpropd);
      expect(await runKprop(lab, kprop, { port: server.port })).toMatchObject(succeeded());
      await server.stop();
    };
    const kinit = (password: string) => lab.kinit('replica', user, password);

    test('knows a new principal, then its new password, and that it is gone', async () => {
      await lab.addPrincipals([user], 'first');
      expect(await kinit('first')).toMatchObject({
        ok: false,
        error: expect.stringContaining('not found in Kerberos database'),
      });

      await propagates();
      expect(await kinit('first')).toMatchObject({ ok: true });

      await lab.setPassword(user, 'second');
      expect(await kinit('first')).toMatchObject({ ok: true });
      expect(await kinit('second')).toMatchObject({
        ok: false,
        error: expect.stringMatching(/incorrect|integrity/),
      });

      await propagates();
      expect(await kinit('second')).toMatchObject({ ok: true });
      expect(await kinit('first')).toMatchObject({ ok: false });

      await lab.kadminLocal('primary', `delprinc -force ${user}`);
      await propagates();
      expect(await kinit('second')).toMatchObject({
        ok: false,
        error: expect.stringContaining('not found in Kerberos database'),
      });
    });
  },
);
