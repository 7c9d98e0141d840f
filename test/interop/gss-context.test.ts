import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { systemAmbient } from '../../src/protocol/ambient.ts';
import { concat } from '../../src/protocol/bytes.ts';
import { Key } from '../../src/protocol/krb5/crypto/key.ts';
import { apOptions } from '../../src/protocol/krb5/messages/numbers.ts';
import {
  type ApReqOptions,
  acceptApRep,
  initialSequence,
  makeApReq,
} from '../../src/protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../../src/protocol/krb5/session/credential.ts';
import { Lab } from '../support/lab/lab.ts';
import { labCredential } from '../support/rig/attacker.ts';
import { parseTree, tlv } from '../support/wire/der-tree.ts';
import { fromHex } from '../support/wire/transcripts.ts';

// An AP-REQ with what a GSS context needs is put before MIT's own acceptor of GSS contexts.

const acceptor = fileURLToPath(new URL('../support/lab/gss-acceptor.mjs', import.meta.url));
/** 1.2.840.113554.1.2.2 (RFC 1964 §1) */
const krb5Mechanism = fromHex('06092a864886f712010202');
const tokenIds = { apReq: fromHex('0100'), apRep: fromHex('0200') } as const;
const gssFlags = { mutual: 0x02, sequence: 0x08, integrity: 0x20 } as const;
const mutualFlags = gssFlags.mutual | gssFlags.sequence | gssFlags.integrity;

let lab: Lab;
let credential: Credential;
beforeAll(async () => {
  lab = await Lab.create();
  credential = await labCredential(lab);
});
afterAll(() => lab.close());

/** The checksum of a GSS context without channel bindings or delegation (RFC 4121 §4.1.1). */
function gssChecksum(flags: number) {
  const checksum = new Uint8Array(24);
  const view = new DataView(checksum.buffer);
  view.setUint32(0, 16, true);
  view.setUint32(20, flags, true);
  return { cksumtype: 0x8003, checksum };
}

function gssApReq(o: Partial<ApReqOptions> = {}) {
  const ambient = systemAmbient();
  return makeApReq(credential, {
    apOptions: apOptions.mutualRequired,
    sequence: initialSequence(ambient),
    checksum: gssChecksum(mutualFlags),
    ambient,
    ...o,
  });
}

/** What MIT's acceptor makes of an AP-REQ. */
async function present(apReq: Uint8Array) {
  const token = tlv(0x60, concat(krb5Mechanism, tokenIds.apReq, apReq));
  const args = [acceptor, Buffer.from(token).toString('base64')];
  const { stdout, stderr } = await lab.run(process.execPath, args, { role: 'replica' });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as {
    readonly username?: string;
    readonly response?: string;
    readonly contextComplete?: boolean;
    readonly error?: string;
  };
}

/** The AP-REP in the acceptor's token. */
function apRepIn(response: string | undefined): Uint8Array {
  const token = new Uint8Array(Buffer.from(response ?? '', 'base64'));
  const head = concat(krb5Mechanism, tokenIds.apRep);
  const start = Buffer.from(token).indexOf(head) + head.length;
  expect(start).toBeGreaterThan(head.length);
  const apRep = token.subarray(start);
  expect(parseTree(apRep).tag).toBe(0x6f);
  return apRep;
}

describe("MIT's acceptor of GSS contexts", () => {
  test('accepts the AP-REQ, and its AP-REP is accepted', async () => {
    const sent = gssApReq();
    const { username, contextComplete, response } = await present(sent.message);
    expect({ username, contextComplete }).toEqual({ username: lab.client, contextComplete: true });
    const { subkey } = acceptApRep(apRepIn(response), sent, credential.sessionKey);
    expect(subkey?.profile).toBe(credential.sessionKey.profile);
  });

  test('answers a subkey of ours with one of its own', async () => {
    const ours = Key.random(credential.sessionKey.profile.number, systemAmbient());
    const sent = gssApReq({ subkey: ours });
    const { username, response } = await present(sent.message);
    expect(username).toBe(lab.client);
    const { subkey } = acceptApRep(apRepIn(response), sent, credential.sessionKey);
    expect(subkey?.profile).toBe(ours.profile);
    expect(subkey?.bytes).not.toEqual(ours.bytes);
  });

  test('without the flag of mutual authentication sends no AP-REP', async () => {
    const checksum = gssChecksum(gssFlags.integrity);
    const { username, response } = await present(gssApReq({ apOptions: 0, checksum }).message);
    expect(username).toBe(lab.client);
    expect(response ?? '').toBe('');
  });

  test('refuses a checksum of type 0x8003 that is cut short', async () => {
    const checksum = { cksumtype: 0x8003, checksum: new Uint8Array(12) };
    const { error } = await present(gssApReq({ checksum }).message);
    expect(error).toBeDefined();
  });
});
