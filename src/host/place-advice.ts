import { statSync } from 'node:fs';
import { dirname } from 'node:path';

import type { Advice } from '../errors/advice.ts';
import type { Place } from '../errors/catalogue/row.ts';
import type { KpropError } from '../errors/kprop-error.ts';
import { textIfThere } from './if-there.ts';
import { userById } from './users.ts';

/** What this host says about a place. */
export interface HostFacts {
  readonly userId: number;
  /** The systemd unit that this process belongs to. */
  readonly unit: string | undefined;
  readonly mountPoint: (path: string) => string;
  /** Who owns a file or folder; undefined if it cannot be seen. */
  readonly owner: (path: string) => string | undefined;
}

const read = new Set(['keytab.missing', 'auth.no-keytab', 'dump.missing', 'ccache.missing']);
const written = new Set([
  ...['spool.write', 'loader.unwritten', 'loader.unprotected', 'ulog.unusable', 'dump.write'],
  'auth.replay-cache',
]);

/** The error with advice about a file that may not be read or written, by a look at why that is. */
export function adviseOnPlace(error: KpropError, facts: HostFacts = hostFacts()): KpropError {
  const { path, errno } = error.detail as Partial<Place>;
  if (path === undefined || errno === undefined) return error;
  if (written.has(error.code)) return error.advise(writingAdvice({ path, errno }, facts));
  if (read.has(error.code)) return error.advise(readingAdvice({ path, errno }, facts));
  return error;
}

/** What keeps this process from writing to the folder of a file; undefined for other failures. */
export function writingAdvice({ path, errno }: Place, o: HostFacts): Advice | undefined {
  const folder = dirname(path);
  if (errno === 'EROFS' && o.unit !== undefined) {
    return {
      why: `${folder} is read-only in the sandbox of ${o.unit}: it is not in its ReadWritePaths`,
      remedy: `add the line \`ReadWritePaths=${folder}\` to [Service] (\`systemctl edit ${o.unit}\`), then restart it`,
    };
  }
  if (errno === 'EROFS') {
    const mountPoint = o.mountPoint(folder);
    return {
      why: `the file system at ${mountPoint} is mounted read-only`,
      remedy: `run \`mount -o remount,rw ${mountPoint}\``,
    };
  }
  if (errno !== 'EACCES' && errno !== 'EPERM') return undefined;
  const user = nameOf(o.userId);
  const owner = o.owner(folder) ?? 'another user';
  if (owner === user) {
    return {
      why: `${user} may not write to ${folder}, although it is the owner: its mode forbids it`,
      remedy: `run \`chmod u+wx ${folder}\``,
    };
  }
  return {
    why: `${user} may not write to ${folder}, which belongs to ${owner}`,
    remedy:
      o.userId === 0
        ? `run \`chown root ${folder}\`: this process may not pass over permissions${unitText(o)}`
        : `run this as root, or run \`chown ${user} ${folder}\``,
  };
}

/** What keeps this process from reading a file; undefined for other failures. */
export function readingAdvice({ path, errno }: Place, o: HostFacts): Advice | undefined {
  if (errno !== 'EACCES' && errno !== 'EPERM') return undefined;
  const user = nameOf(o.userId);
  const owner = o.owner(path);
  if (owner === user) {
    return {
      why: `${user} may not read ${path}, although it is the owner: its mode forbids it`,
      remedy: `run \`chmod u+r ${path}\``,
    };
  }
  return {
    why: `${user} may not read ${path}, which belongs to ${owner ?? 'another user'}`,
    remedy:
      o.userId === 0
        ? `run \`chown root ${path}\`: this process may not pass over permissions${unitText(o)}`
        : 'run this as root',
  };
}

const unitText = ({ unit }: HostFacts) => (unit === undefined ? '' : ` (${unit})`);
const nameOf = (userId: number) => userById(userId) ?? `user ${userId}`;

function hostFacts(): HostFacts {
  return {
    userId: process.geteuid?.() ?? 0,
    unit: unitIn(textIfThere('/proc/self/cgroup')),
    mountPoint: (path) => mountPointIn(textIfThere('/proc/self/mountinfo'), path),
    owner: (path) => {
      try {
        return nameOf(statSync(path).uid);
      } catch {
        return undefined;
      }
    },
  };
}

/** The service unit in the text of /proc/PID/cgroup. */
export function unitIn(cgroups: string): string | undefined {
  return /\/([^/\n]+\.service)(?:\/[^\n]*)?$/m.exec(cgroups)?.[1];
}

/** The mount point of a path by the text of /proc/PID/mountinfo. */
export function mountPointIn(mounts: string, path: string): string {
  const points = mounts.split('\n').flatMap((line) => unescaped(line.split(' ')[4] ?? ''));
  const holds = (point: string) => point === '/' || path === point || path.startsWith(`${point}/`);
  return points
    .filter(holds)
    .reduce((best, point) => (point.length >= best.length ? point : best), '/');
}

/** Blanks and the like stand as octal numbers there. @see proc(5), mountinfo */
const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
