import { statSync } from 'node:fs';

import { defaultKeytabName } from '../host/keytab-file.ts';
import { parseKeytabName } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';

export interface WatchedFile {
  readonly kind: 'keytab' | 'ACL';
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

/**
 * A warning if other users may write the file, or read it if it is a keytab; undefined if not, or if
 * the file cannot be seen. MIT's programs do not warn.
 */
export function exposureOf({ kind, path }: WatchedFile): string | undefined {
  const bits = modeOf(path);
  if (bits === undefined) return undefined;
  const harm = bits & 0o022 ? 'changed' : kind === 'keytab' && bits & 0o004 ? 'read' : undefined;
  if (harm === undefined) return undefined;
  const mode = `${bits.toString(8).padStart(4, '0')}`;
  const remedy = kind === 'keytab' ? 'chmod 600' : 'chmod go-w';
  return `the ${kind} ${path} can be ${harm} by other users (mode ${mode}): ${remedy} ${path}`;
}

/** Warns of each exposed file once, and again if its mode has changed. */
export class ExposureWatch {
  readonly #files: readonly WatchedFile[];
  readonly #known = new Map<string, string | undefined>();

  constructor(files: readonly WatchedFile[]) {
    this.#files = files;
  }

  /** The warnings that are new since the last call. */
  warnings(): readonly string[] {
    return this.#files.flatMap((file) => {
      const { path } = file;
      const text = exposureOf(file);
      const known = this.#known.get(path);
      this.#known.set(path, text);
      return text === undefined || text === known ? [] : [text];
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
