import { inPhase, KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from '../channel/channel.ts';
import { FrameReader, readFrame, writeFrame } from '../channel/frame.ts';
import { isKrbError } from '../krb5/messages/error.ts';
import { refusedBy } from '../krb5/session/sendauth.ts';
import type { Session } from '../krb5/session/session.ts';
import { blocksAtOnce, type ConversationLimits, type ReceivedDump } from './dump.ts';
import { decodeSize, encodeSize } from './size.ts';

const sizeLimitBytes = 4 * 1024;
/** Far above what any sender uses, and low enough that many connections cannot fill the memory. */
const blockLimitBytes = 1024 * 1024;

/**
 * The receiver's half, first part: the size. The blocks are received while the returned dump is read.
 * If more bytes come than the size says, reading ends with an error, and none of the excess is given.
 * @throws kprop.bad-size, kprop.too-large, kprop.too-much, peer.refused, session.*, crypto.*, network.*
 */
export async function receiveDump(
  channel: Channel,
  session: Session,
  limits: Pick<ConversationLimits, 'idleMillis'> & { readonly maxBytes?: number | undefined },
): Promise<ReceivedDump> {
  channel.during('reading the database size', limits.idleMillis);
  const message = await inPhase('size', 'while reading database size', () =>
    readFrame(channel, 'database size', sizeLimitBytes),
  );
  if (isKrbError(message)) throw refusedBy(channel, message).during('size');
  const data = await inPhase('size', 'while decoding database size', () =>
    session.readSafe(message),
  );
  const bytes = await inPhase('size', 'malformed database size message', () => decodeSize(data));
  const { maxBytes } = limits;
  if (maxBytes !== undefined && bytes > maxBytes) {
    throw new KpropError('kprop.too-large', { bytes, limit: maxBytes }).during('size');
  }
  return { bytes, batches: () => receiveBatches(channel, session, bytes, limits.idleMillis) };
}

/** The receiver's half, last part: tells the sender that `bytes` bytes have been loaded. */
export async function confirmDump(channel: Channel, session: Session, bytes: number) {
  channel.during('confirming the load', 0);
  await inPhase('confirm', 'while sending # of received bytes', () =>
    writeFrame(channel, session.makeSafe(encodeSize(bytes))),
  );
}

async function* receiveBatches(
  channel: Channel,
  session: Session,
  bytes: number,
  idleMillis: number,
): AsyncGenerator<readonly Uint8Array[]> {
  const open = session.opener();
  const messages = new FrameReader(channel, 'database block', blockLimitBytes);
  let received = 0;
  let step = 'reading';
  channel.during('receiving the database', idleMillis);
  try {
    while (received < bytes) {
      const batch: Uint8Array[] = [];
      let message: Uint8Array | undefined = await messages.read();
      for (let count = 1; message !== undefined; count += 1) {
        if (isKrbError(message)) throw refusedBy(channel, message);
        step = 'decoding';
        const block = open(message);
        if (block.length > bytes - received) {
          const detail = { received: received + block.length, expected: bytes };
          const error = new KpropError('kprop.too-much', detail);
          throw error.during('blocks', error.message);
        }
        if (block.length > 0) batch.push(block);
        received += block.length;
        step = 'reading';
        const full = received === bytes || count === blocksAtOnce;
        message = full ? undefined : messages.take();
      }
      if (batch.length > 0) yield batch;
    }
  } catch (error) {
    const doing = `while ${step} database block starting at offset ${received}`;
    throw error instanceof KpropError ? error.during('blocks', doing) : error;
  }
}
