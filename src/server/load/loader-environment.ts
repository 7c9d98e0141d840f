/** The environment as programs get it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The variables that kdb5_util and the database modules behind it read, of those that are set: paths
 * and traces of Kerberos (KRB5_CONFIG, KRB5_KDC_PROFILE, KRB5_TRACE and the like), the directory
 * client of kldap (LDAP*), where programs and libraries are found, the language of messages, the time
 * zone, and the folder for temporary files. Nothing that speaks to a service manager
 * (NOTIFY_SOCKET, LISTEN_FDS, WATCHDOG_USEC), nothing that loads foreign code, and no secrets of
 * whoever started the server.
 */
export function loaderEnvironment(all: Environment): Environment {
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.test(name)));
}

const wanted =
  /^(PATH|HOME|USER|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TMPDIR|LD_LIBRARY_PATH|KRB5\w*|LDAP\w*)$/;
