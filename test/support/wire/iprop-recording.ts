import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { decode } from '../../../src/protocol/der/schema.ts';
import { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { unframeToken } from '../../../src/protocol/krb5/gss/token-frame.ts';
import {
  apRep,
  apReq,
  authenticator,
  encApRepPart,
} from '../../../src/protocol/krb5/messages/ap.ts';
import { usages } from '../../../src/protocol/krb5/messages/numbers.ts';
import { encTicketPart } from '../../../src/protocol/krb5/messages/ticket.ts';
import { keyOf } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import { openPart } from '../../../src/protocol/krb5/session/enc-part.ts';
import { packageRoot } from '../lab/package-root.ts';
import { fromHex } from './transcripts.ts';

/** What MIT's kpropd and kadmind said to each other, in one run of kpropd -t. */
export interface IpropRecording {
  readonly source: string;
  readonly enctype: string;
  /** Enctype number and bytes of the key of kiprop/localhost. */
  readonly serviceKey: { readonly enctype: number; readonly key: string };
  readonly client: string;
  readonly server: string;
}

export const recordingPath = (enctype: string) =>
  join(packageRoot, 'test/vectors', `iprop-${enctype}.json`);

/** The records of both sides, and the keys of their context. */
export function openRecording(enctype: string) {
  const recording = JSON.parse(readFileSync(recordingPath(enctype), 'utf8')) as IpropRecording;
  const calls = recordsOf(fromHex(recording.client));
  const replies = recordsOf(fromHex(recording.server));
  return { calls, replies, ...handshakeOf(recording, calls, replies) };
}

export function recordsOf(stream: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  let fragments: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const mark = new DataView(stream.buffer, stream.byteOffset + at).getUint32(0);
    const end = at + 4 + (mark & 0x7fff_ffff);
    fragments.push(stream.subarray(at + 4, end));
    at = end;
    if (mark >= 0x8000_0000) {
      records.push(new Uint8Array(Buffer.concat(fragments)));
      fragments = [];
    }
  }
  return records;
}

function handshakeOf(
  { serviceKey }: IpropRecording,
  [initiation]: readonly Uint8Array[],
  [answer]: readonly Uint8Array[],
) {
  if (initiation === undefined || answer === undefined) throw new Error('an empty recording');
  const token = lastOpaque(initiation);
  const request = decode(apReq, unframeToken(token).content);
  const ticketKey = Key.of(serviceKey.enctype, fromHex(serviceKey.key));
  const ticket = openPart(encTicketPart, request.ticket.value.encPart, ticketKey, usages.ticket);
  const sessionKey = keyOf(ticket.key);
  const claim = openPart(authenticator, request.authenticator, sessionKey, usages.authenticator);
  const reply = decode(apRep, unframeToken(lastOpaque(answer)).content);
  const proof = openPart(encApRepPart, reply.encPart, sessionKey, usages.apRepEncPart);
  // The acceptor of an old enctype echoes the client's subkey.
  const subkey = proof.subkey ?? claim.subkey;
  if (subkey === undefined) throw new Error('a context without a subkey');
  return {
    token,
    claim,
    proof,
    key: keyOf(subkey),
    initiatorSequence: claim.seqNumber ?? 0,
    acceptorSequence: proof.seqNumber ?? 0,
  };
}

/** The token at the end of both messages of a handshake, by its ASN.1 tag. */
function lastOpaque(record: Uint8Array): Uint8Array {
  for (let at = record.length - 8; at > 0; at -= 4) {
    const length = new DataView(record.buffer, record.byteOffset + at).getUint32(0);
    const padded = Math.ceil(length / 4) * 4;
    if (at + 4 + padded === record.length && record[at + 4] === 0x60) {
      return record.subarray(at + 4, at + 4 + length);
    }
  }
  throw new Error('no token');
}
