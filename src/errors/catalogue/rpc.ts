import { peer, row } from './row.ts';

/** What a primary's RPC service says to a call. */
export const rpcRows = {
  'rpc.denied': row<{ peer: string; auth: number; reason: string }>({
    fault: { ...peer, exit: 77, retry: true },
    comErr: (d) => `RPC: Authentication error; why = ${d.reason}`,
    says: (d) => `${d.peer} denied the call: ${d.reason}`,
    remedy:
      "look at the log of kadmind on the primary; its database must have kiprop/HOST, with the host as admin_server in this replica's krb5.conf names it",
  }),
  'rpc.failed': row<{ peer: string; status: number; reason: string }>({
    fault: { ...peer, retry: true },
    comErr: (d) => `RPC: ${d.reason}`,
    says: (d) => `${d.peer} did not do what it was asked for: ${d.reason}`,
    remedy:
      'check that iprop_port in kdc.conf is the port of kadmind, and that its iprop_enable is set',
  }),
} as const;
