import type { KpropError } from '../../errors/kprop-error.ts';
import type { Channel } from '../channel/channel.ts';
import { writeFrame } from '../channel/frame.ts';
import { makeKrbError } from '../krb5/messages/error.ts';
import type { Session } from '../krb5/session/session.ts';

/**
 * Tells the peer why the propagation fails, with a KRB-ERROR in place of the next message: the error's
 * number and MIT's words for the step, or the number 60 and the error's text before those words.
 * KRB-ERROR is not encrypted: details are in our own log only.
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
