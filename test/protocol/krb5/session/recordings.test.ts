import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import type { Channel } from '../../../../src/protocol/channel/channel.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import { applicationVersion } from '../../../../src/protocol/kprop/dump.ts';
import { confirmDump, receiveDump } from '../../../../src/protocol/kprop/receiver.ts';
import { sendDump } from '../../../../src/protocol/kprop/sender.ts';
import { decodeSize, encodeSize } from '../../../../src/protocol/kprop/size.ts';
import { CipherChain } from '../../../../src/protocol/krb5/crypto/cipher.ts';
import {
  apRep,
  apReq,
  authenticator,
  encApRepPart,
} from '../../../../src/protocol/krb5/messages/ap.ts';
import { nameTypes, Principal } from '../../../../src/protocol/krb5/messages/principal.ts';
import { krbPriv } from '../../../../src/protocol/krb5/messages/priv.ts';
import { krbSafe } from '../../../../src/protocol/krb5/messages/safe.ts';
import { acceptApRep, acceptApReq } from '../../../../src/protocol/krb5/session/ap-exchange.ts';
import { memoryReplayCache } from '../../../../src/protocol/krb5/session/replay.ts';
import { recvauth, sendauth } from '../../../../src/protocol/krb5/session/sendauth.ts';
import { Session } from '../../../../src/protocol/krb5/session/session.ts';
import { channelPair } from '../../../support/wire/channel-pair.ts';
import { type FixedAmbient, fixedAmbient } from '../../../support/wire/fixed-ambient.ts';
import {
  confounderOf,
  loadTranscript,
  messagesOf,
  openHandshake,
  type Transcript,
  transcriptNames,
  uint32Bytes,
} from '../../../support/wire/transcripts.ts';

const loopback = { addrType: 2, address: Uint8Array.of(127, 0, 0, 1) };
const addresses = { clientAddress: loopback, serverAddress: loopback };
const limits = { idleMillis: 5_000, confirmMillis: 5_000 };

describe.each(transcriptNames)('a propagation of MIT krb5, %s', (name) => {
  const transcript = loadTranscript(name);
  const messages = messagesOf(transcript);
  const opened = openHandshake(transcript);

  test('the handshake is written again byte for byte', () => {
    for (const [codec, message] of [
      [apReq, messages.apReq],
      [apRep, messages.apRep],
      [krbSafe, messages.sizeSafe],
      [krbSafe, messages.confirmation],
      ...messages.privs.map((priv) => [krbPriv, priv] as const),
    ] as const) {
      expectSame(
        encode<unknown>(codec as never, decode<unknown>(codec as never, message)),
        message,
      );
    }
    const { authenticator: presented, apRepPart } = opened;
    expect(decode(authenticator, encode(authenticator, presented))).toEqual(presented);
    expect(decode(encApRepPart, encode(encApRepPart, apRepPart))).toEqual(apRepPart);
  });

  test('the acceptor lets the AP-REQ in, once', async () => {
    const options = acceptorOf(transcript, fixedAmbient(transcript.recordedAtSeconds * 1e6));
    const accepted = await acceptApReq(messages.apReq, options);
    expect(accepted.client.toString()).toBe(transcript.principal.toString());
    expect(accepted).toMatchObject({
      ticketEnctype: transcript.enctype,
      ctime: opened.authenticator.ctime,
      cusec: opened.authenticator.cusec,
      sequence: opened.authenticator.seqNumber,
      subkey: undefined,
    });
    expect(accepted.messageKey).toBe(accepted.sessionKey);
    expect(accepted.sessionKey.bytes).toEqual(opened.sessionKey.bytes);
    await expect(acceptApReq(messages.apReq, options)).rejects.toMatchObject({
      code: 'auth.replay',
      wireNumber: 34,
    });
  });

  test('the initiator believes the AP-REP', () => {
    const { ctime, cusec, seqNumber = 0 } = opened.authenticator;
    const sent = { message: messages.apReq, ctime, cusec, sequence: seqNumber };
    expect(acceptApRep(messages.apRep, sent, opened.sessionKey)).toEqual({
      sequence: opened.apRepPart.seqNumber,
      subkey: undefined,
    });
    expect(() =>
      acceptApRep(messages.apRep, { ...sent, cusec: cusec + 1 }, opened.sessionKey),
    ).toThrow(new KpropError('session.mutual-failed', {}));
  });

  test('the sessions of both ends open all that was sent', () => {
    const { server, client } = sessionsOf(transcript);
    expect(decodeSize(server.readSafe(messages.sizeSafe))).toBe(transcript.dump.length);
    const open = server.opener();
    const blocks = messages.privs.map((priv) => open(Uint8Array.from(priv)).slice());
    expect(blocks[0]).toHaveLength(32_768);
    expectSame(concat(...blocks), transcript.dump);
    expect(decodeSize(client.readSafe(messages.confirmation))).toBe(transcript.dump.length);
  });

  test('the sessions of both ends write the KRB-SAFEs again byte for byte', () => {
    const { server, client } = sessionsOf(transcript);
    const size = encodeSize(transcript.dump.length);
    expect(client.makeSafe(size)).toEqual(messages.sizeSafe);
    expect(server.makeSafe(size)).toEqual(messages.confirmation);
  });

  test('our replica, given what the primary said, says what the replica said', async () => {
    const ambient = fixedAmbient(transcript.recordedAtSeconds * 1e6, serverRandoms(transcript));
    const said: Uint8Array[] = [];
    const { client, server } = channelPair({ ...addresses, toClient: record(said) });
    const primary = client.write(transcript.clientToServer);
    const received = await replica(server, acceptorOf(transcript, ambient));
    await primary;
    expectSame(received, transcript.dump);
    await client.read(transcript.serverToClient.length);
    expectSame(concat(...said), transcript.serverToClient);
    expect(ambient.left).toBe(0);
  });

  test('our primary, given what the replica said, says what the primary said', async () => {
    const { ctime, cusec } = opened.authenticator;
    const ambient = fixedAmbient(ctime * 1e6 + cusec, clientRandoms(transcript));
    const said: Uint8Array[] = [];
    const { client, server } = channelPair({ ...addresses, toServer: record(said) });
    const replicaSpeaks = speakAfter(server, transcript);
    await primary(client, transcript, ambient);
    await replicaSpeaks;
    expectSame(concat(...said), transcript.clientToServer);
    expect(ambient.left).toBe(0);
  });

  test('our primary and our replica say it all again between themselves', async () => {
    const { ctime, cusec } = opened.authenticator;
    const clientAmbient = fixedAmbient(ctime * 1e6 + cusec, clientRandoms(transcript));
    const serverAmbient = fixedAmbient(ctime * 1e6, serverRandoms(transcript));
    const toServer: Uint8Array[] = [];
    const toClient: Uint8Array[] = [];
    const { client, server } = channelPair({
      ...addresses,
      toServer: record(toServer),
      toClient: record(toClient),
    });
    const [received] = await Promise.all([
      replica(server, acceptorOf(transcript, serverAmbient)),
      primary(client, transcript, clientAmbient),
    ]);
    expectSame(received, transcript.dump);
    expectSame(concat(...toServer), transcript.clientToServer);
    expectSame(concat(...toClient), transcript.serverToClient);
  });
});

