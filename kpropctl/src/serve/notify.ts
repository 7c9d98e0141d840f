import { sendDatagram } from 'kprop';

/** Tells systemd something, if it has started us. @see sd_notify(3) */
export function notify(environment: NodeJS.ProcessEnv, text: string): void {
  const path = environment.NOTIFY_SOCKET;
  if (path !== undefined) sendDatagram(path, text);
}
