import { sendDatagram } from '../../host/libc.ts';

/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const firstDescriptor = 3;

/** What systemd's socket activation gave: a listening socket, or one connection of its own. */
export type Activation = 'listening' | 'connection' | undefined;

/**
 * What stands behind descriptor 3, if anything was handed over to this very process. The variables
 * are taken out of the environment: kdb5_util must not believe that they are meant for it.
 */
export function takeActivation(environment: NodeJS.ProcessEnv): Activation {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name];
  if (Number(LISTEN_PID) !== process.pid || !(Number(LISTEN_FDS) >= 1)) return undefined;
  // With Accept=yes systemd names the descriptor so (systemd.socket(5), FileDescriptorName=).
  return LISTEN_FDNAMES?.split(':')[0] === 'connection' ? 'connection' : 'listening';
}

export const activatedDescriptor = firstDescriptor;

/** Tells systemd how the service is doing, where it asked to be told (Type=notify). */
export function notify(environment: NodeJS.ProcessEnv, state: 'READY=1' | 'STOPPING=1'): void {
  const path = environment.NOTIFY_SOCKET;
  if (path !== undefined && path !== '') sendDatagram(path, state);
}
