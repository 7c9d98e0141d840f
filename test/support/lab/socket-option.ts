import koffi from 'koffi';

// <netinet/in.h>, <netinet/tcp.h>
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;

/** What the kernel holds for an option of a socket that is an int. @see getsockopt(2) */
export function socketOption(descriptor: number, level: number, name: number): number {
  const signature = ['int', 'int', 'int', koffi.out('int *'), koffi.inout('uint32 *')];
  const getsockopt = koffi.load(null).func('getsockopt', 'int', signature);
  const value = [0];
  if (getsockopt(descriptor, level, name, value, [4]) !== 0) throw new Error('no such option');
  return value[0] as number;
}
