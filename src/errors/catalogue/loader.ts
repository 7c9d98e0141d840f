import { errnoText } from '../com-err.ts';
import { config, local, type Place, programOf, row } from './row.ts';

const whatIsLeft = {
  old: 'the database from before the load is live again',
  none: 'there was no database before the load, and there is none now',
  broken: 'the database from before the load could not be put back',
} as const;

/** A dump, and the line that decided. */
export interface Line {
  readonly path: string;
  readonly line: number;
  readonly reason: string;
}

function placeRemedy({ path, errno }: Place): string {
  return errno === 'ENOSPC' || errno === 'EDQUOT'
    ? 'make room on the disk that holds the database, then run kprop again'
    : `let kpropd write to the folder of ${path}, which -F or database_name in kdc.conf names`;
}

/** What goes wrong while a database is loaded. */
export const loaderRows = {
  'loader.missing': row<Place>({
    fault: config,
    comErr: (d) => `${errnoText(d.errno)} while trying to exec ${d.path}`,
    says: (d) => `cannot run ${d.path}: ${errnoText(d.errno)}`,
    remedy: 'install kdb5_util (Debian: apt-get install krb5-kdc), or give kpropd its path with -p',
    toPeer: (d) => `${errnoText(d.errno)} while trying to exec ${programOf(d.path)}`,
  }),
  'loader.failed': row<{ path: string; status: number; stderr: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) =>
      `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    says: (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    remedy:
      'run kdb5_util load by hand on the received dump to see why it fails; a db2 database is still the old one, but an LMDB database (klmdb) may be gone: check that it is there',
    toPeer: (d) => `${programOf(d.path)} returned a bad exit status (${d.status})`,
  }),
  'loader.unprotected': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while keeping the database for the time of the load`,
    says: (d) =>
      `cannot keep the old database ${d.path} under a second name during the load: ${errnoText(d.errno)}`,
    remedy: placeRemedy,
  }),
  'loader.unsound': row<{ path: string; reason: string; left: 'old' | 'none' | 'broken' }>({
    fault: { ...local, exit: 70 },
    comErr: 'kdb5_util reported success, but the new database is not sound',
    says: (d) =>
      `kdb5_util reported success, but the new database ${d.path} is not sound (${d.reason}); ${whatIsLeft[d.left]}`,
    remedy: 'look for a full or failing disk (df, dmesg), then run kprop again',
  }),
  'loader.refused': row<Line>({
    fault: { ...local, exit: 70 },
    comErr: 'the dump cannot be loaded safely',
    says: (d) =>
      `${d.path} is not loaded: line ${d.line}: ${d.reason}. kdb5_util would crash on it, or make a database that no KDC can use`,
    remedy:
      'run kdb5_util dump on the primary again, and compare that line; the live database is unchanged',
  }),
  'loader.not-native': row<Line>({
    fault: { ...local, exit: 70 },
    comErr: 'the dump can only be loaded by kdb5_util',
    says: (d) => `${d.path} is not loaded natively: line ${d.line}: ${d.reason}`,
    remedy:
      'leave out --load=native, so that kdb5_util loads such dumps; the live database is unchanged',
  }),
  'loader.rejected': row<{ path: string; reason: string }>({
    fault: { ...local, exit: 70 },
    comErr: 'the new database is not what the dump says',
    says: (d) =>
      `the database that was written for ${d.path} is not used: ${d.reason}. It is kept as ${d.path}.rejected`,
    remedy:
      'look for a failing disk or memory (dmesg); leave out --load=native, so that kdb5_util loads the dump; report it with the rejected file; the live database is unchanged',
  }),
  'loader.undone': row<{ path: string; reason: string }>({
    fault: { ...local, exit: 70 },
    comErr: 'the dump could not be loaded natively',
    says: (d) => `the dump was not loaded into ${d.path}: ${d.reason}`,
    remedy:
      'leave out --load=native, so that kdb5_util loads such dumps; the live database is unchanged',
  }),
  'loader.unwritten': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while writing the new database`,
    says: (d) => `cannot write the new database beside ${d.path}: ${errnoText(d.errno)}`,
    remedy: placeRemedy,
  }),
  'loader.other-master-key': row<{
    path: string;
    stash: string;
    held: string;
    masterKey: string;
    wanted: string;
  }>({
    fault: { ...local, exit: 70 },
    comErr: (d) =>
      `the stash file ${d.stash} (${d.held}) does not open ${d.masterKey} of the dump (${d.wanted})`,
    says: (d) =>
      `${d.path} is not loaded: the stash file ${d.stash} (${d.held}) does not open ${d.masterKey} of the dump (${d.wanted}), so krb5kdc could not start here any more`,
    remedy: (d) =>
      `copy the primary's stash file (key_stash_file in its kdc.conf) to ${d.stash} here, restart krb5kdc, and run kprop on the primary again; the live database is unchanged`,
    toPeer: (d) =>
      `the stash file ${programOf(d.stash)} of this replica (${d.held}) does not open the master key of the dump (${d.wanted}): copy the primary's stash file to the replica`,
  }),
  'loader.no-master-key': row<{ path: string; stash: string; masterKey: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) => `the dump has no entry ${d.masterKey}, without which no KDC can use it`,
    says: (d) =>
      `${d.path} is not loaded: it has no entry ${d.masterKey}, the master key, without which krb5kdc could not start here any more`,
    remedy:
      'dump the whole database on the primary (kdb5_util dump FILE, with no names of principals), and see that master_key_name is the same in both kdc.conf; the live database is unchanged',
    toPeer: () => 'the dump has no entry of the master key, without which no KDC can use it',
  }),
  'loader.killed': row<{ path: string; signal: string; stderr: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) => `${d.path} load terminated by ${d.signal}`,
    says: (d) => `${d.path} load terminated by ${d.signal}`,
    remedy:
      'find out what killed kdb5_util (dmesg, if memory ran out; or an administrator), then run kprop again',
    toPeer: (d) => `${programOf(d.path)} load terminated by ${d.signal}`,
  }),
} as const;
