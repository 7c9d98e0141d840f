import { errnoText } from '../../errors/com-err.ts';
import { isKpropError } from '../../errors/kprop-error.ts';
import { enctypeName } from '../../protocol/krb5/crypto/profiles.ts';
import type { KeytabEntry } from '../../protocol/krb5/formats/keytab.ts';
import type { CheckedSite } from './checked-site.ts';
import { exposureFindings } from './exposure-check.ts';
import { type CheckFinding, failed, failure, ok } from './finding.ts';
import { wantedName } from './name-check.ts';
import { type OwnKeys, readOwnKeys } from './own-keys.ts';
import { shellWord } from './shell-word.ts';

/** The keys with which primaries' tickets are opened. */
export async function keytabChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  let keys: OwnKeys;
  try {
    keys = readOwnKeys(site);
  } catch (error) {
    return [unreadable(site, error)];
  }
  const { keytab } = site;
  return [
    ...keyFindings(site, keys),
    ...exposureFindings('keytab', [{ kind: 'keytab', path: keytab }]),
  ];
}

/** The command that writes the keys of a principal into the keytab. */
export function ktadd({ keytab }: CheckedSite, principal: string): string {
  return `kadmin -q "ktadd -k ${keytab} ${principal}"`;
}

function unreadable(site: CheckedSite, error: unknown): CheckFinding {
  const { keytab, services } = site;
  const add = ktadd(site, `${services[0]}`);
  if (isKpropError(error, 'keytab.format')) {
    return failure('keytab', error.message, `rm ${shellWord(keytab)} && ${add}`);
  }
  if (!isKpropError(error, 'keytab.missing')) return failed('keytab', error);
  const { errno } = error.detail;
  if (errno === 'ENOENT') return failure('keytab', `there is no keytab ${keytab}`, add);
  if (errno === 'EINVAL') {
    return failure(
      'keytab',
      `the keytab ${keytab} is not a file`,
      `rm -r ${shellWord(keytab)} && ${add}`,
    );
  }
  const what = `the keytab ${keytab} cannot be read: ${errnoText(errno)}`;
  return failure('keytab', what, error.remedy);
}

function keyFindings(site: CheckedSite, keys: OwnKeys): readonly CheckFinding[] {
  const { services, keytab, config, realm } = site;
  if (keys.usable.length > 0) {
    const permitted = config.permittedEnctypes;
    const good = newest(keys.usable).filter(({ enctype }) => permitted.includes(enctype));
    if (good.length > 0) return [ok('keytab', `${keytab} has ${described(good)}`)];
    const what = `${keytab} has only keys that permitted_enctypes excludes: ${described(keys.usable)}`;
    const [first] = newest(keys.usable);
    const held = enctypeName(first?.enctype ?? 0);
    const fix = `write under [libdefaults] of krb5.conf: permitted_enctypes = ${held}`;
    return [failure('keytab', what, fix)];
  }
  // That check says what to do.
  if (wantedName(site) !== undefined) return [];
  const [other] = keys.otherRealms;
  if (other !== undefined && keys.hosts.length === 0) {
    const what = `${keytab} has keys of the realm ${other}, and kpropd serves ${realm}`;
    const fix =
      site.options.realm === undefined
        ? `write under [libdefaults] of krb5.conf: default_realm = ${other}`
        : `start kpropd with -r ${other}`;
    return [failure('keytab', what, fix)];
  }
  const held = keys.hosts.length === 0 ? '' : `, but keys of ${keys.hosts.join(', ')}`;
  const what = `${keytab} has no key of ${services[0]}${held}`;
  return [failure('keytab', what, ktadd(site, `${services[0]}`))];
}

/** The entries with the highest key version of their principal. */
function newest(entries: readonly KeytabEntry[]): readonly KeytabEntry[] {
  const newer = (one: KeytabEntry, other: KeytabEntry) =>
    one.principal.equals(other.principal) && one.kvno > other.kvno;
  return entries.filter((entry) => !entries.some((other) => newer(other, entry)));
}

/** Such as `host/kdc2@R version 3 (aes256-cts-hmac-sha1-96)`. */
function described(entries: readonly KeytabEntry[]): string {
  const enctypes = new Map<string, Set<string>>();
  for (const { principal, kvno, enctype } of entries) {
    const key = `${principal} version ${kvno}`;
    enctypes.set(key, (enctypes.get(key) ?? new Set()).add(enctypeName(enctype)));
  }
  return [...enctypes].map(([key, names]) => `${key} (${[...names].join(', ')})`).join(', ');
}
