import { readlinkSync } from 'node:fs';

import { namesIfThere, textIfThere } from './if-there.ts';

/** A process, as far as this user can see it. */
export interface SeenProcess {
  readonly pid: number;
  /** comm and the command line. */
  readonly words: string;
}

/** Who listens on a TCP port of this host; `hidden` if somebody does whose process cannot be seen. */
export interface PortHolders {
  readonly seen: readonly SeenProcess[];
  readonly hidden: boolean;
}

/** @see proc(5), /proc/net/tcp */
export function holdersOfPort(port: number): PortHolders {
  const inodes = new Set(['tcp', 'tcp6'].flatMap((table) => listeningInodes(table, port)));
  const seen = inodes.size === 0 ? [] : processesWith(inodes);
  return { seen, hidden: inodes.size > 0 && seen.length === 0 };
}

/** The processes with one of these sockets open. */
function processesWith(inodes: ReadonlySet<string>): readonly SeenProcess[] {
  const wanted = (link: string) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '');
  return runningProcesses().filter(({ pid }) => openFiles(pid).some(wanted));
}

/** All processes that can be seen. */
export function runningProcesses(): readonly SeenProcess[] {
  return namesIfThere('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      const words = `${textIfThere(`/proc/${name}/comm`, 'latin1').trim()} ${textIfThere(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()}`;
      return { pid: Number(name), words };
    });
}

/** What the open descriptors of a process lead to; none if that may not be seen. */
export function openFiles(pid: number): readonly string[] {
  return namesIfThere(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

function listeningInodes(table: string, port: number): readonly string[] {
  return textIfThere(`/proc/net/${table}`, 'latin1')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const localPort = Number.parseInt(local.split(':')[1] ?? '', 16);
      return state === listenState && localPort === port ? [inode] : [];
    });
}

const listenState = '0A';
