import { errnoText } from '../com-err.ts';
import { errno, local, type Place, peer, row, runDump, wait } from './row.ts';

/** What goes wrong with the file that a dump is received into. */
export const spoolRows = {
  'spool.busy': row<{ path: string }>({
    fault: wait,
    comErr: (d) => `the spool file ${d.path} is locked by another propagation`,
    says: (d) => `the spool file ${d.path} is locked by another process`,
    remedy: 'another propagation is running here: wait for it to end',
    toPeer: () => 'the spool file is locked by another propagation',
  }),
  'spool.write': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `cannot write the spool file ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOSPC' || d.errno === 'EDQUOT'
        ? 'make room on this disk, then run kprop again'
        : `let kpropd write to the folder of ${d.path}, which -f names`,
  }),
  'spool.planted': row<{ path: string; reason: string }>({
    fault: local,
    comErr: (d) => `the spool file ${d.path} ${d.reason}`,
    says: (d) =>
      `the spool file ${d.path} ${d.reason}: a dump holds every key of the realm and is not written there`,
    remedy:
      'find out who made that file, and remove it; let only the user that kpropd runs as write to the folder that -f names',
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
        ? 'nothing is lost, the newer database is live; to avoid this, start a propagation to a replica when the last one has ended'
        : `nothing is lost, the newer database is live; if a clock was set back since, propagations are accepted again once it is past ${d.newest}`,
  }),
  'spool.state': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `the state file ${d.path} cannot be used: ${errnoText(d.errno)}`,
    remedy: (d) => `remove ${d.path} if it is damaged; propagations go on without it`,
  }),
  'spool.malformed': row<{ path: string; reason: string }>({
    fault: peer,
    comErr: (d) => `the dump was not loaded: it ${d.reason}`,
    says: (d) => `the dump in ${d.path} was not loaded: it ${d.reason}`,
    remedy: runDump,
  }),
} as const;
