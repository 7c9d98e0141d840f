import { errnoText } from '../com-err.ts';
import { errno, folderOf, local, type Place, peer, row, runDump, wait, writable } from './row.ts';

/** What goes wrong with the file that a dump is received into. */
export const spoolRows = {
  'spool.busy': row<{ path: string }>({
    fault: wait,
    comErr: (d) => `the spool file ${d.path} is locked by another propagation`,
    says: (d) => `the spool file ${d.path} is locked by another process`,
    remedy: (d) => `wait for that propagation to end (\`fuser -v ${d.path}\` shows whose it is)`,
    toPeer: () => 'the spool file is locked by another propagation',
  }),
  'spool.write': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `cannot write the spool file ${d.path}: ${errnoText(d.errno)}`,
    remedy: writable,
  }),
  'spool.planted': row<{ path: string; reason: string }>({
    fault: local,
    comErr: (d) => `the spool file ${d.path} ${d.reason}`,
    says: (d) =>
      `the spool file ${d.path} ${d.reason}: a dump holds every key of the realm and is not written there`,
    remedy: (d) =>
      `find out who made it, run \`rm ${d.path}\`, and let nobody else write to ${folderOf(d.path)}`,
    toPeer: () => 'the spool file here was put there by somebody else',
  }),
  'spool.superseded': row<{
    client: string;
    authenticated?: string | undefined;
    newest?: string | undefined;
  }>({
    fault: wait,
    comErr: (d) =>
      `a newer propagation was loaded meanwhile${d.newest === undefined ? '' : `: of ${d.newest}, this one is of ${d.authenticated}`}`,
    says: (d) =>
      `a newer propagation than this one of ${d.client} has been loaded${d.newest === undefined ? '' : `: it authenticated at ${d.newest}, this one at ${d.authenticated}`}`,
    remedy: (d) =>
      d.newest === undefined
        ? 'nothing has to be done: the newer database is live'
        : `nothing has to be done: the newer database is live; if a clock was set back, run kprop after ${d.newest}`,
  }),
  'spool.state': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `the state file ${d.path} cannot be used: ${errnoText(d.errno)}`,
    remedy: (d) => `if it is damaged, run \`rm ${d.path}\`; propagations go on without it`,
  }),
  'spool.malformed': row<{ path: string; reason: string }>({
    fault: peer,
    comErr: (d) => `the dump was not loaded: it ${d.reason}`,
    says: (d) => `the dump in ${d.path} was not loaded: it ${d.reason}`,
    remedy: runDump,
  }),
} as const;
