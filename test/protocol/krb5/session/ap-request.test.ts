import { describe, expect, test } from 'vitest';

import { concat, utf8 } from '../../../../src/protocol/bytes.ts';
import { decode } from '../../../../src/protocol/der/schema.ts';
import { decrypt } from '../../../../src/protocol/krb5/crypto/encrypt.ts';
import { apReq } from '../../../../src/protocol/krb5/messages/ap.ts';
import {
  type ApReqOptions,
  acceptApReq,
  makeApReq,
} from '../../../../src/protocol/krb5/session/ap-exchange.ts';
import { tlv } from '../../../support/wire/der-tree.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { fixedAmbient, seededAmbient } from '../../../support/wire/fixed-ambient.ts';
import {
  acceptor,
  forgeCredential,
  kpropApReq,
  nowMicros,
  nowSeconds,
  someKey,
} from '../../../support/wire/forge.ts';
import { fromHex, toHex, uint32Bytes } from '../../../support/wire/transcripts.ts';

const mutualRequired = 0x20000000;
/** Of a GSS context: 16 bytes of bindings, all zero, then its flags (RFC 4121 §4.1.1). */
const gssChecksum = fromHex(`10000000${'00'.repeat(16)}2a000000`);
const credential = forgeCredential();
const confounder = new Uint8Array(16).fill(0xc0);

/** The authenticator's own DER, put together by hand from what all of them have and these fields. */
function authenticator(o: { cksum?: string; subkey?: string; seqNumber?: string }): string {
  const field = (number: number, hex: string | undefined) =>
    hex === undefined ? fromHex('') : tlv(0xa0 | number, fromHex(hex));
  const text = (value: string) => toHex(tlv(0x1b, utf8(value)));
  const names = toHex(tlv(0x30, fromHex(`${text('host')}${text('primary.example')}`)));
  const cname = tlv(0x30, concat(field(0, '020103'), field(1, names)));
  const body = concat(
    field(0, '020105'),
    field(1, text('EXAMPLE.ORG')),
    field(2, toHex(cname)),
    field(3, o.cksum),
    field(4, '020307e0e1'),
    field(5, toHex(tlv(0x18, utf8('20261122134719Z')))),
    field(6, o.subkey),
    field(7, o.seqNumber),
  );
  return toHex(tlv(0x62, tlv(0x30, body)));
}

/** The AP-REQ taken apart: its flags, and the DER of its authenticator. */
function opened(message: Uint8Array) {
  const { apOptions, ticket, authenticator: sealed } = decode(apReq, message);
  expect(toHex(ticket.raw)).toBe(toHex(credential.ticket));
  return { apOptions, authenticator: toHex(decrypt(credential.sessionKey, 11, sealed.cipher)) };
}

describe('the AP-REQ', () => {
  const subkey = someKey(18, 77);
  const keyField = toHex(
    tlv(0x30, concat(fromHex('a003020112'), tlv(0xa1, tlv(0x04, subkey.bytes)))),
  );
  const sumField = toHex(
    tlv(0x30, concat(fromHex('a0050203008003'), tlv(0xa1, tlv(0x04, gssChecksum)))),
  );
  const checksum = { cksumtype: 0x8003, checksum: gssChecksum };

  test.each<[string, Omit<ApReqOptions, 'ambient'>, string]>([
    [
      'of a GSS context',
      { apOptions: mutualRequired, sequence: 0x2b462098, subkey, checksum },
      authenticator({ cksum: sumField, subkey: keyField, seqNumber: '02042b462098' }),
    ],
    [
      'with a checksum alone',
      { apOptions: 0, sequence: undefined, checksum },
      authenticator({ cksum: sumField }),
    ],
    [
      'with a subkey alone',
      { apOptions: mutualRequired, sequence: undefined, subkey },
      authenticator({ subkey: keyField }),
    ],
    ['with nothing of it', { apOptions: 0, sequence: undefined }, authenticator({})],
  ])('%s', (_title, options, expected) => {
    const ambient = fixedAmbient(nowMicros, [confounder]);
    const sent = makeApReq(credential, { ...options, ambient });
    expect(opened(sent.message)).toEqual({
      apOptions: options.apOptions,
      authenticator: expected,
    });
    expect(ambient.left).toBe(0);
    expect(sent).toMatchObject({
      ctime: nowSeconds,
      cusec: 516_321,
      sequence: options.sequence ?? 0,
    });
  });

  test('of kprop: mutual authentication, a random sequence number, nothing else', () => {
    const ambient = fixedAmbient(nowMicros, [uint32Bytes(0x2b462098), confounder]);
    expect(opened(kpropApReq(credential, ambient).message)).toEqual({
      apOptions: mutualRequired,
      authenticator: authenticator({ seqNumber: '02042b462098' }),
    });
  });
});

test.each(enctypes)(
  'a subkey of enctype %i is the one that our acceptor uses from then on',
  async (enctype) => {
    const subkey = someKey(enctype, 77);
    const { message, sequence } = makeApReq(forgeCredential({ enctype }), {
      apOptions: mutualRequired,
      sequence: 0xfffffffe,
      subkey,
      checksum: { cksumtype: 0x8003, checksum: gssChecksum },
      ambient: seededAmbient(nowMicros, enctype),
    });
    const accepted = await acceptApReq(message, acceptor());
    expect(accepted.messageKey.bytes).toEqual(subkey.bytes);
    expect(accepted.sequence).toBe(sequence);
  },
);
