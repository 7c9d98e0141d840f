import { closeSync, fstatSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName, promisify } from 'node:util';

import type * as Koffi from 'koffi';

import { KpropError } from '../errors/kprop-error.ts';
import { requireKoffi } from './koffi.ts';

// Numbers and layouts of 64-bit Linux (x64, arm64), the same in glibc and musl.

export type LockKind = 'shared' | 'exclusive' | 'unlock';

/**
 * Takes or gives back a lock on the whole file; false if another process holds it.
 * Uses OFD locks, which belong to the descriptor and conflict with POSIX locks; POSIX locks if the
 * kernel does not have those; flock(2) if the file system supports neither.
 * With `wait` it blocks the event loop: see lockFileAsync.
 * @throws Error whose `code` is the errno name @see MIT krb5, krb5_lock_file
 */
export function lockFile(fd: number, kind: LockKind, o: { wait: boolean }): boolean {
  const { koffi, fcntl, flock, flockPointer } = libc();
  const lock = { l_type: lockTypes[kind], l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
  const ways = [
    () => fcntl(fd, o.wait ? F_OFD_SETLKW : F_OFD_SETLK, flockPointer, lock),
    () => fcntl(fd, o.wait ? F_SETLKW : F_SETLK, flockPointer, lock),
    () => flock(fd, flockOperations[kind] | (o.wait ? 0 : LOCK_NB)),
  ];
  for (;;) {
    if (ways[0]?.() === 0) return true;
    const errno = getSystemErrorName(-koffi.errno());
    if (errno === 'EINTR') continue;
    // POSIX allows either of these two.
    if (!o.wait && (errno === 'EAGAIN' || errno === 'EACCES')) return false;
    if (errno !== 'EINVAL' || ways.length === 1) {
      throw Object.assign(new Error(`cannot lock descriptor ${fd}: ${errno}`), { code: errno });
    }
    ways.shift();
  }
}

/**
 * Waits for the lock without holding up the event loop.
 * It polls, because a thread that waits in F_OFD_SETLKW cannot be interrupted.
 * @throws as lockFile, and the signal's reason once aborted
 */
export async function lockFileAsync(
  fd: number,
  kind: LockKind,
  o: { signal?: AbortSignal } = {},
): Promise<void> {
  for (let pauseMillis = 1; !lockFile(fd, kind, { wait: false }); pauseMillis *= 2) {
    o.signal?.throwIfAborted();
    await sleep(Math.min(pauseMillis, longestPauseMillis));
  }
}

/**
 * The canonical name of a host by the system's resolver, undefined if it does not resolve.
 * With `rdns` it is the name of the host's first address, if that has one.
 * @see MIT krb5, sn2princ.c
 */
export async function canonicalHostName(
  host: string,
  o: { rdns: boolean } = { rdns: false },
): Promise<string | undefined> {
  const { koffi, getaddrinfo, getnameinfo, freeaddrinfo, addrinfo } = libc();
  const list: [bigint | null] = [null];
  const hints = { ai_flags: AI_CANONNAME, ai_family: 0, ai_socktype: 0, ai_protocol: 0 };
  if ((await getaddrinfo(host, null, { ...noAddress, ...hints }, list)) !== 0) return undefined;
  try {
    const first = koffi.decode(list[0], addrinfo);
    if (!o.rdns || first.ai_canonname === null) return first.ai_canonname ?? undefined;
    const text = new Uint8Array(NI_MAXHOST);
    const { ai_addr, ai_addrlen } = first;
    const failed = await getnameinfo(ai_addr, ai_addrlen, text, NI_MAXHOST, null, 0, NI_NAMEREQD);
    if (failed !== 0) return first.ai_canonname;
    return Buffer.from(text.subarray(0, text.indexOf(0))).toString();
  } finally {
    freeaddrinfo(list[0]);
  }
}

/**
 * The DNS message that answers a query for a name (which should end in a dot) and a record type;
 * undefined if there are no such records, or no DNS server answers. @see resolver(3)
 */
export async function dnsAnswer(name: string, type: number): Promise<Uint8Array | undefined> {
  const answer = new Uint8Array(0xffff);
  const bytes: number = await resQuery()(name, CLASS_IN, type, answer, answer.length);
  return bytes < 0 ? undefined : answer.subarray(0, Math.min(bytes, answer.length));
}

/** The TCP port of a service or alias in the services database, undefined if it is not there. */
export function serviceByName(name: string): number | undefined {
  const { koffi, getservbyname, servent } = libc();
  const found = getservbyname(name, 'tcp');
  if (found === null || found === 0n) return undefined;
  const { s_port } = koffi.decode(found, servent);
  const networkOrder = new DataView(Int32Array.of(s_port).buffer); // htons in an int
  return networkOrder.getUint16(0);
}

/**
 * Sends one datagram to a UNIX socket, which Node cannot do. This is how systemd is told that a
 * service is ready. A leading @ stands for the abstract namespace. False if it was not delivered.
 * @see sd_notify(3)
 */
export function sendDatagram(path: string, text: string, o = { wait: true }): boolean {
  const { socket, sendto, close } = libc();
  const address = unixAddress(path);
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const message = Buffer.from(text);
  const flags = MSG_NOSIGNAL | (o.wait ? 0 : MSG_DONTWAIT);
  const sent = sendto(fd, message, message.length, flags, address, address.length);
  close(fd);
  return sent === message.length;
}

/** struct sockaddr_un: the family in host order, then the path; @ stands for the abstract namespace. */
export function unixAddress(path: string): Uint8Array {
  const name = Buffer.from(path.replace(/^@/, '\0'));
  const address = new Uint8Array(2 + name.length);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(name, 2);
  return address;
}

/**
 * Moves the socket that inetd put on descriptors 0, 1 and 2 to another descriptor, which no child
 * inherits, and returns that. /dev/null takes its place, so that nothing printed reaches the peer.
 */
export function moveOffStdio(): number {
  const { dup2 } = libc();
  const socket = fstatSync(0);
  const moved = duplicate(0);
  const nothing = openSync('/dev/null', 'r+');
  for (const fd of [0, 1, 2]) {
    const { dev, ino } = fstatSync(fd);
    if (dev === socket.dev && ino === socket.ino) dup2(nothing, fd);
  }
  closeSync(nothing);
  return moved;
}

/** A copy of this descriptor, 3 or higher, which no child inherits. @throws errno */
export function duplicate(fd: number): number {
  const { koffi, fcntl } = libc();
  const copy: number = fcntl(fd, F_DUPFD_CLOEXEC, 'int', 3);
  if (copy >= 0) return copy;
  const code = getSystemErrorName(-koffi.errno());
  throw Object.assign(new Error(`cannot copy descriptor ${fd}: ${code}`), { code });
}

type Libc = ReturnType<typeof bind>;

// The one exception to "no state at top level": koffi takes 12 ms to load, and its types are global.
let bound: Libc | undefined;

/** Fails now rather than later if the C library cannot be called. @throws host.no-koffi */
export function requireLibc(): void {
  libc();
}

/** The C library, loaded at the first call; for the other files of src/host. */
export function libc(): Libc {
  bound ??= bind();
  return bound;
}

function loadKoffi(): typeof Koffi {
  try {
    return requireKoffi();
  } catch (cause) {
    const [reason = ''] = String((cause as Error).message).split('\n');
    throw new KpropError('host.no-koffi', { reason }, { cause });
  }
}

function bind() {
  const koffi = loadKoffi();
  const self = koffi.load(null); // node itself is linked with the C library
  const flockPointer = koffi.pointer(
    koffi.struct({
      l_type: 'short',
      l_whence: 'short',
      l_start: 'int64',
      l_len: 'int64',
      l_pid: 'int',
    }),
  );
  const addrinfo = koffi.struct({
    ai_flags: 'int',
    ai_family: 'int',
    ai_socktype: 'int',
    ai_protocol: 'int',
    ai_addrlen: 'uint32',
    ai_addr: 'void *',
    ai_canonname: 'str',
    ai_next: 'void *',
  });
  const servent = koffi.struct({ s_name: 'str', s_aliases: 'void *', s_port: 'int' });
  const addrinfoOut = koffi.out(koffi.pointer('void *'));
  return {
    koffi,
    self,
    flockPointer,
    addrinfo,
    servent,
    fcntl: self.func('fcntl', 'int', ['int', 'int', '...']),
    flock: self.func('flock', 'int', ['int', 'int']),
    dup2: self.func('dup2', 'int', ['int', 'int']),
    pipe2: self.func('pipe2', 'int', [koffi.out('int *'), 'int']),
    getaddrinfo: promisify(
      self.func('getaddrinfo', 'int', ['str', 'str', koffi.pointer(addrinfo), addrinfoOut]).async,
    ),
    getnameinfo: promisify(
      self.func('getnameinfo', 'int', [
        ...['void *', 'uint32'],
        ...[koffi.out('uint8 *'), 'uint32'],
        ...['void *', 'uint32', 'int'],
      ]).async,
    ),
    freeaddrinfo: self.func('freeaddrinfo', 'void', ['void *']),
    getservbyname: self.func('getservbyname', 'void *', ['str', 'str']),
    socket: self.func('socket', 'int', ['int', 'int', 'int']),
    setsockopt: self.func('setsockopt', 'int', ['int', 'int', 'int', 'int *', 'uint32']),
    connect: self.func('connect', 'int', ['int', 'uint8 *', 'uint32']),
    sendto: self.func('sendto', 'int', ['int', 'uint8 *', 'size_t', 'int', 'uint8 *', 'uint32']),
    close: self.func('close', 'int', ['int']),
    poll: self.func('poll', 'int', [koffi.inout('int *'), 'ulong', 'int']),
  };
}

function resQuery() {
  const { koffi, self } = libc();
  const signature = ['str', 'int', 'int', koffi.out('uint8 *'), 'int'];
  try {
    return promisify(self.func('res_query', 'int', signature).async);
  } catch {
    // Before glibc 2.34 it was in a library of its own, under another name.
    const library = koffi.load('libresolv.so.2');
    return promisify(library.func('__res_query', 'int', signature).async);
  }
}

const longestPauseMillis = 50;

// fcntl(2), <fcntl.h>
const F_DUPFD_CLOEXEC = 1030;
const F_SETLK = 6;
const F_SETLKW = 7;
const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;
const lockTypes = { shared: 0, exclusive: 1, unlock: 2 } as const;

// flock(2), <sys/file.h>
const LOCK_NB = 4;
const flockOperations = { shared: 1, exclusive: 2, unlock: 8 } as const;

// getaddrinfo(3), <netdb.h>
const AI_CANONNAME = 2;
const NI_NAMEREQD = 8;
const NI_MAXHOST = 1025;
const noAddress = { ai_addrlen: 0, ai_addr: null, ai_canonname: null, ai_next: null };

// DNS, RFC 1035 §3.2.4
const CLASS_IN = 1;

// socket(2), send(2), <sys/socket.h>
export const AF_UNIX = 1;
export const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_DONTWAIT = 0x40;
