import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { textOf, utf8 } from '../../bytes.ts';
import type { Channel } from '../../channel/channel.ts';
import { framed, readFrame, writeFrame } from '../../channel/frame.ts';
import { applicationTag } from '../../der/tag.ts';
import { isKrbError, makeKrbError, readKrbError } from '../messages/error.ts';
import { apOptions, tags } from '../messages/numbers.ts';
import type { Principal } from '../messages/principal.ts';
import {
  type AcceptedApReq,
  type AcceptorOptions,
  acceptApRep,
  acceptApReq,
  firstByte,
  initialSequence,
  makeApRep,
  makeApReq,
} from './ap-exchange.ts';
import type { Credential } from './credential.ts';
import { Session } from './session.ts';

/** Both version strings travel with their final NUL (krb5 lib/krb5/krb/sendauth.c). */
const sendauthVersion = 'KRB5_SENDAUTH_V1.0';

/** The answers to the version strings, one byte without a length. */
const answers = { accepted: 0, badSendauthVersion: 1, badApplicationVersion: 2 } as const;

/** The peer has proved nothing yet, so only short messages are accepted. */
const versionLimitBytes = 64;
const apReqLimitBytes = 32 * 1024;
const replyLimitBytes = 64 * 1024;

/**
 * The initiator's half of the handshake: a session with the service of the credential.
 * @throws peer.refused, session.*, crypto.integrity, decode.*, network.*
 */
export async function sendauth(
  channel: Channel,
  o: { readonly application: string; readonly credential: Credential; readonly ambient: Ambient },
): Promise<Session> {
  const { credential, ambient } = o;
  const versions = [sendauthVersion, o.application].map((name) => framed(utf8(`${name}\0`)));
  await channel.write(...versions.flat());
  requireAccepted((await channel.read(1))[0] as number, o.application);

  // Like MIT's kprop: no subkey, no checksum (kprop.c, kerberos_authenticate).
  const sent = makeApReq(credential, {
    apOptions: apOptions.mutualRequired,
    sequence: initialSequence(ambient),
    ambient,
  });
  await writeFrame(channel, sent.message);
  const refusal = await readFrame(channel, 'answer to the AP-REQ', replyLimitBytes);
  if (refusal.length > 0) {
    throw refusedBy(channel, requireTag(refusal, 'KRB-ERROR', tags.error), credential);
  }

  const reply = await readFrame(channel, 'AP-REP', replyLimitBytes);
  if (isKrbError(reply)) throw refusedBy(channel, reply, credential);
  requireTag(reply, 'AP-REP', tags.apRep);
  const { sequence, subkey } = acceptApRep(reply, sent, credential.sessionKey);
  return new Session({
    client: credential.client,
    server: credential.server,
    key: subkey ?? credential.sessionKey,
    localAddress: channel.ends.local,
    sendSequence: sent.sequence,
    receiveSequence: sequence,
    ambient,
  });
}

export interface RecvauthOptions extends AcceptorOptions {
  readonly application: string;
}

/** The client that was accepted, and the session with it. */
export interface Accepted extends Pick<AcceptedApReq, 'client' | 'server' | 'ticketEnctype'> {
  readonly session: Session;
  /** The authenticator's time by the client's clock, microseconds since 1970. */
  readonly authenticatedMicros: number;
}

/**
 * The acceptor's half of the handshake. Before a refusal is thrown, the peer is told: with one byte
 * about a wrong version, with a KRB-ERROR about a wrong AP-REQ.
 * @throws session.bad-*-version, auth.*, crypto.*, decode.*, message.*, network.*
 */
export async function recvauth(channel: Channel, o: RecvauthOptions): Promise<Accepted> {
  await answerVersion(channel, sendauthVersion, answers.badSendauthVersion);
  await answerVersion(channel, o.application, answers.badApplicationVersion);
  await channel.write(Uint8Array.of(answers.accepted));

  const request = await readFrame(channel, 'AP-REQ', apReqLimitBytes);
  const accepted = await acceptApReq(request, o).catch(async (error: unknown) => {
    const refusal = refusalOf(error, o.services[0] as Principal, o.ambient);
    // If this cannot be written, the error to report is still why the peer was refused.
    await writeFrame(channel, refusal).catch(() => undefined);
    throw error;
  });
  await writeFrame(channel);

  const { message, sequence, key } = makeApRep(accepted, o);
  await writeFrame(channel, message);
  const session = new Session({
    client: accepted.client,
    server: accepted.server,
    key,
    localAddress: channel.ends.local,
    sendSequence: sequence,
    receiveSequence: accepted.sequence,
    ambient: o.ambient,
  });
  const { client, server, ticketEnctype, ctime, cusec } = accepted;
  const authenticatedMicros = ctime * 1_000_000 + cusec;
  return { session, client, server, ticketEnctype, authenticatedMicros };
}

/** The peer's KRB-ERROR as an error to throw. */
export function refusedBy(
  channel: Channel,
  message: Uint8Array,
  between?: Pick<Credential, 'client' | 'server'>,
): KpropError {
  if (!isKrbError(message)) {
    return new KpropError('session.bad-response', { found: firstByte(message) });
  }
  const { number, text } = readKrbError(message);
  const names = between && { client: `${between.client}`, server: `${between.server}` };
  return new KpropError('peer.refused', { peer: channel.ends.peer, number, text, ...names });
}

async function answerVersion(channel: Channel, wanted: string, refusal: number): Promise<void> {
  const head = await channel.read(4);
  const byteCount = new DataView(head.buffer, head.byteOffset).getUint32(0);
  // No more is read after a length past the limit: requests of HTTP, TLS and hprop look like one.
  const got = byteCount > versionLimitBytes ? undefined : textOf(await channel.read(byteCount));
  if (got === `${wanted}\0`) return;
  await channel.write(Uint8Array.of(refusal)).catch(() => undefined);
  const detail = {
    got: got === undefined ? `${byteCount} bytes long` : JSON.stringify(got.replace(/\0$/, '')),
  };
  throw refusal === answers.badSendauthVersion
    ? new KpropError('session.bad-sendauth-version', detail)
    : new KpropError('session.bad-application-version', detail);
}

/** The message, if its first byte is the right one: MIT's library, too, checks that first. */
function requireTag(message: Uint8Array, wanted: string, tag: number): Uint8Array {
  if (message[0] === applicationTag(tag)) return message;
  throw new KpropError('message.unexpected', { wanted, found: firstByte(message) });
}

function requireAccepted(answer: number, application: string): void {
  if (answer === answers.accepted) return;
  if (answer === answers.badSendauthVersion) {
    throw new KpropError('session.bad-sendauth-version', { got: 'not the one it wants' });
  }
  if (answer === answers.badApplicationVersion) {
    throw new KpropError('session.bad-application-version', { got: `not ${application}` });
  }
  throw new KpropError('session.bad-response', { found: `byte 0x${answer.toString(16)}` });
}

function refusalOf(error: unknown, server: Principal, ambient: Ambient): Uint8Array {
  const known = error instanceof KpropError ? error : undefined;
  return makeKrbError({
    from: 'server',
    nowMicros: ambient.nowMicros(),
    number: known?.wireNumber ?? 60,
    text: known?.peerText ?? 'Internal error',
    server,
  });
}
