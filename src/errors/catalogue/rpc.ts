import { peer, row } from './row.ts';

/** What a primary's RPC service says to a call. */
export const rpcRows = {
  'rpc.denied': row<{ peer: string; auth: number; reason: string }>({
    fault: { ...peer, exit: 77, retry: true },
    comErr: (d) => `RPC: Authentication error; why = ${d.reason}`,
    says: (d) => `${d.peer} denied the call: ${d.reason}`,
    remedy:
      'on the primary, read the log of kadmind; the realm needs kiprop/HOST, HOST as admin_server in krb5.conf here names it',
  }),
  'rpc.failed': row<{ peer: string; status: number; reason: string }>({
    fault: { ...peer, retry: true },
    comErr: (d) => `RPC: ${d.reason}`,
    says: (d) => `${d.peer} did not do what it was asked for: ${d.reason}`,
    remedy: 'set iprop_port to the port of kadmind, and on the primary, iprop_enable in kdc.conf',
  }),
} as const;
