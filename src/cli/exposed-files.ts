import { statSync } from 'node:fs';

import { defaultKeytabName } from '../host/keytab-file.ts';
import { parseKeytabName } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';

export interface WatchedFile {
  readonly kind: 'keytab' | 'ACL';
  readonly path: string;
}

/** The path of a keytab by name, or of the configured one; empty where that is not to be known yet. */
export function keytabPath(name: string | undefined, config: Krb5Config): string {
  try {
    return parseKeytabName(name ?? defaultKeytabName(config)).path;
  } catch {
    return ''; // whoever opens it says what is wrong with its name
  }
}

/**
 * A warning for a file that decides who gets in and that others may write, or read where it is
 * secret; undefined where all is well, or nothing can be said. MIT's programs say nothing of it.
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

/** Tells of exposed files, of each once, and again when it has changed. */
export class ExposureWatch {
  readonly #files: readonly WatchedFile[];
  readonly #told = new Map<string, string | undefined>();

  constructor(files: readonly WatchedFile[]) {
    this.#files = files;
  }

  /** What is new since it was last asked. */
  warnings(): readonly string[] {
    return this.#files.flatMap((file) => {
      const { path } = file;
      const text = exposureOf(file);
      const known = this.#told.get(path);
      this.#told.set(path, text);
      return text === undefined || text === known ? [] : [text];
    });
  }
}

/** Undefined for what is no file, is not there, or lies where this user may not look. */
function modeOf(path: string): number | undefined {
  try {
    const stats = statSync(path);
    return stats.isFile() ? stats.mode & 0o7777 : undefined;
  } catch {
    return undefined;
  }
}
