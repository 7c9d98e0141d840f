import { expect, test } from 'vitest';

import {
  directionalAddress,
  hostAddressOf,
} from '../../../../src/protocol/krb5/messages/address.ts';
import { toHex } from '../../../support/wire/transcripts.ts';

test.each([
  ['127.0.0.1', 2, '7f000001'],
  ['255.255.255.255', 2, 'ffffffff'],
  ['0.0.0.0', 2, '00000000'],
  ['::ffff:192.0.2.7', 2, 'c0000207'],
  ['::FFFF:192.0.2.7', 2, 'c0000207'],
  ['::ffff:c000:207', 2, 'c0000207'],
  ['::1', 24, '00000000000000000000000000000001'],
  ['::', 24, '00000000000000000000000000000000'],
  ['2001:db8::7', 24, '20010db8000000000000000000000007'],
  ['2001:DB8:0:1:2:3:4:5', 24, '20010db8000000010002000300040005'],
  ['1:2:3:4:5:6:7::', 24, '00010002000300040005000600070000'],
  ['fe80::1%eth0', 24, 'fe800000000000000000000000000001'],
  ['::192.0.2.7', 24, '000000000000000000000000c0000207'],
])('%s is of type %i, %s', (text, addrType, bytes) => {
  const address = hostAddressOf(text);
  expect(address?.addrType).toBe(addrType);
  expect(toHex(address?.address ?? new Uint8Array(0))).toBe(bytes);
});

test.each([
  '',
  'replica.example',
  '/run/kprop.sock',
  '1.2.3',
  '1.2.3.256',
  '1.2.3.4.5',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  '12345::',
  '1:2:3:4:5:6:7:8::',
  ':::',
  ':1:2:3:4:5:6:7',
])('"%s" is no address', (text) => {
  expect(hostAddressOf(text)).toBeUndefined();
});

test('a socket without an address gets one by direction', () => {
  expect(directionalAddress('client')).toEqual({ addrType: 3, address: Uint8Array.of(0, 0, 0, 0) });
  expect(directionalAddress('server')).toEqual({ addrType: 3, address: Uint8Array.of(0, 0, 0, 1) });
});
