import { connect } from 'node:net';

/** How long a connection may take that is made to see whether somebody listens. */
export const connectMillis = 3_000;

/** Whether something accepts a connection there; nothing is said to it. */
export function connection(
  host: string,
  port: number,
): Promise<{ readonly millis: number; readonly fault?: string }> {
  const started = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: connectMillis });
    const end = (fault?: string) => {
      socket.destroy();
      const millis = performance.now() - started;
      resolve({ millis, ...(fault !== undefined && { fault }) });
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end('ETIMEDOUT'));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code ?? 'unknown'));
  });
}
