import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { adviceLines, mitLines } from '../../src/cli/report.ts';
import { propagate } from '../../src/client/propagate.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { type Ambient, shiftedAmbient, systemAmbient } from '../../src/protocol/ambient.ts';
import { type KpropServer, serveKprop } from '../../src/server/serve.ts';
import { bothFail } from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import { asPrimary, expectReplicaHas, runKprop, succeeded } from '../support/lab/pairings.ts';

const ahead = (hours: number): Ambient => shiftedAmbient(systemAmbient(), hours * 3_600_000_000);

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

const rejected = (text: string) => [
  'kprop: Server rejected authentication (during sendauth exchange) while authenticating to server',
  `kprop: ${text} signalled from server`,
  `Error text from server: ${text}`,
];

describe("the replica's clock is off", () => {
  const replica = (hours: number) => replicaWith(ahead(hours));
  const replicaWith = (ambient: Ambient): Promise<KpropServer> =>
    serveKprop({
      port: 0,
      realm: lab.realm,
      config: loadKrb5Config({ krb5ConfFiles: lab.replica.krb5Conf }),
      keytab: lab.replica.keytab,
      acl: lab.replica.acl,
      file: lab.replica.fromMaster,
      loader: async () => undefined,
      ambient,
    });

  test.each([
    [1, 'Clock skew too great'],
    [30, 'Ticket expired'],
    [-1, 'Ticket not yet valid'],
  ])('by %s hours', async (hours, text) => {
    const server = await replica(hours);
    const { mit, ours, advice } = await bothFail(lab, { port: server.port });
    await server.close();
    expect(mit).toEqual(rejected(text));
    expect(ours).toEqual(mit);
    expect(advice).toMatch(/clocks? of|clock is/i);
  });

  test('by an hour until it is set back: then no propagation is refused any more', async () => {
    let offMillis = 3_600_000;
    const server = await replicaWith(systemAmbient(() => Date.now() + offMillis));
    const { ours } = await bothFail(lab, { port: server.port });
    expect(ours).toEqual(rejected('Clock skew too great'));
    offMillis = 0;
    for (const make of ['mit', 'ours'] as const) {
      expect(await runKprop(lab, make, { port: server.port })).toMatchObject(succeeded());
    }
    await server.close();
  });

  test('by four minutes, which is accepted', async () => {
    const server = await replica(-4 / 60);
    for (const make of ['mit', 'ours'] as const) {
      expect(await runKprop(lab, make, { port: server.port })).toMatchObject(succeeded());
    }
    await server.close();
  });
});

describe('the clock of the primary is off', () => {
  let kpropd: Kpropd;
  beforeAll(async () => {
    kpropd = await lab.startMitKpropd();
  });

  const send = (hours: number, settings: string) => {
    const file = join(lab.primary.folder, 'clock.conf');
    writeFileSync(file, `[libdefaults]\n${settings}\n`);
    const config = loadKrb5Config({ krb5ConfFiles: `${file}:${lab.primary.krb5Conf}` });
    return propagate({ ...asPrimary(lab), port: kpropd.port, config, ambient: ahead(hours) });
  };
  const failureOf = (sending: Promise<unknown>) =>
    sending.then(
      () => expect.unreachable('it was accepted'),
      (error: unknown) => error,
    );

  test.each([-1, 1])('by %s hours: the time of the KDC is used instead', async (hours) => {
    await lab.addPrincipals([`by${hours}`]);
    await lab.dump();
    await send(hours, '');
    await expectReplicaHas(lab);
  });

  test.each([-1, 1])('by %s hours, with preauthentication', async (hours) => {
    await lab.kadminLocal('primary', `modprinc +requires_preauth host/${lab.host}`);
    await lab.addPrincipals([`with-preauth${hours}`]);
    await lab.dump();
    await send(hours, '');
    await lab.kadminLocal('primary', `modprinc -requires_preauth host/${lab.host}`);
    await expectReplicaHas(lab);
  });

  test('by an hour, and kdc_timesync is off: it is noticed here', async () => {
    const error = await failureOf(send(1, '  kdc_timesync = 0'));
    expect(error).toMatchObject({ code: 'kdc.skew', phase: 'credentials' });
    expect(mitLines('kprop', error)).toEqual([
      'kprop: Clock skew too great in KDC reply while getting initial credentials',
    ]);
    expect(adviceLines(error, []).join(' ')).toMatch(
      /differs from ours by 36\d\d s fix: run `timedatectl/,
    );
  });

  test('by an hour, which only the replica minds', async () => {
    const error = await failureOf(send(1, '  kdc_timesync = 0\n  clockskew = 7200'));
    expect(error).toMatchObject({ code: 'peer.refused', phase: 'authenticate' });
    expect(error).toMatchObject({ detail: { number: 37 } });
    expect(mitLines('kprop', error)).toEqual(rejected('Clock skew too great'));
  });

  test('by more than the ticket lives', async () => {
    const error = await failureOf(send(30, '  kdc_timesync = 0\n  clockskew = 7200'));
    expect(error).toMatchObject({ code: 'kdc.skew', phase: 'credentials' });
  });
});
