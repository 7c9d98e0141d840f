import { existsSync, lstatSync, readFileSync, realpathSync, type Stats } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';

import { canonicalNames, Krb5Config, type ProfileTree, parseProfile, readProfile } from 'kprop';

import { isSameHost } from '../run/same-host.ts';
import { keytabWith } from './keytab-with.ts';
import { type Kit, type KitFileName, kitFiles } from './kit.ts';
import {
  aclPath,
  kdcConfPath,
  keytabPath,
  krb5ConfPath,
  requireKnownFolder,
  stashPath,
} from './places.ts';
import { badKit, refused } from './refused.ts';

/** What happens to one file. */
export interface Step {
  readonly name: KitFileName;
  readonly path: string;
  readonly mode: number;
  /** Numbers; those of this process for a new file. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** `adds`: what is there stays, and something is added; `mode`: only that, or the owner, changes. */
  readonly state: 'new' | 'same' | 'adds' | 'mode' | 'differs' | 'kept';
  readonly content: Uint8Array;
}

export interface PlanOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** `--host` */
  readonly host: string | undefined;
  /** Files that differ stay as they are. */
  readonly keep: boolean;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** The configuration that this host will have. */
  readonly krb5: Krb5Config;
  /** Where the stash is, or belongs. */
  readonly stash: string;
}

/** What a kit would change on this host. Nothing is written. @throws Refused */
export async function planJoin(kit: Kit, o: PlanOptions): Promise<Plan> {
  const { environment } = o;
  const krb5Conf = plainStep('krb5.conf', krb5ConfPath(environment), kit, o);
  const kdcConf = kit.files.has('kdc.conf')
    ? plainStep('kdc.conf', kdcConfPath(environment), kit, o)
    : undefined;
  const krb5 = futureConfig(krb5Conf, kdcConf, environment);
  requireRealm(kit, krb5, krb5Conf);
  await requireHost(kit, krb5, o.host);
  const keytab = keytabPath(krb5, environment);
  const stash = stashPath(krb5, kit.realm, environment);
  if (environment.KRB5_KTNAME === undefined && krb5Conf.state !== 'kept') {
    requireKnownFolder(keytab, 'default_keytab_name', environment);
  }
  if (kdcConf !== undefined && kdcConf.state !== 'kept') {
    requireKnownFolder(stash, 'key_stash_file', environment);
  }
  const steps = [
    keytabStep(keytab, kit, o),
    ...(kit.files.has('stash') ? [plainStep('stash', stash, kit, o)] : []),
    aclStep(aclPath(environment), kit, o),
    ...(kdcConf === undefined ? [] : [kdcConf]),
    krb5Conf,
  ];
  return { steps, krb5, stash };
}

function plainStep(name: KitFileName, path: string, kit: Kit, o: PlanOptions): Step {
  const content = kit.files.get(name) as Uint8Array;
  return stepFor({ name, path, o, of: (old) => ({ content, isSame: sameBytes(old, content) }) });
}

/** Keys of other principals, and older keys, stay. */
function keytabStep(path: string, kit: Kit, o: PlanOptions): Step {
  const fresh = kit.files.get('krb5.keytab') as Uint8Array;
  return stepFor({
    ...{ name: 'krb5.keytab', path, o },
    of: (old) => keytabWith(old, fresh, path),
    whole: fresh,
  });
}

/** The same if kpropd would find the primary in it: a line that is its principal and nothing else. */
function aclStep(path: string, kit: Kit, o: PlanOptions): Step {
  const content = new TextEncoder().encode(`${kit.primary}\n`);
  const hasLine = (old: Uint8Array) =>
    Buffer.from(old)
      .toString('utf8')
      .split('\n')
      .some((line) => line.trimEnd() === kit.primary);
  return stepFor({
    ...{ name: 'kpropd.acl', path, o },
    of: (old) => ({ content, isSame: hasLine(old) }),
    whole: content,
  });
}

interface StepOptions {
  readonly name: KitFileName;
  readonly path: string;
  readonly o: PlanOptions;
  readonly of: (old: Uint8Array) => {
    readonly content: Uint8Array;
    readonly isSame: boolean;
    readonly adds?: boolean;
  };
  /** The content where there is no file yet. */
  readonly whole?: Uint8Array;
}

