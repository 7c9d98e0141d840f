import { errnoText } from '../com-err.ts';
import { config, local, type Place, programOf, row } from './row.ts';

const whatIsLeft = {
  old: 'the one from before the load is live again',
  none: 'there was none before the load, and there is none now',
  broken: 'the one from before the load could not be put back',
} as const;

/** What goes wrong while a database is loaded. */
export const loaderRows = {
  'loader.missing': row<Place>({
    fault: config,
    comErr: (d) => `${errnoText(d.errno)} while trying to exec ${d.path}`,
    says: (d) => `cannot run ${d.path}: ${errnoText(d.errno)}`,
    remedy: 'install kdb5_util (Debian: krb5-kdc), or name it with -p',
    toPeer: (d) => `${errnoText(d.errno)} while trying to exec ${programOf(d.path)}`,
  }),
  'loader.failed': row<{ path: string; status: number; stderr: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) =>
      `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    says: (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    remedy:
      'a db2 database is the one from before; of an LMDB database (klmdb) a load that fails may have deleted it: look whether it is there. See what kdb5_util says, and try it by hand on the spool file',
    toPeer: (d) => `${programOf(d.path)} returned a bad exit status (${d.status})`,
  }),
  'loader.unprotected': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while keeping the database for the time of the load`,
    says: (d) =>
      `cannot keep the database ${d.path} for the time of the load: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOSPC' || d.errno === 'EDQUOT'
        ? 'make room on the disk that holds the database, then run kprop again'
        : 'check the folder of the database, its owner and its permissions; it is the one of -F, or of database_name in kdc.conf',
  }),
  'loader.unsound': row<{ path: string; reason: string; left: 'old' | 'none' | 'broken' }>({
    fault: { ...local, exit: 70 },
    comErr: 'kdb5_util reported success, but the new database is not sound',
    says: (d) =>
      `kdb5_util reported success, but the new database ${d.path} is not sound (${d.reason}); ${whatIsLeft[d.left]}`,
    remedy: 'look for a full or failing disk (df, the system log), then run kprop again',
  }),
  'loader.killed': row<{ path: string; signal: string; stderr: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) => `${d.path} load terminated by ${d.signal}`,
    says: (d) => `${d.path} load terminated by ${d.signal}`,
    remedy:
      'something ended kdb5_util (the kernel out of memory, an administrator): look at the system log, then run kprop again',
    toPeer: (d) => `${programOf(d.path)} load terminated by ${d.signal}`,
  }),
} as const;
