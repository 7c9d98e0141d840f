import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import { systemAmbient } from '../../../src/protocol/ambient.ts';
import { concat, utf8 } from '../../../src/protocol/bytes.ts';
import type { Channel } from '../../../src/protocol/channel/channel.ts';
import { framed, readFrame } from '../../../src/protocol/channel/frame.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { decode, encode } from '../../../src/protocol/der/schema.ts';
import { applicationVersion } from '../../../src/protocol/kprop/dump.ts';
import { makeChecksum } from '../../../src/protocol/krb5/crypto/checksum.ts';
import { CipherChain } from '../../../src/protocol/krb5/crypto/cipher.ts';
import { encrypt } from '../../../src/protocol/krb5/crypto/encrypt.ts';
import type { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { hostAddressOf } from '../../../src/protocol/krb5/messages/address.ts';
import { krbError } from '../../../src/protocol/krb5/messages/error.ts';
import { encKrbPrivPart, krbPriv } from '../../../src/protocol/krb5/messages/priv.ts';
import { krbSafe, safeBody } from '../../../src/protocol/krb5/messages/safe.ts';
import { acceptApRep } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { kpropApReq } from '../../support/wire/forge.ts';

type Twist = (bytes: Uint8Array) => Uint8Array;
const asItIs: Twist = (bytes) => bytes;
const ambient = systemAmbient();

/** One who has a ticket and the key, and makes each message by hand: twisted behind a valid MAC. */
export class InsiderWire {
  readonly channel: Channel;
  readonly #socket: Socket;
  readonly #key: Key;
  readonly #chain: CipherChain;
  #sequence: number;

  private constructor(socket: Socket, channel: Channel, key: Key, sequence: number) {
    this.#socket = socket;
    this.channel = channel;
    this.#key = key;
    this.#chain = new CipherChain(key.profile);
    this.#sequence = sequence;
  }

  static async open(port: number, credential: Credential): Promise<InsiderWire> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    const address = hostAddressOf('127.0.0.1')!;
    const channel = channelOver(socket, { local: address, remote: address, peer: 'kpropd' });
    channel.during('attacking', 30_000);
    try {
      const versions = ['KRB5_SENDAUTH_V1.0', applicationVersion];
      await channel.write(...versions.flatMap((name) => framed(utf8(`${name}\0`))));
      await channel.read(1);
      const sent = kpropApReq(credential, ambient);
      await channel.write(...framed(sent.message));
      const refusal = await readFrame(channel, 'answer', 65_536);
      if (refusal.length > 0) throw new Error(`refused: ${errorIn(refusal)}`);
      const reply = await readFrame(channel, 'AP-REP', 65_536);
      const { subkey } = acceptApRep(reply, sent, credential.sessionKey);
      return new InsiderWire(socket, channel, subkey ?? credential.sessionKey, sent.sequence);
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  /** A KRB-SAFE, its body twisted before the checksum is made. */
  safe(userData: Uint8Array, twist: Twist = asItIs): Uint8Array {
    const value = { userData, seqNumber: this.#next(), sAddress: this.channel.ends.local };
    const written = encode(safeBody, value);
    const raw = twist(written);
    const kind = { pvno: 5, msgType: 20 };
    const { checksumType } = this.#key.profile;
    const whole = (cksumtype: number, checksum: Uint8Array) => {
      const body = { raw: written, value };
      const der = encode(krbSafe, { ...kind, safeBody: body, cksum: { cksumtype, checksum } });
      return raw === written ? der : replaced(der, written, raw);
    };
    const sum = makeChecksum(this.#key, 15, whole(0, new Uint8Array(0)));
    return whole(checksumType, sum);
  }

  /** A KRB-PRIV of the chain, its part twisted before it is sealed. */
  priv(userData: Uint8Array, twist: Twist = asItIs): Uint8Array {
    const value = { userData, seqNumber: this.#next(), sAddress: this.channel.ends.local };
    const plain = twist(encode(encKrbPrivPart, value));
    const cipher = encrypt(this.#key, 13, plain, { ambient, chain: this.#chain });
    const etype = this.#key.profile.number;
    return encode(krbPriv, { pvno: 5, msgType: 21, encPart: { etype, cipher } });
  }

  /**
   * Says no more, and waits until the replica has hung up: it has loaded by then whatever it will.
   * What it said: a confirmation, a refusal, or nothing.
   */
  async end(): Promise<'confirmed' | 'refused' | 'closed'> {
    this.#socket.end();
    let said: 'confirmed' | 'refused' | 'closed' = 'closed';
    try {
      for (;;) {
        const message = await readFrame(this.channel, 'the last word', 65_536);
        if (message[0] === 0x7e) {
          decode(krbError, message);
          said = 'refused';
        } else {
          decode(krbSafe, message);
          said = 'confirmed';
        }
      }
    } catch (error) {
      if (isKpropError(error, 'network.closed') || isKpropError(error, 'network.failed')) {
        return said;
      }
      throw error;
    }
  }

  #next(): number {
    const number = this.#sequence;
    this.#sequence = (number + 1) >>> 0;
    return number;
  }
}

/** The message with its body replaced, and the lengths around it right. */
function replaced(der: Uint8Array, body: Uint8Array, other: Uint8Array): Uint8Array {
  // [2] holds the body: the fields before it and behind it stay as they are.
  const at = Buffer.from(der).indexOf(Buffer.from(body));
  const before = Uint8Array.of(0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, 20);
  const content = concat(before, element(0xa2, other), der.subarray(at + body.length));
  return element(0x74, element(0x30, content));
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  let first = 0;
  while (first < 3 && length[first] === 0) first += 1;
  const bytes = length.subarray(first);
  const long = content.length >= 0x80;
  return concat(Uint8Array.of(tag, ...(long ? [0x80 | bytes.length] : []), ...bytes), content);
}

function errorIn(message: Uint8Array): string {
  const { errorCode, eText = new Uint8Array(0) } = decode(krbError, message);
  return `${errorCode} ${Buffer.from(eText).toString('latin1')}`;
}
