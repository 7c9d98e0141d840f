import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { propagate } from '../../src/client/propagate.ts';
import { Lab } from '../support/lab/lab.ts';
import {
  asPrimary,
  expectReplicaHas,
  pairings,
  runKprop,
  startKpropd,
  succeeded,
} from '../support/lab/pairings.ts';
import { frames, honest, startMiddleman, stranger } from '../support/rig/attacker.ts';
import { enctypeNames } from '../support/wire/enctypes.ts';

describe.each(enctypeNames)('%s', (enctype) => {
  let lab: Lab;
  beforeAll(async () => {
    // Some dozens of kilobytes: more than one block, so that the cipher state is carried on.
    lab = await Lab.create({ enctype, principals: 120 });
  });
  afterAll(() => lab.close());

  test.each(pairings)('kprop (%s) to kpropd (%s)', async (kprop, kpropd) => {
    await lab.addPrincipals([`new-with-${kprop}-${kpropd}`]);
    await lab.dump();
    const server = await startKpropd(lab, kpropd);

    const sent = await runKprop(lab, kprop, { port: server.port });

    expect(sent).toMatchObject(succeeded());
    await expectReplicaHas(lab);
    // MIT's own names for two of them say more than the names in krb5.conf.
    expect(server.stderr).toMatch(
      new RegExp(`authenticated client: ${lab.client} \\(etype == (DEPRECATED:)?${enctype}\\)\n`),
    );
    const issued = lab.kdcLog('primary').trimEnd().split('\n').at(-1);
    expect(issued).toMatch(
      new RegExp(`tkt=\\S*${enctype}\\(\\d+\\), ses=\\S*${enctype}\\(\\d+\\)}`),
    );
    await server.stop();
  });

  test.each(['mit', 'ours'] as const)('a recorded session of kprop (%s) is dead', async (make) => {
    const server = await lab.startOurKpropd({ env: { KRB5RCACHENAME: 'none:' } });
    const middleman = await startMiddleman(server.port, honest);
    await lab.dump();
    expect(await runKprop(lab, make, { port: middleman.port })).toMatchObject(succeeded());
    const recorded = middleman.seen.map((frame) => Uint8Array.from(frame));
    await middleman.close();
    await lab.addPrincipals([`newer-than-the-one-of-${make}`]);
    await lab.dump();
    expect(await runKprop(lab, make, { port: server.port })).toMatchObject(succeeded());

    await stranger(server.port, Buffer.concat(recorded));
    const says = (text: string) => server.process.until(() => server.stderr.includes(text), text);
    await says('while decoding database size');
    // Nothing protects the option that asks for the AP-REP, which brings the fresh key.
    const apReq = Buffer.from(recorded[frames.apReq] as Uint8Array);
    const options = apReq.indexOf(Buffer.from('03050020000000', 'hex'));
    apReq[options + 3] = 0;
    const unasked = recorded.map((frame, index) => (index === frames.apReq ? apReq : frame));
    await stranger(server.port, Buffer.concat(unasked));
    await says('Mutual authentication failed');

    await expectReplicaHas(lab);
    await server.stop();
  });

  test('the report of propagate() names it', async () => {
    await lab.dump();
    const server = await startKpropd(lab, 'mit');
    const report = await propagate({ ...asPrimary(lab), port: server.port });
    expect(report).toMatchObject({
      enctype,
      port: server.port,
      server: `host/127.0.0.1@${lab.realm}`,
    });
    await expectReplicaHas(lab);
    await server.stop();
  });
});
