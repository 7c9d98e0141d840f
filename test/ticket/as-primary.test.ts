import { afterEach, describe, expect, test } from 'vitest';

import type { Ambient } from '../../src/protocol/ambient.ts';
import { decode } from '../../src/protocol/der/schema.ts';
import { paEncTsEnc } from '../../src/protocol/krb5/messages/as.ts';
import { encryptedData } from '../../src/protocol/krb5/messages/parts.ts';
import { openPart } from '../../src/protocol/krb5/session/enc-part.ts';
import { type Asked, asReplyTo, closeKdcs, scriptedKdc } from '../support/kdc/scripted-kdc.ts';
import { seededAmbient } from '../support/wire/fixed-ambient.ts';
import { nowMicros, nowSeconds, someKey } from '../support/wire/forge.ts';
import { ask, demands, gives, says, types } from '../support/wire/ticket-request.ts';

afterEach(closeKdcs);

describe('clocks', () => {
  /** A primary that is an hour behind the KDC. */
  const slow: Ambient = seededAmbient(nowMicros - 3_600_000_000, 22);
  const sealedTime = ({ request }: Asked) => {
    const sealed = decode(encryptedData, request.padata![1]!.padataValue);
    return openPart(paEncTsEnc, sealed, someKey(18), 1).patimestamp;
  };

  test('kdc_timesync takes the time over from the KDC', async () => {
    const { result, asked } = await ask([demands, gives], { ambient: slow });
    expect(sealedTime(asked[1]!)).toBe(nowSeconds);
    expect(asked.map(({ request }) => request.reqBody.till)).toEqual([
      nowSeconds - 3600 + 86_400,
      nowSeconds + 86_400,
    ]);
    expect(result).toMatchObject({ value: { clockOffsetMicros: 3_600_000_000 } });
  });

  test('without it, our own time stands, and may not be far off', async () => {
    const libdefaults = ['kdc_timesync = 0'];
    const { result, asked } = await ask([demands, gives], { ambient: slow, libdefaults });
    expect(sealedTime(asked[1]!)).toBe(nowSeconds - 3600);
    expect(result).toMatchObject({ reason: { code: 'kdc.skew', detail: { seconds: 3600 } } });
    const near = await ask([gives], {
      ambient: seededAmbient(nowMicros - 300_000_000, 23),
      libdefaults,
    });
    expect(near.result).toMatchObject({ value: { clockOffsetMicros: 0 } });
  });
});

describe('a second try at the primary', () => {
  const realmWith = (primary: number) => () => [`primary_kdc = 127.0.0.1:${primary}`];

  test('is made after an error of a KDC that may lag behind', async () => {
    const primary = await scriptedKdc([gives]);
    const { result, asked } = await ask([says(6)], { realm: realmWith(primary.port) });
    expect(result.status).toBe('fulfilled');
    expect([asked.length, primary.asked.length]).toEqual([1, 1]);
  });

  test('and its error counts', async () => {
    const primary = await scriptedKdc([says(7)]);
    const { result } = await ask([says(6)], { realm: realmWith(primary.port) });
    expect(result).toMatchObject({ reason: { code: 'kdc.error', detail: { number: 7 } } });
  });

  test('begins from the beginning', async () => {
    const primary = await scriptedKdc([demands, gives]);
    const { result, asked } = await ask([demands, says(24)], { realm: realmWith(primary.port) });
    expect(result.status).toBe('fulfilled');
    expect([asked, primary.asked].map((each) => each.map(types))).toEqual([
      [
        [150, 149],
        [133, 2, 150, 149],
      ],
      [
        [150, 149],
        [133, 2, 150, 149],
      ],
    ]);
  });

  test('is made after a reply that cannot be trusted', async () => {
    const primary = await scriptedKdc([gives]);
    const liar = (asked: Asked) => asReplyTo(asked, { proof: 'damaged' });
    const { result } = await ask([liar], { realm: realmWith(primary.port) });
    expect(result.status).toBe('fulfilled');
  });

  test('without an answer leaves the first error', async () => {
    const { result } = await ask([says(6)], {
      realm: () => ['primary_kdc = nowhere.invalid'],
    });
    expect(result).toMatchObject({ reason: { code: 'kdc.error', detail: { number: 6 } } });
  });

  test('is not made if no primary is configured, or if the primary was the one that answered', async () => {
    expect((await ask([says(6)])).asked).toHaveLength(1);
    const own = await ask([says(6)], { realm: (port) => [`primary_kdc = 127.0.0.1:${port}`] });
    expect(own.result).toMatchObject({ reason: { detail: { number: 6 } } });
    expect(own.asked).toHaveLength(1);
  });
});