function acceptorOf(transcript: Transcript, ambient: FixedAmbient) {
  return {
    services: [transcript.principal],
    anyHost: false,
    keytab: () => transcript.keytab,
    permittedEnctypes: [transcript.enctype],
    clockSkewSeconds: 300,
    replay: memoryReplayCache(300),
    subkey: 'as-client' as const,
    ambient,
  };
}

function sessionsOf(transcript: Transcript): { client: Session; server: Session } {
  const { authenticator: sent, apRepPart, sessionKey } = openHandshake(transcript);
  const common = {
    client: transcript.principal,
    server: transcript.principal,
    key: sessionKey,
    localAddress: loopback,
    ambient: fixedAmbient(0),
  };
  const [clientFirst = 0, serverFirst = 0] = [sent.seqNumber, apRepPart.seqNumber];
  return {
    client: new Session({ ...common, sendSequence: clientFirst, receiveSequence: serverFirst }),
    server: new Session({ ...common, sendSequence: serverFirst, receiveSequence: clientFirst }),
  };
}

/** What the replica's generator gave: its sequence number, the AP-REP's confounder. */
function serverRandoms(transcript: Transcript): Uint8Array[] {
  const { apRepPart, apRepConfounder } = openHandshake(transcript);
  return [uint32Bytes(apRepPart.seqNumber ?? 0), apRepConfounder];
}

/** What the primary's gave: sequence number, authenticator's confounder, one for each block. */
function clientRandoms(transcript: Transcript): Uint8Array[] {
  const { authenticator: sent, authenticatorConfounder, sessionKey } = openHandshake(transcript);
  const chain = new CipherChain(sessionKey.profile);
  const confounders = messagesOf(transcript).privs.map((priv) =>
    confounderOf(sessionKey, 13, decode(krbPriv, priv).encPart.cipher, chain),
  );
  return [uint32Bytes(sent.seqNumber ?? 0), authenticatorConfounder, ...confounders];
}

async function replica(channel: Channel, acceptor: ReturnType<typeof acceptorOf>) {
  channel.during('authenticating', limits.idleMillis);
  const { session } = await recvauth(channel, { ...acceptor, application: applicationVersion });
  const dump = await receiveDump(channel, session, limits);
  const blocks: Uint8Array[] = [];
  for await (const batch of dump.batches()) blocks.push(...batch.map((block) => block.slice()));
  await confirmDump(channel, session, dump.bytes);
  return concat(...blocks);
}

async function primary(channel: Channel, transcript: Transcript, ambient: FixedAmbient) {
  channel.during('authenticating', limits.idleMillis);
  const { principal, dump } = transcript;
  // kprop makes its own name with krb5_sname_to_principal, which says so in the name type.
  const client = Principal.of(principal.realm, principal.components, nameTypes.srvHst);
  const credential = { ...openHandshake(transcript).credential, client };
  const session = await sendauth(channel, { application: applicationVersion, credential, ambient });
  const pieces = async function* () {
    yield dump;
  };
  await sendDump(channel, session, { bytes: dump.length, pieces }, { limits });
}

/** The replica of the recording: each answer once the primary has said what calls for it. */
async function speakAfter(channel: Channel, transcript: Transcript): Promise<void> {
  channel.during('replaying', limits.idleMillis);
  const { serverToClient: said, clientToServer } = transcript;
  const { apReq: request, apRep: reply } = messagesOf(transcript);
  const versionBytes = 4 + 19 + 4 + 10;
  await channel.read(versionBytes);
  await channel.write(said.slice(0, 1));
  await channel.read(4 + request.length);
  const helloBytes = 1 + 4 + 4 + reply.length;
  await channel.write(said.slice(1, helloBytes));
  await channel.read(clientToServer.length - versionBytes - 4 - request.length);
  await channel.write(said.slice(helloBytes));
}

/** As toEqual, in a fraction of the time. */
function expectSame(got: Uint8Array, wanted: Uint8Array): void {
  if (!Buffer.from(got).equals(wanted)) expect(got).toEqual(wanted);
}

function record(said: Uint8Array[]): (chunk: Uint8Array) => Uint8Array {
  return (chunk) => {
    said.push(Uint8Array.from(chunk));
    return chunk;
  };
}
