import { libc } from './libc.ts';

/** The file descriptor of a socket or server, which Node keeps on an undocumented handle; -1 if there is none. */
export function descriptorOf(socket: object): number {
  return (socket as { _handle?: { fd?: number } })._handle?.fd ?? -1;
}

/**
 * Makes the kernel acknowledge whatever arrives at once. A peer that sends a message in two writes, as
 * MIT's programs do, sends the second when the first is acknowledged; for that the kernel waits 40 ms,
 * in case there is something to send with it. Where this cannot be had, everything is only slower.
 * @see tcp(7), TCP_QUICKACK
 */
export function acknowledgeAtOnce(socket: NodeJS.ReadableStream): void {
  // The kernel forgets it when we send something.
  socket.on('data', () => {
    const descriptor = descriptorOf(socket);
    if (descriptor >= 0)
      libc().setsockopt(descriptor, IPPROTO_TCP, TCP_QUICKACK, one, one.byteLength);
  });
}

const one = Int32Array.of(1);

// <netinet/in.h>, <netinet/tcp.h>
const IPPROTO_TCP = 6;
const TCP_QUICKACK = 12;
