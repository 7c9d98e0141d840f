import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { systemAmbient } from '../../../../src/protocol/ambient.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import { makeChecksum, verifyChecksum } from '../../../../src/protocol/krb5/crypto/checksum.ts';
import { CipherChain } from '../../../../src/protocol/krb5/crypto/cipher.ts';
import { decrypt, encryptRun } from '../../../../src/protocol/krb5/crypto/encrypt.ts';
import { Key } from '../../../../src/protocol/krb5/crypto/key.ts';
import { enctypeByName } from '../../../../src/protocol/krb5/crypto/profiles.ts';

const ambient = systemAmbient();
const folder = new URL('../../../transcripts/', import.meta.url);

interface Recording {
  readonly enctype: string;
  readonly keytab: string;
  readonly kdcExchanges: readonly { readonly reply: string }[];
  readonly clientToServer: string;
  readonly serverToClient: string;
  readonly dump: string;
}

const recordings = readdirSync(folder).map(
  (name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Recording,
);

describe.each(recordings)('a propagation by MIT krb5 with $enctype', (recording) => {
  const longTermKey = keytabKey(recording);
  const [, , apReq, safe, ...privs] = frames(fromBase64(recording.clientToServer));
  const [apRep, safeBack] = frames(fromBase64(recording.serverToClient).subarray(5));
  const ticket = decrypt(
    longTermKey,
    2,
    inside(apReq!, 0x6e, 0x30, 0xa3, 0x61, 0x30, 0xa3, ...sealed),
  );
  const sessionKey = encryptionKey(inside(ticket, 0x63, 0x30, 0xa1, 0x30));

  test('the AS-REP opens with usage 3', () => {
    const reply = fromBase64(recording.kdcExchanges[1]!.reply);
    const part = decrypt(longTermKey, 3, inside(reply, 0x6b, 0x30, 0xa6, ...sealed));
    // MIT marks the part as a TGS reply's (RFC 4120 §5.4.2 allows both tags).
    expect([0x79, 0x7a]).toContain(part[0]);
    expect(encryptionKey(inside(part, part[0]!, 0x30, 0xa0, 0x30)).bytes).toEqual(sessionKey.bytes);
  });

  test('authenticator and AP-REP open with usages 11 and 12', () => {
    expect(decrypt(sessionKey, 11, inside(apReq!, 0x6e, 0x30, 0xa4, ...sealed))[0]).toBe(0x62);
    expect(decrypt(sessionKey, 12, inside(apRep!, 0x6f, 0x30, 0xa2, ...sealed))[0]).toBe(0x7b);
  });

  test('both KRB-SAFE verify with usage 15', () => {
    for (const message of [safe!, safeBack!]) {
      const fields = inside(message, 0x74, 0x30);
      const checksumLength = element(0xa3, inside(fields, 0xa3)).length;
      const empty = hex('a30b3009a003020100a1020400');
      const kept = fields.subarray(0, fields.length - checksumLength);
      const covered = element(0x74, element(0x30, concat(kept, empty)));
      const sum = inside(fields, 0xa3, 0x30, 0xa1, 0x04);
      verifyChecksum(sessionKey, 15, covered, sum);
      expect(makeChecksum(sessionKey, 15, covered)).toEqual(new Uint8Array(sum));
      expect(inside(fields, 0xa3, 0x30, 0xa0, 0x02)).toHaveLength(
        sessionKey.profile.checksumType < 0 ? 2 : 1,
      );
    }
  });

  test.each([{ inPlace: false }, { inPlace: true }])('the dump opens, chained: %o', (o) => {
    const chain = new CipherChain(sessionKey.profile);
    const blocks = privs.map((priv) => {
      const cipher = new Uint8Array(inside(priv, 0x75, 0x30, 0xa3, ...sealed));
      const plain = decrypt(sessionKey, 13, cipher, { chain, ...o });
      return inside(plain, 0x7c, 0x30, 0xa0, 0x04);
    });
    expect(Buffer.concat(blocks).equals(fromBase64(recording.dump))).toBe(true);
  });

  test('sealing the same blocks again gives the recorded bytes', () => {
    const opening = new CipherChain(sessionKey.profile);
    const sealing = new CipherChain(sessionKey.profile);
    for (const priv of privs) {
      const cipher = inside(priv, 0x75, 0x30, 0xa3, ...sealed);
      const plain = decrypt(sessionKey, 13, cipher, { chain: opening });
      const confounder = confounderOf(plain, sessionKey.profile.confounderBytes);
      const parts = [plain.subarray(0, 5), plain.subarray(5, 6), plain.subarray(6)];
      const again = encryptRun(sessionKey, 13, [parts], { ambient, chain: sealing, confounder });
      expect(Buffer.concat(again.flat()).equals(cipher)).toBe(true);
    }
  });
});

/** The path through an EncryptedData, from its SEQUENCE to the content of `cipher`. */
const sealed = [0x30, 0xa2, 0x04] as const;

/** The confounder that decrypt stripped: its result views an array that begins with it. */
function confounderOf(plain: Uint8Array, byteCount: number): Uint8Array {
  return new Uint8Array(plain.buffer, plain.byteOffset - byteCount, byteCount);
}

/** The key of a keytab with one entry: it stands last but for the 32-bit version number. */
function keytabKey(recording: Recording): Key {
  const enctype = enctypeByName(recording.enctype)!;
  const keytab = fromBase64(recording.keytab);
  const { keyBytes } = Key.random(enctype, ambient).profile;
  return Key.of(enctype, keytab.subarray(keytab.length - 4 - keyBytes, keytab.length - 4));
}

/** An EncryptionKey from its fields. */
function encryptionKey(fields: Uint8Array): Key {
  return Key.of(inside(fields, 0xa0, 0x02)[0]!, inside(fields, 0xa1, 0x04));
}

/** Messages behind four bytes of length each; empty ones are left out. */
function frames(stream: Uint8Array): Uint8Array[] {
  const view = Buffer.from(stream);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < view.length; ) {
    const end = at + 4 + view.readUInt32BE(at);
    messages.push(view.subarray(at + 4, end));
    at = end;
  }
  return messages;
}

/** The content of the element that a path of tags leads to, one level of nesting for each. */
function inside(der: Uint8Array, ...path: readonly number[]): Uint8Array {
  let content = der;
  for (const tag of path) {
    let at = 0;
    let found: Uint8Array | undefined;
    while (at < content.length && found === undefined) {
      const size = lengthAt(content, at + 1);
      const end = size.end + size.length;
      if (content[at] === tag) found = content.subarray(size.end, end);
      at = end;
    }
    if (found === undefined) throw new Error(`no element ${tag.toString(16)}`);
    content = found;
  }
  return content;
}

function lengthAt(der: Uint8Array, at: number): { length: number; end: number } {
  const first = der[at]!;
  if (first < 0x80) return { length: first, end: at + 1 };
  const end = at + 1 + (first & 0x7f);
  return {
    length: Number.parseInt(Buffer.from(der.subarray(at + 1, end)).toString('hex'), 16),
    end,
  };
}

/** The element of a tag and a content of less than 128 bytes. */
function element(tag: number, content: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag, content.length), content);
}

function fromBase64(text: string): Uint8Array {
  return Buffer.from(text, 'base64');
}

function hex(text: string): Uint8Array {
  return Buffer.from(text, 'hex');
}
