import { connect } from 'node:net';

/** Connections that say nothing. */
export interface Silence {
  /** How many of them the server has not closed. */
  readonly open: number;
  end(): void;
}

/** Opens so many, from as many addresses of loopback, and waits until each is there or was reset. */
export async function fallSilent(
  port: number,
  o: { readonly count: number; readonly addresses?: number },
): Promise<Silence> {
  const { count, addresses = 1 } = o;
  const sockets = Array.from({ length: count }, (_, i) => {
    const localAddress = `127.0.${2 + Math.floor((i % addresses) / 250)}.${1 + ((i % addresses) % 250)}`;
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    return socket.on('error', () => undefined).resume();
  });
  const settled = sockets.map(
    (socket) => new Promise((resolve) => socket.on('connect', resolve).on('close', resolve)),
  );
  await Promise.all(settled);
  return {
    get open() {
      return sockets.filter(({ destroyed }) => !destroyed).length;
    },
    end: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
