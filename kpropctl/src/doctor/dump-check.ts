import { type Stats, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { inspectDump } from 'kprop';

import { bytesText, countText, spanText } from '../show/words.ts';
import { type Examined, runKpropctl } from './examined.ts';
import { type Finding, failed, failure, ok, warning } from './finding.ts';
import { run } from './fix.ts';

/** The dump that would be sent: there, whole, marked as good, young, and with room for the next. */
export async function dumpCheck(o: Examined): Promise<readonly Finding[]> {
  const { dump: path, maxAgeSeconds, realm } = o.settings;
  const again = runKpropctl(o, 'run');
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [warning('here', 'dump', `dump: there is none (${path})`, again)];
  const wrong = (what: string) => [failure('here', 'dump', `dump: ${what}`, again)];
  const mark = markFault(path, stats);
  if (mark !== undefined) return wrong(mark);
  try {
    const masterKey = o.krb5.masterKeyName(realm);
    const { principals, complete, masterKvno } = await inspectDump(path, { masterKey });
    if (!complete) return wrong(`${path} is not complete`);
    const master = masterKey.replace(/@.*/, '');
    if (masterKvno === undefined) return wrong(`${path} has no ${master}, so no KDC could use it`);
    const millis = Date.now() - stats.mtimeMs;
    const age = `${spanText(Math.max(0, millis))} old`;
    const what = `dump: ${countText(principals)} principals, ${master} present, complete, ${age}`;
    const isOld = millis > maxAgeSeconds * 1000;
    return [
      isOld ? warning('here', 'dump', what, again) : ok('here', 'dump', what),
      ...modeOf(path, stats),
      ...roomFor(path, stats),
    ];
  } catch (error) {
    return [failed('here', 'dump', error)];
  }
}

/** As kprop judges it. @see krb5 src/kprop/kprop.c, open_database */
function markFault(path: string, { mtimeMs }: Stats): string | undefined {
  const mark = statSync(`${path}.dump_ok`, { throwIfNoEntry: false });
  if (mark === undefined) return `${path}.dump_ok is not there, so kprop does not send ${path}`;
  return Math.floor(mtimeMs / 1000) > Math.floor(mark.mtimeMs / 1000)
    ? `${path} is newer than its .dump_ok, so kprop does not send it`
    : undefined;
}

/** A dump has every key of the realm, encrypted with the master key. */
function modeOf(path: string, { mode }: Stats): readonly Finding[] {
  if ((mode & 0o077) === 0) return [];
  const what = `dump: ${path} has mode ${(mode & 0o777).toString(8)}: others can read it`;
  return [failure('here', 'dump', what, run(`chmod 600 ${path}`))];
}

/** The next dump is made beside this one. */
function roomFor(path: string, { size }: Stats): readonly Finding[] {
  const folder = dirname(path);
  const { bavail, bsize } = statfsSync(folder);
  const room = bavail * bsize;
  if (room > 2 * size) return [];
  const what = `dump: ${folder} has ${bytesText(room)} free, and the next dump needs ${bytesText(size)}`;
  return [failure('here', 'space', what, `make room: du -sh ${folder}/* shows what is large`)];
}
