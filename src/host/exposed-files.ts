import { statSync } from 'node:fs';

import type { Notice } from '../errors/advice.ts';
import { parseKeytabName } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { defaultKeytabName } from './keytab-file.ts';

export interface WatchedFile {
  readonly kind: 'keytab' | 'ACL' | 'stash file' | 'dump' | 'database';
  readonly path: string;
}

/** The path of the keytab of this name, or of the configured one; empty if the name is not valid. */
export function keytabPath(name: string | undefined, config: Krb5Config): string {
  try {
    return parseKeytabName(name ?? defaultKeytabName(config)).path;
  } catch {
    return ''; // opening the keytab reports what is wrong with its name
  }
}

/** A file that other users may change, or read though it holds keys. */
export interface Exposure {
  readonly what: string;
  /** The command that ends it. */
  readonly remedy: string;
}

/**
 * How other users may get at the file: by writing to it, or by reading it unless it is an ACL, which
 * holds no key. Undefined if they may not, or if the file cannot be seen.
 */
export function exposureOf({ kind, path }: WatchedFile): Exposure | undefined {
  const bits = modeOf(path);
  if (bits === undefined) return undefined;
  const secret = kind !== 'ACL';
  const harm = bits & 0o022 ? 'changed' : secret && bits & 0o004 ? 'read' : undefined;
  if (harm === undefined) return undefined;
  const mode = `${bits.toString(8).padStart(4, '0')}`;
  return {
    what: `the ${kind} ${path} can be ${harm} by other users (mode ${mode})`,
    remedy: `${secret ? 'chmod 600' : 'chmod go-w'} ${path}`,
  };
}

/**
 * The same of a folder in which files are replaced: whoever may write to it may put his own there. The
 * sticky bit does not help against names that do not exist yet.
 */
export function folderExposureOf(folder: string): Exposure | undefined {
  try {
    const { mode } = statSync(folder);
    if ((mode & 0o022) === 0) return undefined;
    const digits = (mode & 0o7777).toString(8);
    return {
      what: `others may write to the folder ${folder}, where received dumps are put (mode ${digits})`,
      remedy: `chmod go-w ${folder}`,
    };
  } catch {
    return undefined;
  }
}

/** The exposure of a file as a warning; MIT's programs have none. */
export function exposureNotice(file: WatchedFile): Notice | undefined {
  const found = exposureOf(file);
  return found && { text: found.what, remedy: `run \`${found.remedy}\`` };
}

/** Warns of each exposed file once, and again if its mode has changed. */
export class ExposureWatch {
  readonly #files: readonly WatchedFile[];
  readonly #known = new Map<string, string | undefined>();

  constructor(files: readonly WatchedFile[]) {
    this.#files = files;
  }

  /** The warnings that are new since the last call. */
  warnings(): readonly Notice[] {
    return this.#files.flatMap((file) => {
      const { path } = file;
      const notice = exposureNotice(file);
      const known = this.#known.get(path);
      this.#known.set(path, notice?.text);
      return notice === undefined || notice.text === known ? [] : [notice];
    });
  }
}

/** Undefined if it is missing, is not a regular file, or lies in a folder that this user may not search. */
function modeOf(path: string): number | undefined {
  try {
    const stats = statSync(path);
    return stats.isFile() ? stats.mode & 0o7777 : undefined;
  } catch {
    return undefined;
  }
}
