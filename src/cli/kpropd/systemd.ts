import { sendDatagram } from '../../host/libc.ts';

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

/** Tells systemd the state of the service, if it has asked for that (Type=notify). */
export function notify(environment: NodeJS.ProcessEnv, state: 'READY=1' | 'STOPPING=1'): void {
  const path = environment.NOTIFY_SOCKET;
  if (path !== undefined && path !== '') sendDatagram(path, state);
}
