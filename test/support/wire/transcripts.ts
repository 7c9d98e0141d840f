import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { decode } from '../../../src/protocol/der/schema.ts';
import type { CipherChain } from '../../../src/protocol/krb5/crypto/cipher.ts';
import { decrypt } from '../../../src/protocol/krb5/crypto/encrypt.ts';
import { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { enctypeByName } from '../../../src/protocol/krb5/crypto/profiles.ts';
import { Keytab, parseKeytab } from '../../../src/protocol/krb5/formats/keytab.ts';
import {
  apRep,
  apReq,
  authenticator,
  encApRepPart,
} from '../../../src/protocol/krb5/messages/ap.ts';
import { asRep, encAsRepPart } from '../../../src/protocol/krb5/messages/as.ts';
import { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { keyOf } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { openPart } from '../../../src/protocol/krb5/session/enc-part.ts';
import { packageRoot } from '../lab/package-root.ts';

export const transcriptNames = [
  'aes128-sha1',
  'aes128-sha2',
  'aes256-sha1',
  'aes256-sha2',
  'camellia128',
  'camellia256',
  'des3',
  'rc4',
] as const;
export type TranscriptName = (typeof transcriptNames)[number];

/** A recorded propagation of MIT's programs, taken out of its base64. */
export interface Transcript {
  readonly enctype: number;
  readonly principal: Principal;
  readonly recordedAtSeconds: number;
  readonly keytab: Keytab;
  /** Of client and service alike: they are the same principal. */
  readonly longTermKey: Key;
  readonly kdcExchanges: readonly { readonly request: Uint8Array; readonly reply: Uint8Array }[];
  readonly clientToServer: Uint8Array;
  readonly serverToClient: Uint8Array;
  readonly dump: Uint8Array;
}

interface Recording {
  readonly enctype: string;
  readonly hostPrincipal: string;
  readonly recordedAt: string;
  readonly keytab: string;
  readonly kdcExchanges: readonly { readonly request: string; readonly reply: string }[];
  readonly clientToServer: string;
  readonly serverToClient: string;
  readonly dump: string;
}

/** The recording test/transcripts/NAME.json. */
export function loadTranscript(name: TranscriptName): Transcript {
  const file = join(packageRoot, 'test', 'transcripts', `${name}.json`);
  const recording = JSON.parse(readFileSync(file, 'utf8')) as Recording;
  const keytab = new Keytab('FILE:recorded', parseKeytab(fromBase64(recording.keytab), 'recorded'));
  const entry = keytab.entries[0]!;
  return {
    enctype: enctypeByName(recording.enctype)!,
    principal: Principal.parse(recording.hostPrincipal),
    recordedAtSeconds: Date.parse(recording.recordedAt) / 1000,
    keytab,
    longTermKey: Key.of(entry.enctype, entry.key),
    kdcExchanges: recording.kdcExchanges.map(({ request, reply }) => ({
      request: fromBase64(request),
      reply: fromBase64(reply),
    })),
    clientToServer: fromBase64(recording.clientToServer),
    serverToClient: fromBase64(recording.serverToClient),
    dump: fromBase64(recording.dump),
  };
}

/** The messages of a transcript, by their steps. */
export function messagesOf(transcript: Transcript) {
  const [sendauthVersion, version, request, sizeSafe, ...privs] = framesOf(
    transcript.clientToServer,
  );
  const [, reply, confirmation] = framesOf(transcript.serverToClient.subarray(1));
  return {
    sendauthVersion: sendauthVersion!,
    version: version!,
    apReq: request!,
    sizeSafe: sizeSafe!,
    privs,
    apRep: reply!,
    confirmation: confirmation!,
  };
}

/** What the handshake of a transcript holds under its keys. */
export function openHandshake(transcript: Transcript) {
  const { apReq: request, apRep: reply } = messagesOf(transcript);
  const asReply = decode(asRep, transcript.kdcExchanges[1]!.reply);
  const part = openPart(encAsRepPart, asReply.encPart, transcript.longTermKey, 3);
  const sessionKey = keyOf(part.key);
  const credential: Credential = {
    client: transcript.principal,
    server: transcript.principal,
    sessionKey,
    ticket: asReply.ticket.raw,
    startTime: part.authtime,
    endTime: part.endtime,
    clockOffsetMicros: 0,
  };
  const sealedAuthenticator = decode(apReq, request).authenticator;
  const sealedReply = decode(apRep, reply).encPart;
  return {
    credential,
    sessionKey,
    authenticator: openPart(authenticator, sealedAuthenticator, sessionKey, 11),
    authenticatorConfounder: confounderOf(sessionKey, 11, sealedAuthenticator.cipher),
    apRepPart: openPart(encApRepPart, sealedReply, sessionKey, 12),
    apRepConfounder: confounderOf(sessionKey, 12, sealedReply.cipher),
  };
}

/** The confounder in front of the plaintext of a sealed message. */
export function confounderOf(
  key: Key,
  usage: number,
  cipher: Uint8Array,
  chain?: CipherChain,
): Uint8Array {
  const plain = decrypt(key, usage, cipher, chain === undefined ? {} : { chain });
  const { confounderBytes } = key.profile;
  // decrypt strips it with a view: it still stands in front.
  return new Uint8Array(plain.buffer, plain.byteOffset - confounderBytes, confounderBytes).slice();
}

/** Messages behind four bytes of length each. */
export function framesOf(stream: Uint8Array): Uint8Array[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = at + 4 + view.getUint32(at);
    if (end > stream.length) throw new Error('the stream ends within a message');
    messages.push(stream.slice(at + 4, end));
    at = end;
  }
  return messages;
}

/** The four bytes of a number, big endian, as sequence numbers are drawn. */
export function uint32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
