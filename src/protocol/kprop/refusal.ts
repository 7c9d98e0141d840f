import type { KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from '../channel/channel.ts';
import { readFrame, writeFrame } from '../channel/frame.ts';
import { makeKrbError } from '../krb5/messages/error.ts';
import { refusedBy } from '../krb5/session/sendauth.ts';
import type { Session } from '../krb5/session/session.ts';

/** A confirmation, or a KRB-ERROR in its place, is no longer than this. */
export const confirmationLimitBytes = 64 * 1024;

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

/**
 * Does something while a dump is sent, but listens: a replica that has something to say meanwhile
 * has a reason to refuse, and that reason is worth more than the broken pipe that follows. After
 * the last write it may as well have confirmed.
 */
export async function hearing<T>(
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
