import { libc } from './libc.ts';

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The uid and gid of a user by name (getpwnam(3)), undefined if there is no such user. */
export function userByName(name: string): User | undefined {
  return decoded(libc().self.func('getpwnam', 'void *', ['str'])(name));
}

/** The name of a user (getpwuid(3)); undefined if the uid has none. */
export function userById(uid: number): string | undefined {
  try {
    return decoded(libc().self.func('getpwuid', 'void *', ['uint32'])(uid))?.name;
  } catch {
    return undefined; // without the C library it cannot be known
  }
}

function decoded(found: unknown): User | undefined {
  if (found === null || found === 0n) return undefined;
  const { koffi } = libc();
  const passwd = koffi.struct({
    pw_name: 'str',
    pw_passwd: 'str',
    pw_uid: 'uint32',
    pw_gid: 'uint32',
  });
  const { pw_name, pw_uid, pw_gid } = koffi.decode(found, passwd);
  return { name: pw_name, uid: pw_uid, gid: pw_gid };
}
