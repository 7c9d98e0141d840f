import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { encode } from '../../../src/protocol/der/schema.ts';
import { isKrbError, krbError, readKrbError } from '../../../src/protocol/krb5/messages/error.ts';

/** A KDC whose clock is off: a real one, and what its errors say of the time is changed on the way. */
export interface ClockRelay {
  readonly port: number;
  /** As `chronyc makestep` would: from now on the time is right. */
  step(): void;
  close(): void;
}

/** By UDP only, to a KDC on 127.0.0.1. */
export async function startClockRelay(
  kdcPort: number,
  o: { readonly aheadSeconds: number; readonly port?: number },
): Promise<ClockRelay> {
  let { aheadSeconds } = o;
  const outside = createSocket('udp4');
  const inside = new Set<Socket>();
  outside.on('message', (request, from) => {
    const socket = createSocket('udp4');
    inside.add(socket);
    socket.once('message', (reply) => {
      outside.send(shifted(reply, aheadSeconds), from.port, from.address);
      inside.delete(socket);
      socket.close();
    });
    socket.send(request, kdcPort, '127.0.0.1');
  });
  outside.bind(o.port ?? 0, '127.0.0.1');
  await once(outside, 'listening');
  return {
    port: (outside.address() as AddressInfo).port,
    step: () => {
      aheadSeconds = 0;
    },
    close: () => {
      outside.close();
      for (const socket of inside) socket.close();
    },
  };
}

function shifted(reply: Uint8Array, aheadSeconds: number): Uint8Array {
  if (!isKrbError(reply)) return reply;
  const { message } = readKrbError(reply);
  return encode(krbError, { ...message, stime: message.stime + aheadSeconds });
}
