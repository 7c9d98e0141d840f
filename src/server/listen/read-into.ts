import { Socket } from 'node:net';

import { duplicate } from '../../host/libc.ts';
import { descriptorOf } from '../../host/socket.ts';
import type { ReadTarget } from '../../protocol/channel/stream-channel.ts';

/**
 * The same connection as a socket that reads straight into the target, which halves the cost of
 * receiving. Node makes such a socket from a descriptor, but not from one that its server accepted,
 * so the descriptor is duplicated and `socket`, which must not have read anything yet, is closed.
 * If there is no descriptor to duplicate, the result is `socket` itself.
 */
export function readInto(socket: Socket, target: ReadTarget): Socket {
  const fd = descriptorOf(socket);
  if (fd < 0) return socket.resume();
  let copy: number;
  try {
    copy = duplicate(fd);
  } catch {
    // Too many descriptors are open. The slower socket works as well.
    return socket.resume();
  }
  // Node documents onread for connect() alone, whose options all go to this constructor.
  const options = { fd: copy, allowHalfOpen: true, onread: target };
  const own = new Socket(options);
  // Closes this descriptor, not the connection, which the copy holds open.
  socket.destroy();
  return own;
}
