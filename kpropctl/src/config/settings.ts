import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

import { type Krb5Config, type ProfileSection, parseDuration } from 'kprop';

import { isSameHost } from '../run/same-host.ts';
import { BadSettings } from './complaints.ts';
import { ConfigReader } from './config-reader.ts';
import { globalRelations } from './relations.ts';

export interface ReplicaSettings {
  readonly host: string;
  readonly port: string | undefined;
  /** The replica's own KDC, for proof. */
  readonly kdc: string;
  readonly totalSeconds: number;
  readonly after: string | undefined;
  readonly required: boolean;
}

export interface Settings {
  /** The file that they come from; undefined if there is none. */
  readonly file: string | undefined;
  readonly realm: string;
  readonly primary: string | undefined;
  readonly dump: string;
  readonly keepDumps: number;
  /** A fraction: 0.05. */
  readonly maxShrink: number;
  readonly everySeconds: number;
  readonly cron: string | undefined;
  readonly onChangeSeconds: number;
  readonly maxAgeSeconds: number;
  readonly parallel: number;
  readonly attemptsWithinSeconds: number;
  readonly backoffSeconds: { readonly first: number; readonly most: number };
  readonly connectSeconds: number;
  readonly totalSeconds: number;
  /** The principal of proof, with its realm; undefined for none. */
  readonly proof: string | undefined;
  readonly state: string;
  readonly warnAfterSeconds: number;
  readonly critAfterSeconds: number;
  readonly hooks: { readonly [K in 'failure' | 'recovery' | 'success']: string | undefined };
  readonly hookSeconds: number;
  readonly textfile: string | undefined;
  readonly listen: string | undefined;
  /** With HTTP/<this host>; without it nobody can be asked for a ticket. */
  readonly pageKeytab: string | undefined;
  /** Who may read from elsewhere, and press the button; each with its realm. */
  readonly pagePrincipals: readonly string[];
  readonly keytab: string | undefined;
  readonly kdb5Util: string;
  readonly kadminLocal: string;
  readonly replicas: readonly ReplicaSettings[];
  /** Those of the file, and those of the command line. */
  readonly hosts: readonly string[];
}

export const defaultFile = '/etc/krb5kdc/kpropctl.conf';

export interface ReadOptions {
  /** `--config`; the default file need not be there. */
  readonly file: string | undefined;
  /** Hosts of the command line; all replicas of the file unless given. */
  readonly hosts?: readonly string[] | undefined;
  readonly krb5: Krb5Config;
}

/** @throws BadSettings */
export function readSettings(o: ReadOptions): Settings {
  const file = o.file ?? defaultFile;
  let text: string | undefined;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || o.file !== undefined) {
      const advice = code === 'ENOENT' ? 'kpropctl init writes one' : 'look at its permissions';
      throw new BadSettings([{ file, line: 0, problem: `cannot be read (${code})`, advice }]);
    }
  }
  return settingsOf(text ?? '', { ...o, file: text === undefined ? undefined : file });
}

