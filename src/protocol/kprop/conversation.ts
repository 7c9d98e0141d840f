import { inPhase, isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { concat } from '../bytes.ts';
import type { Channel } from '../channel/channel.ts';
import { framed, readFrame, takeFrame, writeFrame } from '../channel/frame.ts';
import { isKrbError, makeKrbError } from '../krb5/messages/error.ts';
import { refusedBy } from '../krb5/session/sendauth.ts';
import type { Session } from '../krb5/session/session.ts';
import { decodeSize, encodeSize } from './size.ts';

/** kprop's application version in sendauth; it never changed (krb5 src/kprop/kprop.h). */
export const applicationVersion = 'kprop5_01';

/** Blocks are of this size but for the last. Old receivers have seen nothing larger. */
export const blockBytes = 32_768;

/** A database dump: its size, and its bytes in order, in pieces of any length. */
export interface Dump {
  readonly bytes: number;
  blocks(): AsyncIterable<Uint8Array>;
}

/** A dump that is being received: its size, and its blocks in order, all that are there at a time. */
export interface ReceivedDump {
  readonly bytes: number;
  batches(): AsyncIterable<readonly Uint8Array[]>;
}

/** How long nothing may move, by step; 0 is for ever. Milliseconds. */
export interface ConversationLimits {
  readonly idleMillis: number;
  /** From the last block to the confirmation: the replica loads its database meanwhile. */
  readonly confirmMillis: number;
}

export interface SendOptions {
  readonly limits: ConversationLimits;
  /** Told the running total after each block. */
  readonly onProgress?: (bytes: number) => void;
}

const sizeLimitBytes = 4 * 1024;
/** Far above what any sender uses, so that many connections at once cannot fill the memory. */
const blockLimitBytes = 1024 * 1024;
const confirmationLimitBytes = 64 * 1024;
/** So many blocks go to the socket in one gathered write. */
const blocksPerWrite = 32;
/** After so many messages a receiver hands on what it has: it holds no more than these. */
const messagesPerBatch = 32;

/**
 * The sender's half: the size, the blocks, and the wait until the replica confirms that it has
 * loaded them.
 * @throws dump.changed, dump.read, peer.refused, kprop.wrong-confirmation, session.*, network.*
 */
export async function sendDump(
  channel: Channel,
  session: Session,
  dump: Dump,
  o: SendOptions,
): Promise<void> {
  await inPhase('size', 'while sending database size', async () => {
    channel.during('sending the database size', o.limits.idleMillis);
    const size = session.makeSafe(encodeSize(dump.bytes));
    await hearing(channel, () => writeFrame(channel, size), { last: dump.bytes === 0 });
  });
  await sendBlocks(channel, session, dump, o);
  await inPhase('confirm', 'while reading response from server', async () => {
    channel.during('waiting for the replica to load the database', o.limits.confirmMillis);
    const reply = await readFrame(channel, 'confirmation', confirmationLimitBytes);
    if (isKrbError(reply)) throw refusedBy(channel, reply);
    const size = session.readSafe(reply);
    const confirmed = await inPhase('confirm', 'malformed sent database size message', () =>
      decodeSize(size),
    );
    if (confirmed !== dump.bytes) {
      throw new KpropError('kprop.wrong-confirmation', { sent: dump.bytes, confirmed });
    }
  });
}

/**
 * The receiver's half, first part: the size; then the blocks, as the dump that comes back is read.
 * A dump that is longer than announced ends with an error before its first byte too many is seen.
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

/** The receiver's half, last part: says that so many bytes have been loaded. */
export async function confirmDump(channel: Channel, session: Session, bytes: number) {
  channel.during('confirming the load', 0);
  await inPhase('confirm', 'while sending # of received bytes', () =>
    writeFrame(channel, session.makeSafe(encodeSize(bytes))),
  );
}

/**
 * Tells the peer why nothing will come of it, as a KRB-ERROR in place of the next message: the
 * error's own number and MIT's words for the step, or 60 with the error's text before them. It goes
 * in the clear: details stay in our own log.
 */
export async function sendFailure(
  channel: Channel,
  session: Session,
  from: 'client' | 'server',
  error: KpropError,
): Promise<void> {
  // MIT's words for a step end in the paths of our files.
  const doing = error.doing?.replace(/,? ('.*'|\/.*)$/, '');
  const words = [error.wireNumber === 60 ? error.peerText : undefined, doing];
  const text = words.filter(Boolean).join(' ') || 'the propagation failed';
  const message = makeKrbError({
    from,
    nowMicros: session.ambient.nowMicros(),
    number: error.wireNumber,
    text,
    server: session.server,
    client: session.client,
  });
  await writeFrame(channel, message);
}

async function sendBlocks(
  channel: Channel,
  session: Session,
  dump: Dump,
  o: SendOptions,
): Promise<void> {
  const seal = session.sealer();
  const source = inBlocks(dump.blocks());
  channel.during('sending the database', o.limits.idleMillis);
  let sent = 0;
  /** The write under way: it goes on while the next blocks are read and sealed. */
  let writing = Promise.resolve();
  let written: readonly Uint8Array[] = [];
  const finishWrite = async ({ last }: { readonly last: boolean }) => {
    await hearing(channel, () => writing, { last });
    for (const block of written) {
      sent += block.length;
      o.onProgress?.(sent);
    }
    written = [];
  };
  const send = async (blocks: readonly Uint8Array[]) => {
    const pieces: Uint8Array[] = [];
    for (const message of seal(...blocks)) pieces.push(...framed(...message));
    await finishWrite({ last: false });
    writing = channel.write(...pieces);
    // Awaited before the next one; until then its failure must not count as unhandled.
    writing.catch(() => undefined);
    written = blocks;
  };
  try {
    let seen = 0;
    let last: readonly Uint8Array[] = [];
    for (;;) {
      // A dump may be slow to come: the connection is watched all the same, unless the replica has
      // all that it will get and may well have confirmed it.
      const empty = dump.bytes === 0;
      const next = () => (empty ? source.next() : channel.waitFor(source.next()));
      const { done, value: blocks } = await hearing(channel, next, { last: empty });
      if (done) break;
      for (const block of blocks) seen += block.length;
      if (seen > dump.bytes) break;
      // A replica that has all the bytes loads them: it gets the last only if nothing follows.
      if (seen === dump.bytes) last = blocks;
      else await send(blocks);
    }
    if (seen !== dump.bytes) {
      throw new KpropError('dump.changed', { expected: dump.bytes, got: seen });
    }
    if (last.length > 0) await send(last);
    await finishWrite({ last: true });
  } catch (error) {
    if (!(error instanceof KpropError)) throw error;
    // Where we go on to say why, what is under way goes out first: then it is known how much was sent.
    if (error.fault === 'local') await finishWrite({ last: false }).catch(() => undefined);
    const changed = isKpropError(error, 'dump.changed');
    error.during(
      'blocks',
      changed
        ? 'Premature EOF found for database file!'
        : `while sending database block starting at ${sent}`,
    );
    // A sender that stops says so, and the replica drops what it has; if it still listens.
    if (error.fault === 'local') {
      await sendFailure(channel, session, 'client', error).catch(() => undefined);
    }
    throw error;
  } finally {
    // Not awaited: a source that never gave its next piece would never answer this, either.
    source.return(undefined).catch(() => undefined);
  }
}

/** Cuts pieces of any length into full blocks, a few at a time; only the very last may be short. */
async function* inBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : concat(rest, piece);
    const whole = bytes.length - (bytes.length % blockBytes);
    for (let at = 0; at < whole; ) {
      const blocks: Uint8Array[] = [];
      for (; at < whole && blocks.length < blocksPerWrite; at += blockBytes) {
        blocks.push(bytes.subarray(at, at + blockBytes));
      }
      yield blocks;
    }
    rest = bytes.slice(whole);
  }
  if (rest.length > 0) yield [rest];
}

