import { sendDatagram } from '../../host/libc.ts';
import { asLine } from '../report.ts';

/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const firstDescriptor = 3;

/** What systemd's socket activation handed over: a listening socket, or one connection. */
export type Activation = 'listening' | 'connection' | undefined;

/**
 * What systemd handed over as descriptor 3, if the variables are meant for this process. They are
 * removed from the environment: kdb5_util must not take them for its own.
 */
export function takeActivation(environment: NodeJS.ProcessEnv): Activation {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name];
  if (Number(LISTEN_PID) !== process.pid || !(Number(LISTEN_FDS) >= 1)) return undefined;
  // With Accept=yes systemd calls it "connection" (systemd.socket(5), FileDescriptorName=).
  return LISTEN_FDNAMES?.split(':')[0] === 'connection' ? 'connection' : 'listening';
}

export const activatedDescriptor = firstDescriptor;

/** Tells systemd the state of the service, if it has asked for that (Type=notify), and what it does. */
export function notify(
  environment: NodeJS.ProcessEnv,
  state: 'READY=1' | 'STOPPING=1' | undefined,
  status?: string,
): void {
  const path = environment.NOTIFY_SOCKET;
  if (path === undefined || path === '') return;
  const lines = [state, status === undefined ? undefined : `STATUS=${asLine(status)}`];
  const text = lines.filter((line) => line !== undefined).join('\n');
  // A status that nobody reads must not hold anything up.
  sendDatagram(path, text, { wait: state !== undefined });
}
