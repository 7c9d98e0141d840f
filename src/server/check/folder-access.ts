import { accessSync, constants, statSync } from 'node:fs';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { textIfThere } from '../../host/if-there.ts';
import { mountPointIn } from '../../host/place-advice.ts';
import { type CheckFinding, type CheckName, failure } from './finding.ts';
import { shellWord } from './shell-word.ts';

/** Why nothing can be written to a folder, with what to do; undefined if it can. Nothing is written. */
export function folderFault(
  check: CheckName,
  folder: string,
  holds: string,
): CheckFinding | undefined {
  try {
    if (!statSync(folder).isDirectory()) {
      return failure(
        check,
        `${folder} is not a folder`,
        `rm ${shellWord(folder)} && mkdir -m 700 ${shellWord(folder)}`,
      );
    }
    accessSync(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') {
      const what = `there is no folder ${folder} for ${holds}`;
      return failure(check, what, `mkdir -p -m 700 ${shellWord(folder)}`);
    }
    const what = `kpropd cannot write ${holds} into ${folder}: ${errnoText(errno)}`;
    return failure(check, what, errno === 'EROFS' ? writableAgain(folder) : ownedAgain(folder));
  }
}

function ownedAgain(folder: string): string {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? `chmod u+rwx ${shellWord(folder)}` : `chown ${uid} ${shellWord(folder)}`;
}

/** Read-only: by the sandbox of a unit if this runs in one, else by a mount. */
function writableAgain(folder: string): string {
  const unit = ownUnit();
  if (unit !== undefined) {
    return unitFix(unit, [folder]);
  }
  return `mount -o remount,rw ${shellWord(mountPointIn(textIfThere('/proc/self/mountinfo'), folder))}`;
}

/** The command that lets a unit write to folders. */
export function unitFix(unit: string, folders: readonly string[]): string {
  const dropIns = `/etc/systemd/system/${unit}.d`;
  const lines = `[Service]\\nReadWritePaths=${folders.join(' ')}\\n`;
  return `mkdir -p ${dropIns} && printf '${lines}' >> ${dropIns}/writable.conf && systemctl daemon-reload`;
}

/** The unit of kpropd that this process belongs to, undefined if it is none. @see cgroups(7) */
export function ownUnit(): string | undefined {
  const text = textIfThere('/proc/self/cgroup');
  return /\/([^/\n]*kprop[^/\n]*\.service)(?:\/|$)/m.exec(text)?.[1];
}
