import { errnoText, krb5ErrorTexts } from '../com-err.ts';
import { config, errno, type Place, row, theKeytab } from './row.ts';

// com_err's texts by the reasons of config.value.
const configValueTexts: Readonly<Record<string, string | undefined>> = {
  'is not a boolean': 'Invalid boolean value',
  'is not an integer': 'Invalid integer value',
  'is not a duration': krb5ErrorTexts[248],
};

/** What is wrong with this host: its configuration, its key files, its C library. */
export const hostRows = {
  'config.no-realm': row<{ files: readonly string[] }>(
    config,
    224,
    (d) => `no default realm is configured${d.files.length > 0 ? ` in ${d.files.join(', ')}` : ''}`,
    'set default_realm in [libdefaults] of krb5.conf, or give the realm with -r',
  ),
  'config.syntax': row<{ file: string; line: number; reason: string }>(
    config,
    136,
    (d) => `${d.file} line ${d.line}: ${d.reason}`,
    (d) => `correct line ${d.line} of ${d.file}`,
  ),
  'config.include': row<Place & { file: string; line: number; kind: 'include' | 'includedir' }>(
    config,
    (d) => `Included profile ${d.kind === 'include' ? 'file' : 'directory'} could not be read`,
    (d) => `${d.file} line ${d.line}: cannot read ${d.path}: ${errnoText(d.errno)}`,
    (d) => `correct or remove line ${d.line} of ${d.file}`,
  ),
  'config.value': row<{ relation: string; value: string; reason: string }>(
    config,
    (d) => configValueTexts[d.reason] ?? 'Invalid argument',
    (d) => `${d.relation} = ${d.value} ${d.reason}`,
    (d) => `correct ${d.relation} in krb5.conf or kdc.conf`,
  ),
  'config.load': row<{ mode: string; reason: string }>(
    config,
    'Invalid argument',
    (d) => `loading ${d.mode} ${d.reason}`,
    'leave out --load, or set it to auto or complete',
  ),
  'config.user': row<{ user: string; reason: string }>(
    config,
    'Operation not permitted',
    (d) => `cannot serve as ${d.user}: ${d.reason}`,
    (d) =>
      `start kpropd as root, and give ${d.user} the keytab, the ACL, and the folders of the dump and of the database; or leave out --user`,
  ),
  'config.unreadable': row<Place>(
    config,
    errno,
    (d) => `cannot read ${d.path}: ${errnoText(d.errno)}`,
    'correct its permissions, or KRB5_CONFIG',
  ),
  'principal.malformed': row<{ text: string; reason: string }>(
    config,
    134,
    (d) => `"${d.text}" is no principal: ${d.reason}`,
    'write it as name/instance@REALM; a backslash escapes / @ and itself',
  ),
  'keytab.missing': row<Place>(
    config,
    errno,
    (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    theKeytab,
  ),
  'keytab.unknown-type': row<{ name: string }>(
    config,
    180,
    (d) => `"${d.name}" is no kind of keytab that is known here`,
    'name it FILE:/path, or just /path',
  ),
  'keytab.format': row<{ path: string; reason: string }>(
    config,
    (d) => (d.reason === 'bad record length' ? 235 : 213),
    (d) => `${d.path} is no keytab: ${d.reason}`,
    'remove the file and write it again with ktadd',
  ),
  'keytab.no-key': row<{ principal: string; keytab: string }>(
    config,
    181,
    (d) => `the keytab ${d.keytab} has no usable key for ${d.principal}`,
    theKeytab,
  ),
  'keytab.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>(
    config,
    230,
    (d) => `the keytab ${d.keytab} has other key versions of ${d.principal}, not ${d.kvno}`,
    theKeytab,
  ),
  'ccache.missing': row<Place>(
    config,
    (d) => (d.errno === 'ENOENT' ? 195 : errnoText(d.errno)),
    (d) => `cannot read the credential cache ${d.path}: ${errnoText(d.errno)}`,
    'get the ticket first (kinit -S host/replica), or use the keytab',
  ),
  'ccache.unknown-type': row<{ name: string }>(
    config,
    'Unknown credential cache type',
    (d) => `"${d.name}" is no kind of credential cache that is known here`,
    'name it FILE:/path, or just /path',
  ),
  'ccache.format': row<{ path: string; reason: string }>(
    config,
    199,
    (d) => `${d.path} is no credential cache: ${d.reason}`,
    'remove it and get the ticket again',
  ),
  'ccache.no-ticket': row<{ path: string; server: string }>(
    config,
    141,
    (d) => `the credential cache ${d.path} has no ticket for ${d.server}`,
    (d) => `get it first: kinit -c ${d.path} -S ${d.server}`,
  ),
  'host.no-koffi': row<{ reason: string }>(
    config,
    (d) => `the package koffi cannot be loaded (${d.reason})`,
    (d) => `the package koffi, our way to the C library, cannot be loaded: ${d.reason}`,
    'install kprop again, without --omit=optional: the part of koffi for this machine is an optional package',
    () => 'the package koffi cannot be loaded',
  ),
  'gss.unavailable': row<{ reason: string }>(
    config,
    undefined,
    (d) => `the GSS credential source cannot be used: ${d.reason}`,
    'install the optional package "kerberos" (it needs libkrb5-dev and a C++ compiler), or use the keytab source',
  ),
  'gss.failed': row<{ reason: string }>(
    config,
    undefined,
    (d) => `the system's Kerberos did not get the ticket: ${d.reason}`,
    'try it by hand: kinit -k, then kvno host/replica; KRB5_TRACE=/dev/stderr shows each step',
  ),
} as const;