/** The settings in a text; `file` names it in complaints. @throws BadSettings */
export function settingsOf(text: string, o: ReadOptions): Settings {
  const reader = new ConfigReader(o.file ?? 'the command line');
  const root = reader.parse(text);
  const global = reader.section(root, 'kpropctl', globalRelations);
  const replicas = reader.replicas(root);
  requireTickets(reader, root, global);
  reader.finish();
  const seconds = (name: string) => parseDuration(global.get(name) ?? '') ?? 0;
  const value = (name: string) => global.get(name);
  const realm = value('realm') ?? o.krb5.defaultRealm;
  const proof = value('proof') ?? 'none';
  const [first = '5s', most = first] = (value('backoff') ?? '').split(/\s+/);
  const totalSeconds = seconds('total');
  const of = (host: string, own: ReadonlyMap<string, string> = new Map()): ReplicaSettings => ({
    host,
    port: own.get('port'),
    kdc: own.get('kdc') ?? host,
    totalSeconds: own.has('total') ? (parseDuration(own.get('total') ?? '') ?? 0) : totalSeconds,
    after: own.get('after'),
    required: own.get('required') !== 'false',
  });
  const known = new Map([...replicas].map(([host, own]) => [host, of(host, own)]));
  const chosen =
    o.hosts === undefined || o.hosts.length === 0
      ? [...known.values()]
      : [...new Set(o.hosts)].map((host) => known.get(host) ?? of(host));
  requireOthers(chosen, o.file);
  return {
    file: o.file,
    realm,
    primary: value('primary'),
    dump: value('dump') as string,
    keepDumps: Number(value('keep_dumps')),
    maxShrink: Number.parseFloat(value('max_shrink') as string) / 100,
    everySeconds: seconds('every'),
    cron: value('cron'),
    onChangeSeconds: seconds('on_change'),
    maxAgeSeconds: seconds('max_age'),
    parallel: Number(value('parallel')),
    attemptsWithinSeconds: seconds('attempts_within'),
    backoffSeconds: { first: parseDuration(first) ?? 5, most: parseDuration(most) ?? 120 },
    connectSeconds: seconds('connect'),
    totalSeconds,
    proof: proof === 'none' ? undefined : proof.includes('@') ? proof : `${proof}@${realm}`,
    state: value('state') as string,
    warnAfterSeconds: seconds('warn_after'),
    critAfterSeconds: seconds('crit_after'),
    hooks: {
      failure: value('on_failure'),
      recovery: value('on_recovery'),
      success: value('on_success'),
    },
    hookSeconds: seconds('hook_timeout'),
    textfile: value('textfile'),
    listen: value('listen'),
    pageKeytab: value('page_keytab'),
    pagePrincipals: namesIn(value('page_principals')).map((name) =>
      name.includes('@') ? name : `${name}@${realm}`,
    ),
    keytab: value('keytab'),
    kdb5Util: value('kdb5_util') as string,
    kadminLocal: value('kadmin_local') as string,
    replicas: chosen,
    hosts: [...new Set([...known.keys(), ...chosen.map(({ host }) => host)])],
  };
}

const namesIn = (list = '') => list.split(/[\s,]+/).filter((name) => name !== '');

/** Whether only this host can reach an address of `listen`. */
export function isLocalAddress(listen: string): boolean {
  return /^(unix:|127(\.\d+){3}:|\[::1\]:|localhost:)/i.test(listen);
}

/** Whoever can reach the page can read it: from elsewhere, only with a ticket. */
function requireTickets(
  reader: ConfigReader,
  root: ProfileSection,
  global: ReadonlyMap<string, string>,
): void {
  const listen = global.get('listen');
  const keytab = global.get('page_keytab');
  if (listen !== undefined && keytab === undefined && !isLocalAddress(listen)) {
    reader.complainAbout(root, 'listen', {
      problem: `listen = ${listen} can be reached from other hosts, and page_keytab is not set`,
      advice: 'set page_keytab and page_principals, or listen on 127.0.0.1:9754',
    });
  }
  if (keytab !== undefined && namesIn(global.get('page_principals')).length === 0) {
    reader.complainAbout(root, 'page_keytab', {
      problem: 'page_keytab is set, and page_principals names nobody who may press the button',
      advice: 'page_principals = admin/admin',
    });
  }
}

/** A primary that loads its own dump loses what was changed meanwhile. @throws BadSettings */
function requireOthers(replicas: readonly ReplicaSettings[], file: string | undefined): void {
  const here = hostname().toLowerCase();
  const own = replicas.filter(({ host }) => {
    const name = host.toLowerCase().replace(/\.$/, '');
    return name === 'localhost' || isSameHost(name, here);
  });
  if (own.length === 0) return;
  throw new BadSettings(
    own.map(({ host }) => ({
      ...{ file: file ?? 'the command line', line: 0 },
      problem: `${host} is this host`,
      advice: 'name the replicas only, not the primary',
    })),
  );
}
