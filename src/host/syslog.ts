import { getSystemErrorName } from 'node:util';

import {
  AF_UNIX,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  unixAddress,
} from './libc.ts';
import { type Delivery, Outlet } from './outlet.ts';

export type SyslogPriority = 'err' | 'warning' | 'notice' | 'info';

export interface Syslog {
  /** Never waits: see Outlet. */
  log(priority: SyslogPriority, text: string): void;
}

/** The log's socket and the clock; tests set them. */
export interface SyslogPlace {
  readonly path?: string;
  readonly now?: () => Date;
}

/**
 * The system log, with the same lines as glibc's syslog(3) writes, the process number included.
 * syslog(3) waits for ever for a daemon that does not read; this drops lines, and says how many.
 * Silent if the C library cannot be called: see requireLibc.
 */
export function openSyslog(
  ident: string,
  facility: 'daemon',
  { path = '/dev/log', now = () => new Date() }: SyslogPlace = {},
): Syslog {
  const socket = new LogSocket(path);
  const message = (priority: SyslogPriority, text: string) => {
    const head = `<${facilities[facility] | priorities[priority]}>${timestamp(now())}`;
    return `${head} ${ident}[${process.pid}]: ${text}`;
  };
  const outlet = new Outlet({
    send: (line) => socket.send(line),
    lossLine: (count) =>
      message('warning', `${count} messages were lost while the system log did not read`),
  });
  return { log: (priority, text) => outlet.write(message(priority, text)) };
}

/** A socket to the system log's daemon, which may be restarted at any time. */
class LogSocket {
  readonly #address: Uint8Array;
  #fd = -1;
  #stream = false;

  constructor(path: string) {
    this.#address = unixAddress(path);
  }

  send(line: string): Delivery {
    // After a restart of the daemon the first send fails, and a new connection is made, as in glibc.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      if (this.#fd < 0 && !this.#connect()) return 'absent';
      const errno = this.#send(line);
      if (errno === '') return 'taken';
      if (errno === 'EAGAIN' || errno === 'ENOBUFS' || errno === 'EINTR') return 'full';
      this.#close();
    }
    return 'absent';
  }

  /** The errno name of the failure, empty if the line is sent. */
  #send(line: string): string {
    const { koffi, sendto } = libc();
    // In a stream, each message ends with a zero byte.
    const message = Buffer.from(this.#stream ? `${line}\0` : line);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent: number = sendto(this.#fd, message, message.length, flags, null, 0);
    if (sent === message.length) return '';
    return sent < 0 ? getSystemErrorName(-koffi.errno()) : 'EMSGSIZE';
  }

  #connect(): boolean {
    try {
      libc();
    } catch {
      return false;
    }
    const { koffi, socket, connect } = libc();
    for (const type of [SOCK_DGRAM, SOCK_STREAM]) {
      this.#fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      this.#stream = type === SOCK_STREAM;
      if (connect(this.#fd, this.#address, this.#address.length) === 0) return true;
      const errno = getSystemErrorName(-koffi.errno());
      this.#close();
      if (errno !== 'EPROTOTYPE') return false;
    }
    return false;
  }

  #close(): void {
    libc().close(this.#fd);
    this.#fd = -1;
  }
}

/** As strftime writes it for "%h %e %T" in the C locale. */
function timestamp(time: Date): string {
  const two = (value: number) => `${value}`.padStart(2, '0');
  const month = 'JanFebMarAprMayJunJulAugSepOctNovDec'.slice(time.getMonth() * 3).slice(0, 3);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  return `${month} ${`${time.getDate()}`.padStart(2)} ${clock}`;
}

// syslog(3), <syslog.h>
const facilities = { daemon: 24 } as const;
const priorities = { err: 3, warning: 4, notice: 5, info: 6 } as const;

// socket(2), send(2), <sys/socket.h>
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
