import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { framed, writeFrame } from '../../src/protocol/channel/frame.ts';
import { encodeSize } from '../../src/protocol/kprop/size.ts';
import { labCredential, openInsider, stranger } from '../support/rig/attacker.ts';
import { ReplicaRig, type RigServer } from '../support/rig/replica-rig.ts';

let rig: ReplicaRig;
let server: RigServer;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  server = await rig.serve({ limits: { authenticateMillis: 4_000, idleMillis: 5_000 } });
});
afterAll(() => rig.close());

const frame = (text: string | Uint8Array) => Buffer.concat(framed(Buffer.from(text as Uint8Array)));
const versions = Buffer.concat([frame('KRB5_SENDAUTH_V1.0\0'), frame('kprop5_01\0')]);
const huge = Buffer.from('ffffffff', 'hex');
// A ClientHello as OpenSSL begins it.
const clientHello = Buffer.from(`1603010200010001fc0303${'5a'.repeat(500)}`, 'hex');
// Heimdal's hprop speaks of "hprop-0.0" where kprop says "kprop5_01".
const hprop = Buffer.concat([frame('KRB5_SENDAUTH_V1.0\0'), frame('hprop-0.0\0')]);

describe('a stranger that does not speak the protocol', () => {
  test.each<readonly [string, Uint8Array | string, string, string]>([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: replica\r\n\r\n', '01', 'session.bad-sendauth-version'],
    ['TLS', clientHello, '01', 'session.bad-sendauth-version'],
    ['4 GiB at once', huge, '01', 'session.bad-sendauth-version'],
    ['zeros', new Uint8Array(4_096), '01', 'session.bad-sendauth-version'],
    ["Heimdal's hprop", hprop, '02', 'session.bad-application-version'],
    ['SSH', 'SSH-2.0-OpenSSH_9.2p1\r\n', '01', 'session.bad-sendauth-version'],
    ['an older sendauth', frame('KRB5_SENDAUTH_V0.9\0'), '01', 'session.bad-sendauth-version'],
    ['no final NUL', frame('KRB5_SENDAUTH_V1.0'), '01', 'session.bad-sendauth-version'],
    ['4 GiB of AP-REQ', Buffer.concat([versions, huge]), '00', 'message.too-long'],
    [
      '32 KiB and 1 of AP-REQ',
      Buffer.concat([versions, Buffer.from('00008001', 'hex')]),
      '00',
      'message.too-long',
    ],
  ])('%s is turned away at once', async (_what, bytes, told, code) => {
    const before = server.errors.length;
    await rig.survives(server, async () => {
      const end = await stranger(server.port, bytes);
      expect(end.told.toString('hex')).toBe(told);
      expect(end.millis).toBeLessThan(2_000);
    });
    expect(server.errors.slice(before)).toMatchObject([{ code, phase: 'authenticate' }]);
  });

  test.each<readonly [string, Uint8Array]>([
    ['garbage', frame(new Uint8Array(300).fill(0x5a))],
    ['nothing', frame('')],
    ['the tag of an AP-REQ alone', frame(Uint8Array.of(0x6e))],
    ['an AP-REQ of endless length', frame(Buffer.from('6e84ffffffff', 'hex'))],
    ['an AP-REP', frame(Buffer.from('6f0030', 'hex'))],
  ])('in place of the AP-REQ, %s is answered with a KRB-ERROR', async (_what, message) => {
    await rig.survives(server, async () => {
      const { told } = await stranger(server.port, Buffer.concat([versions, message]));
      expect(told[0]).toBe(0);
      expect(told[5]).toBe(0x7e);
    });
  });

  test('random bytes of many kinds', async () => {
    let state = 1;
    const next = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16;
    };
    const noise = () => Uint8Array.from({ length: 1 + (next() % 2_000) }, next);
    await rig.survives(server, async () => {
      const attempts = Array.from({ length: 30 }, (_, i) => {
        return i % 2 === 0 ? noise() : Buffer.concat([versions, frame(noise())]);
      });
      await Promise.all(attempts.map((bytes) => stranger(server.port, bytes)));
    });
  });
});

