import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { textOf, utf8 } from '../../bytes.ts';
import type { Channel } from '../../channel/channel.ts';
import { framed, readFrame, writeFrame } from '../../channel/frame.ts';
import { isKrbError, makeKrbError, readKrbError } from '../messages/error.ts';
import { tags } from '../messages/numbers.ts';
import type { Principal } from '../messages/principal.ts';
import {
  type AcceptedApReq,
  type AcceptorOptions,
  acceptApRep,
  acceptApReq,
  firstByte,
  makeApRep,
  makeApReq,
} from './ap-exchange.ts';
import type { Credential } from './credential.ts';
import { Session } from './session.ts';

/** Both version strings travel with their final NUL (krb5 lib/krb5/krb/sendauth.c). */
const sendauthVersion = 'KRB5_SENDAUTH_V1.0';

/** The answers to the version strings, one byte without a length. */
const ACCEPTED = 0;
const BAD_SENDAUTH_VERSION = 1;
const BAD_APPLICATION_VERSION = 2;

/** Nobody has proved anything yet: what may arrive is small. */
const versionLimitBytes = 64;
const apReqLimitBytes = 32 * 1024;
const replyLimitBytes = 64 * 1024;

/**
 * The initiator's half of the hand-shake: a session with the service of the credential.
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

  const sent = makeApReq(credential, ambient);
  await writeFrame(channel, sent.message);
  const refusal = await readFrame(channel, 'answer to the AP-REQ', replyLimitBytes);
  if (refusal.length > 0) throw refusedBy(channel, requireTag(refusal, 'KRB-ERROR', tags.error));

  const reply = await readFrame(channel, 'AP-REP', replyLimitBytes);
  if (isKrbError(reply)) throw refusedBy(channel, reply);
  requireTag(reply, 'AP-REP', tags.apRep);
  const { sequence, subkey } = acceptApRep(reply, sent, credential.sessionKey);
  return new Session({
    client: credential.client,
    server: credential.server,
    key: subkey ?? credential.sessionKey,
    localAddress: channel.local,
    sendSequence: sent.sequence,
    receiveSequence: sequence,
    ambient,
  });
}

export interface RecvauthOptions extends AcceptorOptions {
  readonly application: string;
}

/** Who was let in, and the session with them. */
export interface Accepted extends Pick<AcceptedApReq, 'client' | 'server' | 'ticketEnctype'> {
  readonly session: Session;
  /** The authenticator's time by the client's clock, microseconds since 1970. */
  readonly authenticatedMicros: number;
}

/**
 * The acceptor's half of the hand-shake. What it refuses it tells the peer first: one byte for a
 * wrong version, a KRB-ERROR for a wrong AP-REQ.
 * @throws session.bad-*-version, auth.*, crypto.*, decode.*, message.*, network.*
 */
export async function recvauth(channel: Channel, o: RecvauthOptions): Promise<Accepted> {
  await answerVersion(channel, sendauthVersion, BAD_SENDAUTH_VERSION);
  await answerVersion(channel, o.application, BAD_APPLICATION_VERSION);
  await channel.write(Uint8Array.of(ACCEPTED));

  const request = await readFrame(channel, 'AP-REQ', apReqLimitBytes);
  const accepted = await acceptApReq(request, o).catch(async (error: unknown) => {
    const refusal = refusalOf(error, o.services[0] as Principal, o.ambient);
    // Whether the peer still listens or not, why it was refused is what went wrong.
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
    localAddress: channel.local,
    sendSequence: sequence,
    receiveSequence: accepted.sequence,
    ambient: o.ambient,
  });
  const { client, server, ticketEnctype, ctime, cusec } = accepted;
  const authenticatedMicros = ctime * 1_000_000 + cusec;
  return { session, client, server, ticketEnctype, authenticatedMicros };
}

/** The error that a KRB-ERROR of the peer stands for. */
export function refusedBy(channel: Channel, message: Uint8Array): KpropError {
  if (!isKrbError(message)) {
    return new KpropError('session.bad-response', { found: firstByte(message) });
  }
  const { number, text } = readKrbError(message);
  return new KpropError('peer.refused', { peer: channel.peer, number, text });
}

async function answerVersion(channel: Channel, wanted: string, refusal: number): Promise<void> {
  const head = await channel.read(4);
  const byteCount = new DataView(head.buffer, head.byteOffset).getUint32(0);
  // A length past the limit is not waited for: HTTP, TLS and hprop all look like one.
  const got = byteCount > versionLimitBytes ? undefined : textOf(await channel.read(byteCount));
  if (got === `${wanted}\0`) return;
  await channel.write(Uint8Array.of(refusal)).catch(() => undefined);
  const detail = {
    got: got === undefined ? `${byteCount} bytes long` : JSON.stringify(got.replace(/\0$/, '')),
  };
  throw refusal === BAD_SENDAUTH_VERSION
    ? new KpropError('session.bad-sendauth-version', detail)
    : new KpropError('session.bad-application-version', detail);
}

/** The message, if its first byte is that of its kind: MIT's library looks at it first. */
function requireTag(message: Uint8Array, wanted: string, tag: number): Uint8Array {
  if (message[0] === (0x60 | tag)) return message;
  throw new KpropError('message.unexpected', { wanted, found: firstByte(message) });
}

function requireAccepted(answer: number, application: string): void {
  if (answer === ACCEPTED) return;
  if (answer === BAD_SENDAUTH_VERSION) {
    throw new KpropError('session.bad-sendauth-version', { got: 'not the one it wants' });
  }
  if (answer === BAD_APPLICATION_VERSION) {
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
