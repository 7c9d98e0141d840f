import { KpropError } from '../errors/kprop-error.ts';
import { type DumpKind, headKind } from '../kdb/dump/completeness.ts';
import type { Channel } from '../protocol/channel/channel.ts';
import type { ReceivedDump } from '../protocol/kprop/dump.ts';
import type { StreamedLoad } from './load/streamed-load.ts';
import type { Spool } from './spool/spool.ts';

/** Longer than any header of a dump: what has no line so far is none. */
const headBytes = 256;

/**
 * Receives a dump into its spool. Once its header has come, `begin` may start to load it: then the
 * loader follows what has been received, authenticated and written, and gets no more than that.
 * Gives that load, still under way or not. @throws as Spool.fill; spool.malformed for an unknown
 * header; what the load fails with, at once
 */
export async function receiveInto(
  spool: Spool,
  dump: ReceivedDump,
  channel: Channel,
  begin: (kind: DumpKind, onFailure: () => void) => StreamedLoad | undefined,
): Promise<StreamedLoad | undefined> {
  let load: StreamedLoad | undefined;
  let kind: DumpKind | undefined;
  let head: Uint8Array = new Uint8Array(0);
  // The sender may pause for long: what it is to be told must not wait for its next block.
  const giveUp = () => channel.interrupt(new KpropError('aborted', { reason: 'the load failed' }));

  async function* batches(): AsyncGenerator<readonly Uint8Array[]> {
    try {
      for await (const batch of dump.batches()) {
        if (kind === undefined) {
          const starts = batch.map((block) => block.subarray(0, headBytes));
          head = Buffer.concat([head, ...starts]);
          kind = headKind(head, spool.temporary);
          if (kind !== undefined) load = begin(kind, giveUp);
        }
        load?.throwIfFailed();
        yield batch;
        load?.throwIfFailed();
      }
    } catch (error) {
      // Rather the reason than the interruption that it caused.
      load?.throwIfFailed();
      throw error;
    }
  }

  spool.watch((bytes) => load?.grow(bytes));
  try {
    await spool.fill({ bytes: dump.bytes, batches });
    return load;
  } catch (error) {
    await load?.abandon();
    throw error;
  }
}
