import { libc } from './libc.ts';

/** The uid and gid of a user by name (getpwnam(3)), undefined if there is no such user. */
export function userByName(name: string): { uid: number; gid: number } | undefined {
  const { koffi, self } = libc();
  const passwd = koffi.struct({
    pw_name: 'str',
    pw_passwd: 'str',
    pw_uid: 'uint32',
    pw_gid: 'uint32',
  });
  const found = self.func('getpwnam', 'void *', ['str'])(name);
  if (found === null || found === 0n) return undefined;
  const { pw_uid, pw_gid } = koffi.decode(found, passwd);
  return { uid: pw_uid, gid: pw_gid };
}
