import { connect, createServer, type Socket } from 'node:net';

import { worstApReq } from '../test/support/rig/worst-ap-req.ts';
import { untilToldToEnd } from './roles.ts';

export const attacks = ['silent', 'garbage', 'worst AP-REQ', 'dribbling'] as const;
export type Attack = (typeof attacks)[number];

export interface AttackersSettings {
  readonly port: number;
  readonly attack: Attack;
  readonly addresses: number;
  /** New connections a second; 0 is `atOnce` of them, and no more. */
  readonly perSecond: number;
  readonly atOnce: number;
}

/** Attacks until it is told to end, from so many addresses of loopback. */
export async function attackers(settings: AttackersSettings): Promise<void> {
  const { port, attack, addresses, perSecond, atOnce } = settings;
  const open = new Set<Socket>();
  const said = messageOf(attack);
  let count = 0;
  const begin = performance.now();
  const attackOnce = () => {
    const localAddress = `127.0.2.${1 + (count % addresses)}`;
    count += 1;
    const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    socket.resume();
    if (attack === 'dribbling') dribble(socket, said);
    else if (said.length > 0) socket.write(said);
  };
  const timer = setInterval(() => {
    const due = perSecond === 0 ? atOnce : ((performance.now() - begin) / 1000) * perSecond;
    while (count < due) attackOnce();
    // Those that are held open for ever cost the attacker more than the attacked.
    for (const socket of open) {
      if (open.size <= 4000) break;
      socket.destroy();
    }
  }, 10);
  console.log('attacking');
  await untilToldToEnd();
  clearInterval(timer);
  for (const socket of open) socket.destroy();
  console.log(count);
}

function messageOf(attack: Attack): Uint8Array {
  if (attack === 'worst AP-REQ' || attack === 'dribbling') return worstApReq();
  return attack === 'garbage' ? new Uint8Array(300).fill(0x5a) : new Uint8Array(0);
}

function dribble(socket: Socket, bytes: Uint8Array): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at < bytes.length) socket.write(bytes.subarray(at, at + 1));
    at += 1;
  }, 100);
  socket.on('close', () => clearInterval(timer));
}

export interface FarAwaySettings {
  readonly port: number;
  /** One way. */
  readonly delayMillis: number;
}

/**
 * A way to the replica on which everything takes so long. The kernel's netem is not there on every
 * machine; and this one is harsher: the connection is accepted before the delay, not after it.
 */
export async function farAway({ port, delayMillis }: FarAwaySettings): Promise<void> {
  const forward = (from: Socket, to: Socket) => {
    from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), delayMillis));
    from.on('end', () => setTimeout(() => to.end(), delayMillis));
    from.on('error', () => to.destroy());
    from.on('close', () => setTimeout(() => to.destroy(), 2 * delayMillis));
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    forward(near, far);
    forward(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  console.log((server.address() as { port: number }).port);
  await untilToldToEnd();
  process.exit(0);
}
