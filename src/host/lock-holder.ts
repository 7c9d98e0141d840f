import { readlinkSync, realpathSync } from 'node:fs';

import { namesIfThere, textIfThere } from './if-there.ts';

/** A process that has locked a file. */
export interface LockHolder {
  readonly pid: number;
  /** Its command, such as kdb5_util. */
  readonly command: string;
}

/**
 * Who has locked a file, as /proc tells; undefined if nobody can be seen to. /proc/locks has no process
 * for the locks of krb5 (open file descriptions), so descriptors are searched for them. @see proc(5)
 */
export function lockHolder(path: string): LockHolder | undefined {
  const own = `${process.pid}`;
  let file: string;
  try {
    file = realpathSync(path);
  } catch {
    return undefined;
  }
  for (const pid of namesIfThere('/proc')) {
    if (!/^\d+$/.test(pid) || pid === own) continue;
    for (const fd of namesIfThere(`/proc/${pid}/fd`)) {
      if (linkOf(`/proc/${pid}/fd/${fd}`) !== file) continue;
      if (/^lock:/m.test(textIfThere(`/proc/${pid}/fdinfo/${fd}`))) {
        return { pid: Number(pid), command: textIfThere(`/proc/${pid}/comm`).trim() };
      }
    }
  }
  return undefined;
}

/** In words: "kdb5_util, process 4711". */
export function holderText(path: string): string | undefined {
  const holder = lockHolder(path);
  return holder && `${holder.command}, process ${holder.pid}`;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
