import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

import {
  isKpropError,
  type Krb5Config,
  type ProfileNode,
  type ProfileSection,
  parseDuration,
  parseProfile,
} from 'kprop';

import { isSameHost } from '../run/same-host.ts';
import {
  globalRelations,
  type Kind,
  nearest,
  type Relation,
  replicaRelations,
} from './relations.ts';

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
  readonly keytab: string | undefined;
  readonly kdb5Util: string;
  readonly kadminLocal: string;
  readonly replicas: readonly ReplicaSettings[];
}

/** What is wrong with a configuration, and where. */
export interface Complaint {
  readonly file: string;
  /** From 1; 0 for the file as a whole. */
  readonly line: number;
  readonly problem: string;
  /** What was meant, or what to write instead. */
  readonly advice: string;
}

/** Thrown with everything that is wrong. */
export class BadSettings extends Error {
  override readonly name = 'BadSettings';
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    super(complaints.map(complaintText).join('\n'));
    this.complaints = complaints;
  }
}

export function complaintText({ file, line, problem, advice }: Complaint): string {
  return `${file}${line > 0 ? `:${line}` : ''}: ${problem}${advice && `: ${advice}`}`;
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
  const reader = new Reader(o.file ?? 'the command line');
  const root = reader.parse(text);
  const global = reader.section(root, 'kpropctl', globalRelations);
  const replicas = reader.replicas(root);
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
    keytab: value('keytab'),
    kdb5Util: value('kdb5_util') as string,
    kadminLocal: value('kadmin_local') as string,
    replicas: chosen,
  };
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

/** Collects everything that is wrong, so that it can be mended in one go. */
class Reader {
  readonly #file: string;
  readonly #complaints: Complaint[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  parse(text: string): ProfileSection {
    try {
      return parseProfile(text, this.#file, () => []);
    } catch (error) {
      if (!isKpropError(error, 'config.syntax')) throw error;
      const { line, reason } = error.detail;
      this.#complain(line, reason, 'the syntax is that of krb5.conf');
      throw new BadSettings(this.#complaints);
    }
  }

  /** The values of a section, defaults included. */
  section(
    root: ProfileSection,
    name: string,
    relations: Readonly<Record<string, Relation>>,
  ): ReadonlyMap<string, string> {
    for (const node of root.children) {
      if (['kpropctl', 'replicas'].includes(node.name)) continue;
      this.#unknown(node, ['kpropctl', 'replicas'], 'section');
    }
    return this.#values(this.#find(root, name)?.children ?? [], relations);
  }

  replicas(root: ProfileSection): ReadonlyMap<string, ReadonlyMap<string, string>> {
    const replicas = new Map<string, ReadonlyMap<string, string>>();
    const folded = new Map<string, string>();
    const lines = new Map<string, number>();
    for (const node of this.#find(root, 'replicas')?.children ?? []) {
      const { name, line } = node;
      // In the syntax of krb5.conf this is a value; here nothing else can be meant.
      const isEmpty = node.kind === 'relation' && /^\{\s*\}$/.test(node.value);
      if (node.kind === 'relation' && !isEmpty) {
        this.#complain(line, `${name} has a value`, `write it as a section: ${name} = { }`);
        continue;
      }
      const same = folded.get(name.toLowerCase().replace(/\.$/, ''));
      if (same !== undefined) {
        this.#complain(line, `${name} is there twice`, `the other one is ${same}`);
      }
      folded.set(name.toLowerCase().replace(/\.$/, ''), name);
      lines.set(name, line);
      const children = node.kind === 'section' ? node.children : [];
      replicas.set(name, this.#values(children, replicaRelations));
    }
    for (const [host, own] of replicas) {
      const after = own.get('after');
      const line = lines.get(host) ?? 0;
      if (after !== undefined && !replicas.has(after)) {
        const like = nearest(after, [...replicas.keys()]);
        const advice = like === undefined ? 'name one of [replicas]' : `did you mean ${like}?`;
        this.#complain(line, `${host} comes after ${after}, which is no replica`, advice);
      } else if (after !== undefined && this.#waitsForItself(host, replicas)) {
        this.#complain(line, `${host} waits for itself`, 'break the circle of after');
      }
    }
    return replicas;
  }

  /** @throws BadSettings */
  finish(): void {
    if (this.#complaints.length > 0) throw new BadSettings(this.#complaints);
  }

  #waitsForItself(
    host: string,
    replicas: ReadonlyMap<string, ReadonlyMap<string, string>>,
  ): boolean {
    let at: string | undefined = host;
    for (let steps = 0; steps <= replicas.size; steps += 1) {
      at = replicas.get(at ?? '')?.get('after');
      if (at === undefined) return false;
    }
    return true;
  }

  #find(root: ProfileSection, name: string): ProfileSection | undefined {
    return root.children.find(
      (node): node is ProfileSection => node.kind === 'section' && node.name === name,
    );
  }

  #values(
    nodes: readonly ProfileNode[],
    relations: Readonly<Record<string, Relation>>,
  ): ReadonlyMap<string, string> {
    const values = new Map<string, string>();
    for (const [name, { byDefault }] of Object.entries(relations)) {
      if (byDefault !== undefined) values.set(name, byDefault);
    }
    const seen = new Set<string>();
    for (const node of nodes) {
      const known = Object.hasOwn(relations, node.name) ? relations[node.name] : undefined;
      if (known === undefined) {
        this.#unknown(node, Object.keys(relations), 'relation');
      } else if (node.kind === 'section') {
        this.#complain(node.line, `${node.name} is a section`, `write ${node.name} = VALUE`);
      } else if (seen.has(node.name)) {
        this.#complain(node.line, `${node.name} is there twice`, 'remove one of them');
      } else {
        const wrong = faultIn(node.value, known.kind);
        if (/\s#/.test(node.value) && !node.name.startsWith('on_')) {
          const advice = 'as in krb5.conf, a comment needs a line of its own';
          this.#complain(node.line, `${node.name} has a comment behind its value`, advice);
        } else if (wrong === undefined) values.set(node.name, node.value);
        else this.#complain(node.line, `${node.name} = ${node.value} is not ${wrong}`, '');
      }
      seen.add(node.name);
    }
    return values;
  }

