import { config, local, network, row } from './row.ts';

/** What went wrong in the program that uses the library: in its options, or in what it passed to it. */
export const callerRows = {
  'caller.option': row<{ call: string; option: string; reason: string }>({
    fault: config,
    says: (d) => `${d.call}: the option ${d.option} ${d.reason}`,
    remedy: (d) => `correct the call: see the documentation of ${d.call}`,
  }),
  'caller.timeout': row<{ reason: string }>({
    fault: network,
    comErr: 'Connection timed out',
    says: (d) => `the time limit of the caller has run out: ${d.reason}`,
    remedy: 'look at what took so long (the events tell the phase), or give it more time',
    toPeer: () => 'stopped',
  }),
  'caller.stream': row<{ reason: string }>({
    fault: local,
    comErr: (d) => d.reason,
    says: (d) => `the stream that should give the dump failed: ${d.reason}`,
    remedy: 'mend the source of the stream; the replica has kept its database',
    toPeer: () => 'the sender cannot read its dump',
  }),
  'caller.closed': row<{ path: string }>({
    fault: local,
    says: (d) => `the shared dump ${d.path} was closed before this propagation began to read it`,
    remedy: 'close a shared dump only after all propagations of it have ended',
  }),
  'caller.loader': row<{ reason: string }>({
    fault: { ...local, exit: 70 },
    comErr: (d) => d.reason,
    says: (d) => `the loader failed: ${d.reason}`,
    remedy: 'look at the loader of this replica',
    toPeer: (d) => d.reason,
  }),
} as const;
