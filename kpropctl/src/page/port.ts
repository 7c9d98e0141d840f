import { rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { getRequestListener } from '@hono/node-server';

/** Bounds of what a connection may cost. */
export const portLimits = {
  /** A ticket with a long list of groups has some kilobytes. */
  headerBytes: 32 << 10,
  headersMillis: 5_000,
  requestMillis: 10_000,
  keepAliveMillis: 5_000,
  /** A reader that takes nothing of an answer. */
  idleMillis: 30_000,
  connections: 8_000,
  /** Thousands of pages come back within seconds after a restart. */
  backlog: 4_096,
} as const;

export interface Port {
  /** 0 for a socket of this host. */
  readonly number: number;
  close(): Promise<void>;
}

/** @param listen HOST:PORT or unix:PATH @throws Error with a code: it cannot be opened */
export async function openPort(
  answer: Parameters<typeof getRequestListener>[0],
  listen: string,
): Promise<Port> {
  const server = createServer(
    {
      maxHeaderSize: portLimits.headerBytes,
      headersTimeout: portLimits.headersMillis,
      requestTimeout: portLimits.requestMillis,
      keepAliveTimeout: portLimits.keepAliveMillis,
      connectionsCheckingInterval: 1_000,
      noDelay: true,
    },
    getRequestListener(answer, {
      overrideGlobalObjects: false,
      errorHandler: () => new Response('this is no request\n', { status: 400 }),
    }),
  );
  server.maxConnections = portLimits.connections;
  server.setTimeout(portLimits.idleMillis);
  const path = /^unix:(.*)/.exec(listen)?.[1];
  const [, host = '127.0.0.1', port = '9754'] = /^(.*):(\d+)$/.exec(listen) ?? [];
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (path === undefined) {
      const { backlog } = portLimits;
      const at = { port: Number(port), host: host.replace(/^\[|\]$/g, ''), backlog };
      server.listen(at, resolve);
    } else {
      // A daemon that was killed left its socket.
      if (statSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path);
      server.listen(path, resolve);
    }
  });
  return {
    number: (server.address() as AddressInfo).port ?? 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
