import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';

/** The paths that are compiled into MIT's programs; options override them. */
export interface DefaultPaths {
  /** What kprop sends. */
  readonly dump: string;
  /** Where kpropd puts what it receives. */
  readonly received: string;
  readonly acl: string;
  readonly kdb5Util: string;
  /** What kdb5_util loads into. */
  readonly database: string;
  /** Where the KDC has its master key; the realm is added to it. */
  readonly stash: string;
  readonly kdcConf: string;
  readonly krb5Conf: string;
}

const debianPaths: DefaultPaths = {
  dump: '/var/lib/krb5kdc/replica_datatrans',
  received: '/var/lib/krb5kdc/from_master',
  acl: '/etc/krb5kdc/kpropd.acl',
  kdb5Util: '/usr/sbin/kdb5_util',
  database: '/var/lib/krb5kdc/principal',
  stash: '/etc/krb5kdc/.k5.',
  kdcConf: '/etc/krb5kdc/kdc.conf',
  krb5Conf: '/etc/krb5.conf',
};

/** For distributions that build krb5 with other paths: a JSON object with some of these names. */
const settingsFile = '/etc/kprop.json';

/**
 * Debian's paths, except those that /etc/kprop.json sets. The file need not exist.
 * @throws config.syntax, config.unreadable
 */
export function readDefaultPaths(file = settingsFile): DefaultPaths {
  return { ...debianPaths, ...parseDefaultPaths(textOf(file), file) };
}

/** The paths that a settings file names. @throws config.syntax */
export function parseDefaultPaths(text: string, file: string): Partial<DefaultPaths> {
  const fault = (at: number, reason: string, cause?: unknown) => {
    const line = text.slice(0, Math.max(at, 0)).split('\n').length;
    return new KpropError('config.syntax', { file, line, reason }, { cause });
  };
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (cause) {
    const position = /at position (\d+)/.exec((cause as Error).message)?.[1];
    throw fault(Number(position ?? text.length), 'not valid JSON', cause);
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw fault(0, 'not a JSON object');
  }
  for (const [name, path] of Object.entries(settings)) {
    const at = text.indexOf(JSON.stringify(name));
    if (!Object.hasOwn(debianPaths, name)) throw fault(at, `"${name}" is not the name of a path`);
    if (typeof path !== 'string' || !isAbsolute(path)) {
      throw fault(at, `"${name}" is not an absolute path`);
    }
  }
  return settings;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT') return '{}';
    throw new KpropError('config.unreadable', { path: file, errno }, { cause });
  }
}
