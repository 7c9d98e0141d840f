import { accessSync, constants, statSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { reasonAgainstNative } from '../load/native-conditions.ts';
import type { CheckedSite } from './checked-site.ts';
import { type CheckFinding, failure, ok } from './finding.ts';
import { shellWord } from './shell-word.ts';

/** What makes a dump the database. */
export async function loaderChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const { loader, load = 'auto' } = site.options;
  if (typeof loader === 'function') return [ok('loader', 'dumps are loaded by a function')];
  if (load === 'native') {
    const { library, database } = site;
    const against = await reasonAgainstNative({ library, database });
    if (against === undefined) {
      return [ok('loader', 'databases are written without kdb5_util, which need not be there')];
    }
    const what = `--load=native is not possible: ${against}`;
    return [failure('loader', what, 'start kpropd with --load=auto')];
  }
  const errno = errnoOfRunning(loader.path);
  if (errno === undefined) {
    const release = await krb5Release();
    return [ok('loader', `${loader.path} can be run${release ? `, of MIT krb5 ${release}` : ''}`)];
  }
  const what = `the loader ${loader.path} cannot be run: ${errnoText(errno)}`;
  return [failure('loader', what, loaderFix(loader.path, errno))];
}

function loaderFix(path: string, errno: string): string {
  if (errno === 'EACCES') return `chmod a+x ${shellWord(path)}`;
  const found = usualPaths.find((each) => errnoOfRunning(each) === undefined);
  if (found !== undefined) return `start kpropd with -p ${found}`;
  const isFedora = errnoOfReading('/etc/redhat-release') === undefined;
  return isFedora ? 'dnf install krb5-server' : 'apt install krb5-kdc';
}

function errnoOfRunning(path: string): string | undefined {
  return errnoOfAccess(path, constants.R_OK | constants.X_OK);
}

function errnoOfReading(path: string): string | undefined {
  return errnoOfAccess(path, constants.R_OK);
}

function errnoOfAccess(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return statSync(path).isFile() ? undefined : 'EISDIR';
  } catch (error) {
    return errnoOf(error);
  }
}

/** The release of MIT's library, which says it in a text; undefined if that is not found. */
async function krb5Release(): Promise<string | undefined> {
  for (const folder of await libraryFolders()) {
    const file = await open(join(folder, 'libkrb5.so.3'), 'r').catch(() => undefined);
    if (file === undefined) continue;
    try {
      const bytes = await file.readFile();
      const at = bytes.indexOf(brand);
      return at === -1
        ? undefined
        : /krb5-(\S+?)(?:-final)? /.exec(bytes.toString('latin1', at, at + 80))?.[1];
    } finally {
      await file.close();
    }
  }
  return undefined;
}

async function libraryFolders(): Promise<readonly string[]> {
  const multiarch = (await readdir('/usr/lib').catch(() => []))
    .filter((name) => /-linux-/.test(name))
    .map((name) => join('/usr/lib', name));
  return [...multiarch, '/usr/lib64', '/usr/lib', '/lib64', '/lib', '/usr/local/lib'];
}

const usualPaths = ['/usr/sbin/kdb5_util', '/usr/local/sbin/kdb5_util', '/usr/bin/kdb5_util'];
const brand = 'KRB5_BRAND: ';