  #unknown(node: ProfileNode, names: readonly string[], what: string): void {
    const like = nearest(node.name, names);
    const advice =
      like === undefined ? 'kpropctl init shows all that there are' : `did you mean ${like}?`;
    this.#complain(node.line, `there is no ${what} ${node.name}`, advice);
  }

  #complain(line: number, problem: string, advice: string): void {
    this.#complaints.push({ file: this.#file, line, problem, advice });
  }
}

/** What a value should be and is not. */
function faultIn(value: string, kind: Kind): string | undefined {
  switch (kind) {
    case 'count':
      return /^\d{1,6}$/.test(value) ? undefined : 'a whole number';
    case 'percent':
      return /^\d{1,3}(\.\d+)?%$/.test(value) ? undefined : 'a percentage, such as 5%';
    case 'duration':
      return isDuration(value) ? undefined : 'a duration, such as 90s, 5m or 1h30m';
    case 'durations':
      return value.split(/\s+/).length === 2 && value.split(/\s+/).every(isDuration)
        ? undefined
        : 'two durations, such as 5s 2m';
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : 'true or false';
    case 'local address':
      // Whoever can reach it can read it.
      return /^(unix:\/.+|(127(\.\d+){3}|\[::1\]|localhost):\d{1,5})$/.test(value)
        ? undefined
        : 'an address of this host alone, such as 127.0.0.1:9754 or unix:/run/kpropctl.sock';
    case 'path':
      return value.startsWith('/') ? undefined : 'an absolute path';
    default:
      return value === '' ? 'anything' : undefined;
  }
}

function isDuration(text: string): boolean {
  const seconds = parseDuration(text);
  return seconds !== undefined && seconds >= 0;
}