describe('a stranger that takes his time', () => {
  test.each<readonly [string, Uint8Array | string, number | undefined]>([
    ['says nothing', '', undefined],
    ['stops in the middle of a version', versions.subarray(0, 9), undefined],
    ['stops before the AP-REQ', versions, undefined],
    ['stops in the AP-REQ', Buffer.concat([versions, Buffer.from('00007fff6e', 'hex')]), undefined],
    ['sends a byte now and then', versions, 100],
    [
      'sends the AP-REQ a byte at a time',
      Buffer.concat([versions, frame(new Uint8Array(999))]),
      20,
    ],
  ])('and %s is dropped when the time for authentication is up', async (_what, bytes, every) => {
    const hasty = await rig.serve({ limits: { authenticateMillis: 500 } });
    await rig.survives(hasty, async () => {
      const o = every === undefined ? {} : { everyMillis: every };
      const { millis } = await stranger(hasty.port, bytes, o);
      expect(millis).toBeGreaterThan(450);
      expect(millis).toBeLessThan(2_500);
    });
    expect(hasty.errors).toMatchObject([
      { code: 'network.timeout', phase: 'authenticate', detail: { millis: 500 } },
    ]);
  });
});

describe('many at once', () => {
  test('a limit of many days does not become one of a millisecond', async () => {
    const patient = await rig.serve({ limits: { totalMillis: 365 * 86_400_000 } });
    await rig.expectServes(patient);
    rig.holdGood();
  });

  test('a slow sender does not hold up another, and does not undo its load when it is done', async () => {
    const credential = await labCredential(rig.lab);
    const { channel, session, refusal } = await openInsider(server.port, credential);
    // The dump that the replica had before; by now it is an old one.
    const old = Buffer.from('kdb5_util load_dump version 7\n');
    await writeFrame(channel, session.makeSafe(encodeSize(old.length)));
    const seal = session.sealer();
    await channel.write(...framed(...seal(Uint8Array.from(old.subarray(0, 10))).flat()));

    await rig.send(server.port);
    expect(await rig.holdsOther()).toBe(true);
    expect(rig.leftOvers()).toEqual(['from_master.temp']);

    await channel.write(...framed(...seal(Uint8Array.from(old.subarray(10))).flat()));
    expect(await refusal()).toMatchObject({
      detail: { number: 60, text: expect.stringMatching(/^a newer propagation was loaded/) },
    });
    channel.close();
    await server.settled();
    expect(server.errors.at(-1)).toMatchObject({ code: 'spool.superseded' });
    expect(await rig.holdsOther()).toBe(true);
    await rig.expectServes(server);
    rig.holdGood();
  });

  test('an AP-REQ that was held back for some seconds brings no old database back', async () => {
    const credential = await labCredential(rig.lab);
    // Of before the last propagation by the authenticator's time; nothing was seen of it here.
    const held = { clockOffsetSeconds: -10 };
    await rig.send(server.port);
    const fresh = await rig.serve();
    for (const { port } of [server, fresh]) {
      const { channel, session, refusal } = await openInsider(port, credential, held);
      const old = readFileSync(rig.good);
      await writeFrame(channel, session.makeSafe(encodeSize(old.length)));
      await channel.write(...framed(...session.sealer()(old).flat()));
      expect(await refusal()).toMatchObject({ detail: { number: 60 } });
      channel.close();
    }
    await Promise.all([server.settled(), fresh.settled()]);
    expect(server.errors.at(-1)).toMatchObject({ code: 'spool.superseded' });
    expect(fresh.errors).toMatchObject([{ code: 'spool.superseded' }]);
    expect(await rig.holdsOther()).toBe(true);
    await rig.expectServes(server);
    rig.holdGood();
  });

  test('ten propagations at once all end well, and the last one is what the replica holds', async () => {
    const dumps = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? rig.other : rig.good));
    const ends = await Promise.allSettled(dumps.map((dump) => rig.send(server.port, { dump })));
    await server.settled();
    for (const end of ends) {
      if (end.status === 'rejected') expect(end.reason.message).toContain('a newer propagation');
    }
    expect(ends.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(rig.leftOvers()).toEqual([]);
    await rig.expectServes(server);
    rig.holdGood();
  });
});