async function* receiveBatches(
  channel: Channel,
  session: Session,
  bytes: number,
  idleMillis: number,
): AsyncGenerator<readonly Uint8Array[]> {
  const open = session.opener();
  const frame = [channel, 'database block', blockLimitBytes] as const;
  let received = 0;
  let step = 'reading';
  channel.during('receiving the database', idleMillis);
  try {
    while (received < bytes) {
      const batch: Uint8Array[] = [];
      let message: Uint8Array | undefined = await readFrame(...frame);
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
        const full = received === bytes || count === messagesPerBatch;
        message = full ? undefined : takeFrame(...frame);
      }
      if (batch.length > 0) yield batch;
    }
  } catch (error) {
    const doing = `while ${step} database block starting at offset ${received}`;
    throw error instanceof KpropError ? error.during('blocks', doing) : error;
  }
}

/**
 * Does something while a dump is sent, but listens: a replica that has something to say meanwhile
 * has a reason to refuse, and that reason is worth more than the broken pipe that follows. After
 * the last write it may as well have confirmed.
 */
async function hearing<T>(
  channel: Channel,
  work: () => Promise<T>,
  { last }: { readonly last: boolean },
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    throw channel.arrived > 0 ? await refusal(channel).catch(() => error) : error;
  }
  if (!last && channel.arrived > 0) throw await refusal(channel);
  return result;
}

async function refusal(channel: Channel): Promise<KpropError> {
  return refusedBy(channel, await readFrame(channel, 'KRB-ERROR', confirmationLimitBytes));
}
