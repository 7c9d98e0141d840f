import { inPhase, isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { concat } from '../bytes.ts';
import type { Channel } from '../channel/channel.ts';
import { framed, readFrame, writeFrame } from '../channel/frame.ts';
import { isKrbError } from '../krb5/messages/error.ts';
import { refusedBy } from '../krb5/session/sendauth.ts';
import type { Session } from '../krb5/session/session.ts';
import { blockBytes, blocksAtOnce, type ConversationLimits, type Dump } from './dump.ts';
import { confirmationLimitBytes, hearing, sendFailure } from './refusal.ts';
import { decodeSize, encodeSize } from './size.ts';

export interface SendOptions {
  readonly limits: ConversationLimits;
  /** Told the running total after each block. */
  readonly onProgress?: (bytes: number) => void;
}

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

async function sendBlocks(
  channel: Channel,
  session: Session,
  dump: Dump,
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
      for (; at < whole && blocks.length < blocksAtOnce; at += blockBytes) {
        blocks.push(bytes.subarray(at, at + blockBytes));
      }
      yield blocks;
    }
    rest = bytes.slice(whole);
  }
  if (rest.length > 0) yield [rest];
}
