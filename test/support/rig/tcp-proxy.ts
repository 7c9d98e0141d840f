import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface ProxyPlan {
  /** Whose bytes are counted. */
  readonly from: 'client' | 'server';
  /** So many of them go through, to the byte. */
  readonly afterBytes: number;
  /** What happens then: an orderly end, a reset, or nothing moves any more until `release()`. */
  readonly fate: 'end' | 'reset' | 'hold';
}

export interface Proxy {
  readonly port: number;
  /** Bytes that came so far, of all connections. */
  readonly counted: { readonly client: number; readonly server: number };
  /** Resolves when the plan has struck. */
  readonly struck: Promise<void>;
  release(): void;
  close(): Promise<void>;
}

/** A connection between kprop and kpropd on which something goes wrong at an exact byte. */
export async function startProxy(targetPort: number, plan?: ProxyPlan): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const held: (() => void)[] = [];
  const counted = { client: 0, server: 0 };
  let strike = () => {};
  const struck = new Promise<void>((resolve) => {
    strike = resolve;
  });

  const forward = (from: Socket, to: Socket, side: 'client' | 'server') => {
    let left = plan?.from === side ? plan.afterBytes : Number.POSITIVE_INFINITY;
    const finish = () => {
      strike();
      if (plan?.fate === 'reset') {
        from.resetAndDestroy();
        to.resetAndDestroy();
      } else if (plan?.fate === 'end') {
        from.end();
        to.end();
      }
    };
    from.on('data', (chunk: Buffer) => {
      counted[side] += chunk.length;
      if (chunk.length < left) {
        left -= chunk.length;
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
        return;
      }
      from.pause();
      to.write(chunk.subarray(0, left), () => {
        if (plan?.fate !== 'hold') return finish();
        held.push(() => {
          to.write(chunk.subarray(left));
          left = Number.POSITIVE_INFINITY;
          from.resume();
        });
        strike();
      });
    });
    from.on('end', () => to.end());
    from.on('error', () => to.resetAndDestroy());
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    sockets.add(client).add(target);
    forward(client, target, 'client');
    forward(target, client, 'server');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    counted,
    struck,
    release: () => {
      for (const go of held.splice(0)) go();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
