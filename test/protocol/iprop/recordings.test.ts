import { describe, expect, test } from 'vitest';

import { ByteReader, concat } from '../../../src/protocol/bytes.ts';
import {
  authentication,
  decodeReply,
  encodeCallHeader,
  xidOf,
} from '../../../src/protocol/iprop/rpc.ts';
import {
  lastUpdate,
  type UpdatesReply,
  updateStatuses,
  updatesReply,
} from '../../../src/protocol/iprop/updates.ts';
import { tokensOf } from '../../../src/protocol/krb5/gss/context.ts';
import type { MessageTokens, Side } from '../../../src/protocol/krb5/gss/message-tokens.ts';
import { opaque } from '../../../src/protocol/xdr/primitives.ts';
import { bigEndian, decode, encode } from '../../../src/protocol/xdr/schema.ts';
import { enctypeNames } from '../../support/wire/enctypes.ts';
import { fixedAmbient } from '../../support/wire/fixed-ambient.ts';
import { openRecording } from '../../support/wire/iprop-recording.ts';
import { toHex } from '../../support/wire/transcripts.ts';

// What MIT's kpropd and kadmind said, for each encryption type: every token is checked, and made again.

/** A call after the first: header, verifier, and what is wrapped. */
function callParts(record: Uint8Array) {
  const input = new ByteReader(record, 'call');
  const [xid = 0, , , program = 0, version = 0, procedure = 0] = Array.from({ length: 6 }, () =>
    input.uint32(),
  );
  const credential = authentication.read(input, 'credential');
  const head = record.subarray(0, input.offset);
  const { body: verifier } = authentication.read(input, 'verifier');
  return { xid, program, version, procedure, credential, head, verifier, body: input.rest() };
}

describe.each(enctypeNames)('%s', (enctype) => {
  const recording = openRecording(enctype);
  const { key, calls, replies } = recording;
  const acceptorSubkey = recording.proof.subkey !== undefined && !/des3|arcfour/.test(enctype);
  const tokens = (side: Side, confounder?: Uint8Array): MessageTokens =>
    tokensOf({
      ...{ side, key, acceptorSubkey },
      ambient: fixedAmbient(0, confounder === undefined ? [] : [confounder]),
    });
  /** What stands before the plaintext in the memory that it was decrypted in. */
  const confounderOf = ({ buffer, byteOffset }: Uint8Array) =>
    new Uint8Array(buffer, byteOffset - key.profile.confounderBytes, key.profile.confounderBytes);

  function remade(side: Side, token: Uint8Array): { sequence: number; message: Uint8Array } {
    const other = side === 'initiator' ? 'acceptor' : 'initiator';
    const { sequence, message } = tokens(other).unwrap(token);
    const again = tokens(side, confounderOf(message)).wrap(sequence, message);
    expect(toHex(again)).toBe(toHex(token));
    return { sequence, message };
  }

  test('the handshake says what it should', () => {
    const { claim, token } = recording;
    expect(claim.cksum?.cksumtype).toBe(0x8003);
    expect(toHex(claim.cksum?.checksum as Uint8Array)).toMatch(/^10000000(00){16}36010000$/);
    expect(token[0]).toBe(0x60);
    const { verifier } = decodeReply(replies[0] as Uint8Array, 'kadmind');
    // kadmind signs twice, and sends the second.
    const sequence = tokens('initiator').verifyMic(verifier.body, bigEndian(32));
    expect(sequence).toBe(recording.acceptorSequence + 1);
  });

  test('every call and every reply is understood, and made again byte for byte', () => {
    expect(calls.length).toBe(replies.length);
    const said: Uint8Array[] = [];
    let sequence = recording.initiatorSequence;
    for (const [index, record] of calls.slice(1).entries()) {
      const call = callParts(record);
      expect(toHex(encodeCallHeader(call))).toBe(toHex(call.head));
      expect(tokens('acceptor').verifyMic(call.verifier, call.head)).toBe(sequence);
      expect(toHex(tokens('initiator').makeMic(sequence, call.head))).toBe(toHex(call.verifier));
      const wrapped = remade('initiator', decode(opaque, call.body));
      expect(wrapped.sequence).toBe(sequence + 1);
      sequence += 2;
      const reply = replies[index + 1] as Uint8Array;
      expect(xidOf(reply)).toBe(call.xid);
      const { verifier, body } = decodeReply(reply, 'kadmind');
      const number = wrapped.message.subarray(0, 4);
      const signed = tokens('initiator').verifyMic(verifier.body, number);
      expect(toHex(tokens('acceptor').makeMic(signed, number))).toBe(toHex(verifier.body));
      const answer = remade('acceptor', decode(opaque, body));
      expect(toHex(answer.message.subarray(0, 4))).toBe(toHex(number));
      said.push(wrapped.message, answer.message);
    }
    const [question, answer, , farewell] = said as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(decode(lastUpdate, question.subarray(4)).serial).toBeGreaterThan(0);
    const reply = decode(updatesReply, answer.subarray(4));
    expect(toHex(encode(updatesReply, reply))).toBe(toHex(answer.subarray(4)));
    expectChanges(reply);
    expect(farewell).toHaveLength(4);
  });

  test('a token of the own side, or with another message, is refused', () => {
    const call = callParts(calls[1] as Uint8Array);
    const sealed = decode(opaque, call.body);
    expect(() => tokens('initiator').unwrap(sealed)).toThrow();
    expect(() => tokens('initiator').verifyMic(call.verifier, call.head)).toThrow();
    const other = concat(call.head, Uint8Array.of(0));
    expect(() => tokens('acceptor').verifyMic(call.verifier, other)).toThrow();
  });

  test('no byte of a token may differ, and none be missing', () => {
    const call = callParts(calls[1] as Uint8Array);
    const sealed = decode(opaque, call.body);
    for (const [token, read] of [
      [sealed, (bytes: Uint8Array) => tokens('acceptor').unwrap(bytes)],
      [call.verifier, (bytes: Uint8Array) => tokens('acceptor').verifyMic(bytes, call.head)],
    ] as const) {
      for (let at = 0; at < token.length; at += 1) {
        const changed = Uint8Array.from(token);
        changed[at] = (changed[at] as number) ^ 1;
        // The count of a rotation is not protected: a whole turn changes nothing.
        if (at === 6 && token === sealed && 256 % (sealed.length - 16) === 0) continue;
        // What RFC 4757 encrypts a sequence number with does not depend on that, nor does its MIC.
        if (/arcfour/.test(enctype) && token !== sealed && at >= 21 && at < 25) continue;
        expect(() => read(changed), `byte ${at}`).toThrow();
        expect(() => read(token.subarray(0, at)), `${at} bytes`).toThrow();
      }
    }
  });
});

function expectChanges({ status, last, updates }: UpdatesReply): void {
  expect(status).toBe(updateStatuses.ok);
  expect(updates.map(({ name, deleted }) => [`${Buffer.from(name)}`, deleted])).toEqual([
    ['alice@LAB.EXAMPLE', false],
    ['alice@LAB.EXAMPLE', false],
    ['bob/admin@LAB.EXAMPLE', false],
    ['bob/admin@LAB.EXAMPLE', true],
  ]);
  expect(updates.at(-1)?.serial).toBe(last.serial);
  expect(updates[1]?.attributes).toContainEqual({ type: 'maxLife', value: 7_200 });
}