function stepFor({ name, path: named, o, of, whole }: StepOptions): Step {
  const { mode } = kitFiles[name];
  const path = resolved(named);
  const stats = statOf(path);
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  if (stats === undefined) {
    if (!existsSync(dirname(path))) {
      throw refused(
        `there is no folder ${dirname(path)} for ${name}`,
        'install the packages of a KDC first: apt-get install krb5-kdc krb5-kpropd, or krb5-server',
      );
    }
    const content = whole ?? of(new Uint8Array()).content;
    return { name, path, mode, owner: own, state: 'new', content };
  }
  // A keytab may be another service's as well. The stash opens every key of the realm.
  const owner =
    name === 'stash' && stats.uid !== own.uid ? own : { uid: stats.uid, gid: stats.gid };
  const old = contentOf(path);
  const { content, isSame, adds } = of(old);
  // A keytab that a group may read keeps its mode; one that everybody can read does not.
  const kept = stats.mode & 0o777;
  const isOpen = (kept & ~mode & (name === 'krb5.keytab' ? 0o027 : 0o777)) !== 0;
  const secret = mode === 0o600;
  const now = secret && isOpen ? mode : kept;
  if (isSame) {
    const state = now === kept && owner.uid === stats.uid ? 'same' : 'mode';
    return { name, path, mode: now, owner, state, content: old };
  }
  if (adds === true) return { name, path, mode: now, owner, state: 'adds', content };
  if (o.keep) return { name, path, mode: kept, owner, state: 'kept', content: old };
  return { name, path, mode: secret ? mode : now, owner, state: 'differs', content };
}

/** The file behind symbolic links, so that the links stay. @throws Refused */
function resolved(path: string): string {
  if (lstatOf(path)?.isSymbolicLink() !== true) return path;
  try {
    return realpathSync(path);
  } catch (error) {
    throw refused(`${path} is a symbolic link to nothing`, `remove it: rm ${path}`, error);
  }
}

function statOf(path: string): Stats | undefined {
  const stats = lstatOf(path);
  if (stats === undefined || stats.isFile()) return stats;
  throw refused(`${path} is no file`, 'move it away');
}

function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function contentOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Error {
  const { code = '' } = error as NodeJS.ErrnoException;
  return refused(`${path} cannot be read (${code})`, 'run kpropctl join as root', error);
}

function futureConfig(krb5: Step, kdc: Step | undefined, environment: NodeJS.ProcessEnv) {
  const kdcPath = kdcConfPath(environment);
  const paths = [kdc?.path ?? kdcPath, krb5.path];
  const kdcTree =
    kdc !== undefined ? treeOf(kdc) : existsSync(kdcPath) ? readProfile(kdcPath) : undefined;
  const trees = [...(kdcTree === undefined ? [] : [kdcTree]), treeOf(krb5)];
  return new Krb5Config(trees, paths);
}

/** A file of this host may include others; one of a kit does not. */
function treeOf({ name, path, state, content }: Step): ProfileTree {
  if (state === 'kept' || state === 'same') return readProfile(path);
  const text = Buffer.from(content).toString('utf8');
  return parseProfile(text, `${name} of the kit`, (kind, file) => {
    throw badKit(`${name} of the kit has an ${kind} of ${JSON.stringify(file)}`);
  });
}

function requireRealm({ realm }: Kit, krb5: Krb5Config, { path, state }: Step): void {
  const [own] = krb5.values('libdefaults', 'default_realm');
  if (own === realm || krb5.values('realms', realm, 'kdc').length > 0) return;
  if (state !== 'kept') {
    throw badKit(`the kit is for the realm ${realm}, and its krb5.conf for ${own ?? 'none'}`);
  }
  throw badKit(
    `the kit is for the realm ${realm}, and ${path}, which is kept, is for ${own ?? 'none'}`,
    `leave out --keep, or make default_realm = ${realm} there`,
  );
}

/** kpropd takes the name of its principal from the name of this host. */
async function requireHost(
  { host, realm }: Kit,
  krb5: Krb5Config,
  given: string | undefined,
): Promise<void> {
  const names = given === undefined ? await canonicalNames(hostname(), krb5) : [given];
  if (names.some((name) => name.toLowerCase() === host.toLowerCase())) return;
  const [name = ''] = names;
  throw badKit(
    `this kit is for ${host}, and this host is ${name}`,
    isSameHost(name.toLowerCase(), host.toLowerCase())
      ? `give this host its whole name: hostnamectl set-hostname ${host}, and a line in /etc/hosts; kpropd would look for host/${name}@${realm}`
      : `make one for this host on the primary: kpropctl kit ${name} > ${name}.kit; if this is ${host}, correct its name: hostnamectl set-hostname ${host}`,
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
