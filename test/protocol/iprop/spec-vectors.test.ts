import { expect, test } from 'vitest';

import { encodeCallHeader } from '../../../src/protocol/iprop/rpc.ts';
import { updatesReply } from '../../../src/protocol/iprop/updates.ts';
import { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { messageTokens, type Side } from '../../../src/protocol/krb5/gss/message-tokens.ts';
import { decode, encode } from '../../../src/protocol/xdr/schema.ts';
import { fixedAmbient } from '../../support/wire/fixed-ambient.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

// A session of krb5 1.20.1 with AES-256 and SHA-1, token by token.

const key = Key.of(18, fromHex('d49c32424353d7fb9969ff567f99f1bc018e48111f119df69516cf5b11986a65'));
const tokens = (side: Side) =>
  messageTokens({ side, key, acceptorSubkey: true, ambient: fixedAmbient(0) });
const head = fromHex(
  `6907a470000000000000000200018847000000010000000100000006000000180000000100000000
   0000000100000003000000047878787800000000`.replace(/\s/g, ''),
).subarray(0, 56);

test('the header of the first call, and its MIC', () => {
  const body = fromHex('000000010000000000000001000000030000000478787878');
  const call = { program: 100_423, version: 1, procedure: 1, credential: { flavor: 6, body } };
  expect(toHex(encodeCallHeader({ xid: 0x6907a470, ...call }))).toBe(toHex(head));
  const mic = '040404ffffffffff000000000a624fac53f2b84c0c5ae89fb03db290';
  expect(toHex(tokens('initiator').makeMic(0x0a624fac, head))).toBe(mic);
  expect(tokens('acceptor').verifyMic(fromHex(mic), head)).toBe(0x0a624fac);
});

test('what the first call asks', () => {
  const token = fromHex(
    '050406ff00000000000000000a624fadfb777deae79ee641cde1b782da81077a03412f310d2d37f58518525db579f2581eea0b3371f627c4d00d12f871f56f748858434072704e61a5f7d4a7',
  );
  const { sequence, message } = tokens('acceptor').unwrap(token);
  expect(sequence).toBe(0x0a624fad);
  expect(toHex(message)).toBe('00000001000000016b02ee0100051785');
});

test('the MICs of the replies, and what the first says', () => {
  const ofWindow = fromHex('040405ffffffffff000000003eb37cae48f727fa28f764be31f69d0b');
  expect(tokens('initiator').verifyMic(ofWindow, fromHex('00000020'))).toBe(0x3eb37cae);
  const ofCall = fromHex('040405ffffffffff000000003eb37caf13a7254957eb6fa78b5ff6f8');
  expect(tokens('initiator').verifyMic(ofCall, fromHex('00000001'))).toBe(0x3eb37caf);
  const token = fromHex(
    '050407ff00000000000000003eb37cb082aa366111d7a0fca583242cae066f18bbd2397bb0a9caf0560e0e57eb98e9245b0b2974d3570e374d8a5ccf73c06a53f21c34a64dd7fd422409d5ff66972a9e090a5702',
  );
  const { message } = tokens('initiator').unwrap(token);
  expect(toHex(message)).toBe('000000010000000000000000000000000000000000000002');
});

test('a token that was rotated on its way is turned back', () => {
  const token = fromHex(
    '050406ff00000000000000000a624fadfb777deae79ee641cde1b782da81077a03412f310d2d37f58518525db579f2581eea0b3371f627c4d00d12f871f56f748858434072704e61a5f7d4a7',
  );
  const body = token.subarray(16);
  for (const count of [0, 1, 12, 28, body.length, body.length + 3]) {
    const by = count % body.length;
    const rotated = Buffer.concat([
      token.subarray(0, 16),
      body.subarray(body.length - by),
      body.subarray(0, body.length - by),
    ]);
    rotated.writeUInt16BE(count, 6);
    const { message } = tokens('acceptor').unwrap(new Uint8Array(rotated));
    expect(toHex(message)).toBe('00000001000000016b02ee0100051785');
  }
});

test('a reply with a deletion and a modification', () => {
  const hex = `
    0000000b 6b02ee12 0005c5d7 00000002
    00000011 626f622f61646d696e4045582e54455354 000000 0000000a 6b02ee12 0005b840
    00000000 00000001 00000001 00000000 00000000
    0000000d 616c6963654045582e54455354 000000 0000000b 6b02ee12 0005c5d7 00000006
    00000001 00001c20
    00000008 00000007 45582e5445535400 00000001 970ea702 00000005 616c696365000000 00000001
    0000000f 6b02ee0c
    0000000c 00000007 45582e5445535400 00000002 970ea702 00000004 726f6f74
             970ea702 00000005 61646d696e000000 00000001
    0000000d 6b02ee12
    0000000a 00000002
             00000003 00000018 12345c01 00000000 00000000 00000000 00000002 00000000
             00000008 00000002 01000000
    00000000 00000001 00000000 00000000 00000000`.replace(/\s/g, '');
  const reply = decode(updatesReply, fromHex(hex));
  expect(reply.updates.map(({ serial, deleted }) => [serial, deleted])).toEqual([
    [10, true],
    [11, false],
  ]);
  expect(reply.updates[1]?.attributes.map(({ type }) => type)).toEqual([
    ...['maxLife', 'principal', 'passwordChanged', 'modifier', 'modified', 'typedData'],
  ]);
  expect(toHex(encode(updatesReply, reply))).toBe(hex);
});
