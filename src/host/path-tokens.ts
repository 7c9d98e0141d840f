import { tmpdir, userInfo } from 'node:os';

/** The values of `%{…}` in paths of krb5.conf on this host. @see krb5.conf(5), expand_path.c */
export function pathTokens(): ReadonlyMap<string, string> {
  const uid = String(process.getuid?.() ?? 0);
  return new Map([
    ['TEMP', tmpdir()],
    ['uid', uid],
    ['USERID', uid],
    ['euid', String(process.geteuid?.() ?? 0)],
    ['username', userInfo().username],
    ['null', ''],
    ['LIBDIR', '/usr/lib'],
    ['BINDIR', '/usr/bin'],
    ['SBINDIR', '/usr/sbin'],
  ]);
}
