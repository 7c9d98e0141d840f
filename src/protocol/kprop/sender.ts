import { inPhase, isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { concat } from '../bytes.ts';
import type { Channel } from '../channel/channel.ts';
import { framed, writeFrame } from '../channel/frame.ts';
import { isKrbError } from '../krb5/messages/error.ts';
import { refusedBy } from '../krb5/session/sendauth.ts';
import type { Session } from '../krb5/session/session.ts';
import { ReplicaAnswer } from './answer.ts';
import { blockBytes, blocksAtOnce, type ConversationLimits, type Dump } from './dump.ts';
import { sendFailure } from './refusal.ts';
import { decodeSize, encodeSize } from './size.ts';

export interface SendOptions {
  readonly limits: ConversationLimits;
  /** Called after each block with the bytes sent so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * The sender's half: the size, the blocks, and the wait until the replica confirms that it has
 * loaded the dump.
 * @throws dump.changed, dump.read, peer.refused, kprop.wrong-confirmation, session.*, network.*
 */
export async function sendDump(
  channel: Channel,
  session: Session,
  dump: Dump,
  o: SendOptions,
): Promise<void> {
  const answer = new ReplicaAnswer(channel);
  await inPhase('size', 'while sending database size', async () => {
    channel.during('sending the database size', o.limits.idleMillis);
    const size = session.makeSafe(encodeSize(dump.bytes));
    await answer.duringWrite(writeFrame(channel, size), { last: dump.bytes === 0 });
  });
  await sendBlocks(channel, session, dump, answer, o);
  await inPhase('confirm', 'while reading response from server', async () => {
    const reply = await answer.afterAll(o.limits.confirmMillis);
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

async function sendBlocks(
  channel: Channel,
  session: Session,
  dump: Dump,
  answer: ReplicaAnswer,
  o: SendOptions,
): Promise<void> {
  const seal = session.sealer();
  const source = inBlocks(dump.pieces());
  channel.during('sending the database', o.limits.idleMillis);
  let sent = 0;
  /** The write under way: it goes on while the next blocks are read and sealed. */
  let writing = Promise.resolve();
  let written: readonly Uint8Array[] = [];
  const finishWrite = async ({ last }: { readonly last: boolean }) => {
    await answer.duringWrite(writing, { last });
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
    // Awaited before the next write; until then its failure must not count as unhandled.
    writing.catch(() => undefined);
    written = blocks;
  };
  try {
    let seen = 0;
    let last: readonly Uint8Array[] = [];
    for (;;) {
      // The replica may have all of an empty dump by now: then an answer is no reason to stop.
      const next = source.next();
      const { done, value: blocks } = await (dump.bytes === 0 ? next : answer.duringWait(next));
      if (done) break;
      for (const block of blocks) seen += block.length;
      if (seen > dump.bytes) break;
      // The replica loads the database once it has all bytes: the last go only if no others follow.
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
    // A fault of ours is told to the replica below. First the write under way ends: `sent` is then
    // the number of bytes that the replica has got.
    if (error.fault === 'local') await finishWrite({ last: false }).catch(() => undefined);
    const changed = isKpropError(error, 'dump.changed');
    error.during(
      'blocks',
      changed
        ? 'Premature EOF found for database file!'
        : `while sending database block starting at ${sent}`,
    );
    // Then the replica drops what it has received. It may have hung up already.
    if (error.fault === 'local') {
      await sendFailure(channel, session, 'client', error).catch(() => undefined);
    }
    throw error;
  } finally {
    // Not awaited: a source that never gives its next piece would not end, either.
    source.return(undefined).catch(() => undefined);
  }
}

/** Cuts pieces of any length into blocks, a few at a time; only the last of all may be short. */
async function* inBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : concat(rest, piece);
    const whole = bytes.length - (bytes.length % blockBytes);
    for (let at = 0; at < whole; ) {
      const blocks: Uint8Array[] = [];
      for (; at < whole && blocks.length < blocksAtOnce; at += blockBytes) {
        blocks.push(bytes.subarray(at, at + blockBytes));
      }
      yield blocks;
    }
    rest = bytes.slice(whole);
  }
  if (rest.length > 0) yield [rest];
}
