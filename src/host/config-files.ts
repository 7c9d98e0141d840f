import { readdirSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { type Include, type ProfileTree, parseProfile } from '../protocol/krb5/formats/profile.ts';
import { nameText } from '../protocol/krb5/messages/principal.ts';
import type { DefaultPaths } from './default-paths.ts';

export interface ConfigFiles {
  /** Colon-separated, as in KRB5_CONFIG; an empty entry ends the list. `/etc/krb5.conf` unless given. */
  readonly krb5ConfFiles?: string;
  /** One kdc.conf, which takes precedence over all of them. None unless given. */
  readonly kdcConfFile?: string;
  /** What `~` stands for; the home of the user's account unless given. */
  readonly homeDirectory?: string;
}

/** Where the configuration is: what KRB5_CONFIG and KRB5_KDC_PROFILE name, or else these paths. */
export function configFilesOf(
  { KRB5_CONFIG, KRB5_KDC_PROFILE }: NodeJS.ProcessEnv,
  { krb5Conf, kdcConf }: DefaultPaths,
): Required<Pick<ConfigFiles, 'krb5ConfFiles' | 'kdcConfFile'>> {
  return { krb5ConfFiles: KRB5_CONFIG ?? krb5Conf, kdcConfFile: KRB5_KDC_PROFILE ?? kdcConf };
}

/**
 * The configuration in these files. Files that are missing or may not be read are skipped, as in
 * MIT's profile library. If all are skipped, it is an error if one of them exists.
 * @throws config.syntax, config.include, config.value, config.unreadable
 */
export function loadKrb5Config(o: ConfigFiles): Krb5Config {
  const trees: ProfileTree[] = [];
  const files: string[] = [];
  const missing: string[] = [];
  let unreadable: KpropError | undefined;
  for (const path of listedPaths(o)) {
    try {
      trees.push(readProfile(path));
      files.push(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === '') throw error;
      const failure = new KpropError('config.unreadable', { path, errno }, { cause: error });
      if (errno !== 'ENOENT' && errno !== 'EACCES' && errno !== 'EPERM') throw failure;
      if (errno === 'ENOENT') missing.push(path);
      else unreadable ??= failure;
    }
  }
  if (trees.length === 0 && unreadable !== undefined) throw unreadable;
  return new Krb5Config(trees, files, missing);
}

function listedPaths(o: ConfigFiles): readonly string[] {
  const listed = (o.krb5ConfFiles ?? '/etc/krb5.conf').split(':');
  const end = listed.indexOf('');
  const paths = end === -1 ? listed : listed.slice(0, end);
  if (o.kdcConfFile !== undefined) paths.unshift(o.kdcConfFile);
  return paths.map((path) =>
    path.startsWith('~/') ? (o.homeDirectory ?? userInfo().homedir) + path.slice(1) : path,
  );
}

/**
 * The tree of one krb5.conf or kdc.conf, with all that it includes.
 * @throws config.syntax, config.include, config.unreadable, errno
 */
export function readProfile(path: string): ProfileTree {
  // A directory in the list is read like a file whose only line is an includedir of it.
  if (statSync(path).isDirectory()) return parseProfile(`includedir ${path}`, path, readIncluded);
  return parseProfile(profileText(readFileSync(path)), path, readIncluded);
}

const readIncluded: Include = (kind, path) => {
  try {
    const files = kind === 'include' ? [path] : includableFiles(path);
    return files.map((file) => ({ file, text: readIncludedFile(file) }));
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === '') throw cause;
    throw new KpropError('config.unreadable', { path, errno }, { cause });
  }
};

function readIncludedFile(file: string): string {
  // MIT's library opens a directory like a file and reads nothing from it (measured with 1.20.1).
  return statSync(file).isDirectory() ? '' : profileText(readFileSync(file));
}

/** The files of a directory that includedir takes, in strcmp order. @see krb5.conf(5) */
function includableFiles(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => /^(?!\.)(?:.*\.conf|[A-Za-z0-9_-]+)$/s.test(name))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((name) => join(directory, name));
}

/** The text of a file, decoded line by line: a byte that is not UTF-8 affects its own line only. */
function profileText(bytes: Uint8Array): string {
  const lines: string[] = [];
  let start = 0;
  for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
    lines.push(nameText(bytes.subarray(start, end)));
    start = end + 1;
  }
  return [...lines, nameText(bytes.subarray(start))].join('\n');
}

const LF = 0x0a;
