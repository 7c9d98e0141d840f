import { errnoText } from '../com-err.ts';
import { config, local, type Place, programOf, row, writable } from './row.ts';

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

/** What goes wrong while a database is loaded. */
export const loaderRows = {
  'loader.missing': row<Place>({
    fault: config,
    comErr: (d) => `${errnoText(d.errno)} while trying to exec ${d.path}`,
    says: (d) => `cannot run ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'EACCES'
        ? `run \`chmod 755 ${d.path}\``
        : 'run `apt-get install krb5-kdc`, or start kpropd with -p and the path of kdb5_util',
    toPeer: (d) => `${errnoText(d.errno)} while trying to exec ${programOf(d.path)}`,
  }),
  'loader.failed': row<{ path: string; status: number; stderr: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) =>
      `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    says: (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    why: (d) => (d.stderr === '' ? `${d.path} said nothing` : `${d.path} said: ${d.stderr}`),
    remedy: (d) =>
      `correct what it names, then run kprop again; db2: the old database is live; LMDB: check that it is still there (\`${programOf(d.path)} dump\`)`,
    toPeer: (d) => `${programOf(d.path)} returned a bad exit status (${d.status})`,
  }),
  'loader.unprotected': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while keeping the database for the time of the load`,
    says: (d) =>
      `cannot keep the old database ${d.path} under a second name during the load: ${errnoText(d.errno)}`,
    remedy: writable,
  }),
  'loader.unsound': row<{ path: string; reason: string; left: 'old' | 'none' | 'broken' }>({
    fault: { ...local, exit: 70 },
    comErr: 'kdb5_util reported success, but the new database is not sound',
    says: (d) =>
      `kdb5_util reported success, but the new database ${d.path} is not sound (${d.reason}); ${whatIsLeft[d.left]}`,
    remedy: 'look for a full or failing disk (`df`, `dmesg`), then run kprop again',
  }),
  'loader.refused': row<Line>({
    fault: { ...local, exit: 70 },
    comErr: 'the dump cannot be loaded safely',
    says: (d) =>
      `${d.path} is not loaded: line ${d.line}: ${d.reason}. kdb5_util would crash on it, or make a database that no KDC can use`,
    remedy: (d) =>
      `on the primary, run \`kdb5_util dump\` again, and compare line ${d.line}; the live database is unchanged`,
  }),
  'loader.not-native': row<Line>({
    fault: { ...local, exit: 70 },
    comErr: 'the dump can only be loaded by kdb5_util',
    says: (d) => `${d.path} is not loaded natively: line ${d.line}: ${d.reason}`,
    remedy:
      'start kpropd without --load=native, so that kdb5_util loads it; the live database is unchanged',
  }),
  'loader.rejected': row<{ path: string; reason: string }>({
    fault: { ...local, exit: 70 },
    comErr: 'the new database is not what the dump says',
    says: (d) =>
      `the database that was written for ${d.path} is not used: ${d.reason}. It is kept as ${d.path}.rejected`,
    remedy:
      'look for a failing disk or memory (`dmesg`); start kpropd without --load=native; the live database is unchanged',
  }),
  'loader.undone': row<{ path: string; reason: string }>({
    fault: { ...local, exit: 70 },
    comErr: 'the dump could not be loaded natively',
    says: (d) => `the dump was not loaded into ${d.path}: ${d.reason}`,
    remedy:
      'start kpropd without --load=native, so that kdb5_util loads it; the live database is unchanged',
  }),
  'loader.unwritten': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while writing the new database`,
    says: (d) => `cannot write the new database beside ${d.path}: ${errnoText(d.errno)}`,
    remedy: writable,
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
    why: (d) => `${d.signal} ended ${d.path}: memory ran out, or somebody sent it`,
    remedy: 'run kprop again; if it fails again, run `dmesg`',
    toPeer: (d) => `${programOf(d.path)} load terminated by ${d.signal}`,
  }),
} as const;
