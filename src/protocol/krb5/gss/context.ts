import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { Key } from '../crypto/key.ts';
import { readKrbError } from '../messages/error.ts';
import { apOptions } from '../messages/numbers.ts';
import type { Checksum } from '../messages/parts.ts';
import { acceptApRep, initialSequence, makeApReq, type SentApReq } from '../session/ap-exchange.ts';
import type { Credential } from '../session/credential.ts';
import { type MessageTokens, messageTokens, type TokenOptions } from './message-tokens.ts';
import { oldMessageTokens } from './old-message-tokens.ts';
import { SequenceWindow } from './sequence-window.ts';
import { frameToken, tokenIds, unframeToken } from './token-frame.ts';

/** What a token of this side and one of the other side do in a context. */
export interface GssContext {
  makeMic(message: Uint8Array): Uint8Array;
  /** @throws crypto.integrity, decode.*, session.replayed */
  verifyMic(token: Uint8Array, message: Uint8Array): void;
  wrap(message: Uint8Array): Uint8Array;
  /** @throws crypto.integrity, decode.*, session.replayed */
  unwrap(token: Uint8Array): Uint8Array;
}

export interface Initiation {
  /** The initial token, for the acceptor. */
  readonly token: Uint8Array;
  /** The context, from the acceptor's answer. @throws peer.refused, session.*, crypto.*, decode.* */
  complete(reply: Uint8Array): GssContext;
}

/**
 * Begins a context with the service of the credential, with mutual authentication, detection of
 * replays, encryption and integrity. @see RFC 4121 §4.1, RFC 4752; MIT init_sec_context.c
 */
export function initiateContext(
  credential: Credential,
  o: { readonly peer: string; readonly ambient: Ambient },
): Initiation {
  const { ambient } = o;
  const subkey = Key.random(credential.sessionKey.profile.number, ambient);
  const sent = makeApReq(credential, {
    apOptions: apOptions.mutualRequired,
    sequence: initialSequence(ambient),
    subkey,
    checksum: contextChecksum(),
    ambient,
  });
  return {
    token: frameToken(tokenIds.apReq, sent.message),
    complete(reply) {
      const { id, content } = unframeToken(reply);
      if (id === tokenIds.error) {
        const { number, text } = readKrbError(content);
        throw new KpropError('peer.refused', { peer: o.peer, number, text });
      }
      if (id !== tokenIds.apRep) {
        const found = `token 0x${id.toString(16)}`;
        throw new KpropError('message.unexpected', { wanted: 'AP-REP token', found });
      }
      return openContext(content, { sent, credential, subkey, ambient });
    },
  };
}

interface Sent {
  readonly sent: SentApReq;
  readonly credential: Credential;
  readonly subkey: Key;
  readonly ambient: Ambient;
}

function openContext(apRep: Uint8Array, { sent, credential, subkey, ambient }: Sent): GssContext {
  const accepted = acceptApRep(apRep, sent, credential.sessionKey);
  const key = accepted.subkey ?? subkey;
  const options = {
    side: 'initiator',
    key,
    acceptorSubkey: accepted.subkey !== undefined,
  } as const;
  const tokens = tokensOf({ ...options, ambient });
  const window = new SequenceWindow();
  let sequence = sent.sequence;
  const next = () => {
    const number = sequence;
    sequence += 1;
    return number;
  };
  return {
    makeMic: (message) => tokens.makeMic(next(), message),
    verifyMic: (token, message) => window.accept(tokens.verifyMic(token, message)),
    wrap: (message) => tokens.wrap(next(), message),
    unwrap(token) {
      const opened = tokens.unwrap(token);
      window.accept(opened.sequence);
      return opened.message;
    },
  };
}

/** The tokens that a key's encryption type has. */
export function tokensOf(o: TokenOptions): MessageTokens {
  const { family } = o.key.profile;
  return family === 'rc4' || family === 'des3' ? oldMessageTokens(o) : messageTokens(o);
}

/** No channel bindings, no delegation (RFC 4121 §4.1.1); the flags as MIT's kadmin client sets them. */
function contextChecksum(): Checksum {
  const { mutual, replay, confidentiality, integrity, transferable } = contextFlags;
  const checksum = new Uint8Array(24);
  const view = new DataView(checksum.buffer);
  view.setUint32(0, 16, true);
  view.setUint32(20, mutual | replay | confidentiality | integrity | transferable, true);
  return { cksumtype: 0x8003, checksum };
}

const contextFlags = {
  mutual: 0x02,
  replay: 0x04,
  confidentiality: 0x10,
  integrity: 0x20,
  transferable: 0x100,
} as const;
