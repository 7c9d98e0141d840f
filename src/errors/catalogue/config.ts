import { errnoText, krb5ErrorTexts } from '../com-err.ts';
import { config, errno, type Place, row } from './row.ts';

// com_err's text for each `reason` of config.value.
const configValueTexts: Readonly<Record<string, string | undefined>> = {
  'is not a boolean': 'Invalid boolean value',
  'is not an integer': 'Invalid integer value',
  'is not a duration': krb5ErrorTexts[248],
};

/** What is wrong with the configuration of this host. */
export const configRows = {
  'config.no-realm': row<{ files: readonly string[]; missing?: readonly string[] }>({
    fault: config,
    comErr: 224,
    says: (d) =>
      `no default realm is configured${d.files.length > 0 ? ` in ${d.files.join(', ')}` : ''}`,
    why: ({ files, missing = [] }) =>
      files.length > 0 || missing.length === 0
        ? undefined
        : `${missing.join(' and ')} ${missing.length === 1 ? 'does' : 'do'} not exist`,
    remedy: ({ files, missing = [] }) =>
      files.length > 0 || missing.length === 0 || missing.includes('/etc/krb5.conf')
        ? `set \`default_realm = REALM\` in [libdefaults] of ${files.at(-1) ?? '/etc/krb5.conf'}, or give the realm with -r`
        : 'run `unset KRB5_CONFIG`, or name the right file in it',
  }),
  'config.syntax': row<{ file: string; line: number; reason: string }>({
    fault: config,
    comErr: 136,
    says: (d) => `${d.file} line ${d.line}: ${d.reason}`,
    remedy: (d) => `correct line ${d.line} of ${d.file}`,
  }),
  'config.include': row<Place & { file: string; line: number; kind: 'include' | 'includedir' }>({
    fault: config,
    comErr: (d) =>
      `Included profile ${d.kind === 'include' ? 'file' : 'directory'} could not be read`,
    says: (d) => `${d.file} line ${d.line}: cannot read ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) => `correct or remove line ${d.line} of ${d.file}`,
  }),
  'config.value': row<{ relation: string; value: string; reason: string }>({
    fault: config,
    comErr: (d) => configValueTexts[d.reason] ?? 'Invalid argument',
    says: (d) => `${d.relation} = ${d.value} ${d.reason}`,
    remedy: (d) => `correct ${d.relation} in krb5.conf or kdc.conf`,
  }),
  'config.load': row<{ mode: string; reason: string }>({
    fault: config,
    comErr: 'Invalid argument',
    says: (d) => `loading ${d.mode} ${d.reason}`,
    remedy: 'leave out --load, or set it to auto or complete',
  }),
  'config.user': row<{ user: string; reason: string }>({
    fault: config,
    comErr: 'Operation not permitted',
    says: (d) => `cannot run as the user ${d.user}: ${d.reason}`,
    remedy: (d) => `start kpropd as root, and let ${d.user} do that; or leave out --user`,
  }),
  'config.unreadable': row<Place>({
    fault: config,
    comErr: errno,
    says: (d) => `cannot read ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      `run this as root, or correct the permissions of ${d.path}, or the variable that names it (KRB5_CONFIG, KRB5_KDC_PROFILE)`,
  }),
} as const;
