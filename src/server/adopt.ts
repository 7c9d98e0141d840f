import { type Server, Socket } from 'node:net';

import { duplicate } from '../host/libc.ts';
import type { Intake } from '../protocol/channel/stream-channel.ts';

/** Node keeps it on the handle, undocumented; -1 where there is none. */
export function descriptorOf(socket: Socket | Server): number {
  return (socket as { _handle?: { fd?: number } })._handle?.fd ?? -1;
}

/**
 * The same connection as a socket that reads straight into the intake, which halves what it costs to
 * receive. Node makes such sockets of a descriptor only, not those that its servers accept; `socket`
 * must not have read anything yet, and is given up. Where there is no descriptor it stays itself.
 */
export function readingInto(socket: Socket, intake: Intake): Socket {
  const fd = descriptorOf(socket);
  if (fd < 0) return socket.resume();
  let copy: number;
  try {
    copy = duplicate(fd);
  } catch {
    // Too many descriptors are open: it will do as it is.
    return socket.resume();
  }
  // Node documents onread for connect() alone, whose options all go to this constructor.
  const options = { fd: copy, allowHalfOpen: true, onread: intake };
  const own = new Socket(options);
  // Closes its descriptor, not the connection: the copy holds that open.
  socket.destroy();
  return own;
}
