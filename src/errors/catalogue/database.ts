import { errnoText } from '../com-err.ts';
import {
  config,
  errno,
  local,
  notKerberos,
  type Place,
  peer,
  programOf,
  row,
  wait,
} from './row.ts';

const runDump = 'run kdb5_util dump again and look at its exit status before kprop';

const whatIsLeft = {
  old: 'the one from before the load is live again',
  none: 'there was none before the load, and there is none now',
  broken: 'the one from before the load could not be put back',
} as const;

/** What happens to a dump: on the primary, on the way, and at the replica that loads it. */
export const databaseRows = {
  'dump.missing': row<Place>(
    local,
    errno,
    (d) => `cannot open the dump ${d.path}: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'ENOENT'
        ? `make it first: kdb5_util dump ${d.path.replace(/\.dump_ok$/, '')}`
        : 'give kprop the right file with -f, and the right to read it',
  ),
  'dump.not-ready': row<{ path: string; okPath: string }>(
    wait,
    undefined,
    (d) => `'${d.path}' more recent than '${d.okPath}'.`,
    'a dump is being written, or failed: wait for kdb5_util dump to end, look at its exit status, and run it again if need be',
  ),
  'dump.locked': row<{ path: string }>(
    wait,
    undefined,
    (d) => `the dump ${d.path} is locked by another process`,
    'another program writes it: wait for it to end',
  ),
  'dump.read': row<Place>(
    local,
    errno,
    (d) => `cannot read the dump ${d.path}: ${errnoText(d.errno)}`,
    'check the disk, and that -f names a file',
  ),
  'dump.bad-size': row<{ bytes: number }>(
    local,
    undefined,
    (d) => `the size of the dump is ${d.bytes}, which is no number of bytes`,
    'give the size of what the stream will yield, a whole number of 0 or more',
  ),
  'dump.changed': row<{ expected: number; got: number }>(
    wait,
    undefined,
    (d) => `the dump changed while it was sent: ${d.expected} bytes at first, ${d.got} at its end`,
    `something rewrites the file in place; ${runDump}`,
  ),
  'kprop.bad-size': row<{ reason: string }>(
    peer,
    undefined,
    (d) => `the database size message is malformed: ${d.reason}`,
    notKerberos,
  ),
  'kprop.too-much': row<{ received: number; expected: number }>(
    peer,
    undefined,
    (d) => `Received ${d.received} bytes, expected ${d.expected} bytes for database file`,
    'the dump changed while it was sent, or the sender is broken: nothing was loaded; run kprop again',
  ),
  'kprop.too-large': row<{ bytes: number; limit: number }>(
    peer,
    (d) => `the dump has ${d.bytes} bytes; this replica takes ${d.limit}`,
    (d) => `the dump has ${d.bytes} bytes; this replica takes ${d.limit}`,
    'if the database has really grown that large, raise --max-dump on the replica',
  ),
  'kprop.wrong-confirmation': row<{ sent: number; confirmed: number }>(
    peer,
    undefined,
    (d) => `Kpropd sent database size ${d.confirmed}, expecting ${d.sent}`,
    'the replica loaded something else than was sent: look at its log, and run kprop again',
  ),
  'spool.busy': row<{ path: string }>(
    wait,
    (d) => `the spool file ${d.path} is locked by another propagation`,
    (d) => `the spool file ${d.path} is locked by another process`,
    'another propagation is running here: wait for it to end',
    () => 'the spool file is locked by another propagation',
  ),
  'spool.write': row<Place>(
    local,
    errno,
    (d) => `cannot write the spool file ${d.path}: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'ENOSPC' || d.errno === 'EDQUOT'
        ? 'make room on this disk, then run kprop again'
        : 'check the directory that -f names, its owner and its permissions',
  ),
  'spool.planted': row<{ path: string; reason: string }>(
    local,
    (d) => `the spool file ${d.path} ${d.reason}`,
    (d) =>
      `the spool file ${d.path} ${d.reason}: a dump holds every key of the realm and is not written there`,
    'see who made that file and remove it; let only the user that kpropd runs as write to the folder that -f names',
    () => 'the spool file here was put there by somebody else',
  ),
  'spool.superseded': row<{
    client: string;
    authenticated?: string | undefined;
    newest?: string | undefined;
  }>(
    wait,
    (d) =>
      `a newer propagation was loaded meanwhile${d.newest === undefined ? '' : `: of ${d.newest}, this one is of ${d.authenticated}`}`,
    (d) =>
      `a newer propagation than this one of ${d.client} was loaded meanwhile${d.newest === undefined ? '' : `: of ${d.newest}, this one is of ${d.authenticated}`}`,
    (d) =>
      d.newest === undefined
        ? 'nothing is lost: the newer database is live; let propagations to one replica not overlap'
        : `nothing is lost: the newer database is live; if a clock was set back since, propagations pass again once it shows more than ${d.newest}`,
  ),
  'spool.state': row<Place>(
    local,
    errno,
    (d) => `the state file ${d.path} cannot be used: ${errnoText(d.errno)}`,
    (d) => `propagations go on without it; if it is damaged, remove ${d.path}`,
  ),
  'spool.malformed': row<{ path: string; reason: string }>(
    peer,
    (d) => `the dump was not loaded: it ${d.reason}`,
    (d) => `the dump in ${d.path} was not loaded: it ${d.reason}`,
    runDump,
  ),
  'loader.missing': row<Place>(
    config,
    (d) => `${errnoText(d.errno)} while trying to exec ${d.path}`,
    (d) => `cannot run ${d.path}: ${errnoText(d.errno)}`,
    'install kdb5_util (Debian: krb5-kdc), or name it with -p',
    (d) => `${errnoText(d.errno)} while trying to exec ${programOf(d.path)}`,
  ),
  'loader.failed': row<{ path: string; status: number; stderr: string }>(
    { ...local, exit: 70 },
    (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    'a db2 database is the one from before; of an LMDB database (klmdb) a load that fails may have deleted it: look whether it is there. See what kdb5_util says, and try it by hand on the spool file',
    (d) => `${programOf(d.path)} returned a bad exit status (${d.status})`,
  ),
  'loader.unprotected': row<Place>(
    local,
    (d) => `${errnoText(d.errno)} while keeping the database for the time of the load`,
    (d) => `cannot keep the database ${d.path} for the time of the load: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'ENOSPC' || d.errno === 'EDQUOT'
        ? 'make room on the disk that holds the database, then run kprop again'
        : 'check the folder of the database, its owner and its permissions; it is the one of -F, or of database_name in kdc.conf',
  ),
  'loader.unsound': row<{ path: string; reason: string; left: 'old' | 'none' | 'broken' }>(
    { ...local, exit: 70 },
    'kdb5_util reported success, but the new database is not sound',
    (d) =>
      `kdb5_util reported success, but the new database ${d.path} is not sound (${d.reason}); ${whatIsLeft[d.left]}`,
    'look for a full or failing disk (df, the system log), then run kprop again',
  ),
  'loader.killed': row<{ path: string; signal: string; stderr: string }>(
    { ...local, exit: 70 },
    (d) => `${d.path} load terminated by ${d.signal}`,
    (d) => `${d.path} load terminated by ${d.signal}`,
    'something ended kdb5_util (the kernel out of memory, an administrator): look at the system log, then run kprop again',
    (d) => `${programOf(d.path)} load terminated by ${d.signal}`,
  ),
} as const;
