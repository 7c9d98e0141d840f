import { errnoText } from '../com-err.ts';
import { config, local, network, peer, row } from './row.ts';

/** Incremental propagation: the primary's answers, and what is done with its updates. */
export const ipropRows = {
  'iprop.no-primary': row<{ realm: string; relation: 'admin_server' | 'iprop_port' }>({
    fault: config,
    comErr: 'Missing parameters in krb5.conf required for kadmin client',
    says: (d) => `${d.relation} of realm ${d.realm} is not set`,
    remedy: (d) =>
      d.relation === 'admin_server'
        ? `set admin_server in [realms] ${d.realm} of krb5.conf, or give kpropd -A HOST`
        : `set iprop_port in [realms] ${d.realm} of krb5.conf or kdc.conf to the port of the primary's kadmind`,
  }),
  'iprop.unreachable': row<{ host: string; port: number; errno: string }>({
    fault: network,
    comErr: 'Communication failure with server',
    says: (d) => `cannot connect to kadmind on ${d.host} port ${d.port}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      `check that kadmind runs on ${d.host} with iprop_enable and iprop_port ${d.port}, and that no firewall is between`,
  }),
  'iprop.no-service': row<{ server: string }>({
    fault: config,
    comErr: 'Database error! Required KADM5 principal missing',
    says: (d) => `the realm has no ${d.server}`,
    remedy: (d) =>
      `add it on the primary, kadmin.local addprinc -randkey ${d.server}, or correct admin_server (-A), whose host it names`,
  }),
  'iprop.not-opened': row<{ reason: string }>({
    fault: local,
    comErr: (d) => d.reason,
    says: (d) => `the update log or the database cannot be opened: ${d.reason}`,
    remedy:
      'check that kpropd may write both; if the log is corrupt, remove it while no Kerberos program runs, and a full resync follows',
  }),
  'iprop.denied': row<Record<never, never>>({
    fault: { ...peer, exit: 77, retry: true },
    says: () => 'the primary denies updates to this replica',
    remedy:
      'give kiprop/THIS.HOST the right p in kadm5.acl on the primary, then restart kadmind there: it reads that file once',
  }),
  'iprop.refused': row<{ status: number }>({
    fault: { ...peer, retry: true },
    says: (d) =>
      d.status === 3 ? 'the primary is busy' : `the primary failed (status ${d.status})`,
    remedy: 'look at the log of kadmind on the primary',
  }),
  'iprop.bad-update': row<{ serial: number; reason: string }>({
    fault: peer,
    comErr: 'Update log conversion error',
    says: (d) => `update ${d.serial} of the primary is not applied: ${d.reason}`,
    remedy:
      'nothing has to be done: kpropd asks for a full resync; if it happens again, run kproplog -v on the primary and look at that update',
  }),
  'iprop.not-applied': row<{ reason: string }>({
    fault: local,
    comErr: (d) => d.reason,
    says: (d) => `the updates were not applied to the database: ${d.reason}`,
    remedy:
      'check that kpropd may write the database and the update log, and that the disk is not full; the next poll asks for a full resync',
  }),
  'iprop.no-library': row<{ reason: string }>({
    fault: config,
    says: (d) => `the library of the Kerberos database cannot be used: ${d.reason}`,
    remedy:
      'install the KDC of this host (Debian: apt-get install krb5-kdc), which brings libkdb5; until then full propagations are served, and this replica does not poll its primary',
  }),
  'iprop.crashed': row<{ how: string }>({
    fault: local,
    comErr: 'the process that applies updates has ended',
    says: (d) => `the process that applies updates has ended (${d.how})`,
    remedy:
      'nothing has to be done: a new one is started, and the next poll goes on from what the update log says',
  }),
} as const;
