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
        ? `set admin_server in [realms] ${d.realm} of krb5.conf, or start kpropd with -A HOST`
        : `set iprop_port in [realms] ${d.realm} of kdc.conf to that of the primary's kadmind`,
  }),
  'iprop.unreachable': row<{ host: string; port: number; errno: string }>({
    fault: network,
    comErr: 'Communication failure with server',
    says: (d) => `cannot connect to kadmind on ${d.host} port ${d.port}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      `on ${d.host}, start kadmind with iprop_enable and iprop_port ${d.port} in kdc.conf; let it through the firewall`,
  }),
  'iprop.no-service': row<{ server: string }>({
    fault: config,
    comErr: 'Database error! Required KADM5 principal missing',
    says: (d) => `the realm has no ${d.server}`,
    remedy: (d) =>
      `on the primary, run \`kadmin.local -q "addprinc -randkey ${d.server}"\`, or correct admin_server (-A), whose host it names`,
  }),
  'iprop.not-opened': row<{ reason: string }>({
    fault: local,
    comErr: (d) => d.reason,
    says: (d) => `the update log or the database cannot be opened: ${d.reason}`,
    remedy:
      'let kpropd write both; if the log is damaged, run `kproplog -R`, and a full resync follows',
  }),
  'iprop.denied': row<Record<never, never>>({
    fault: { ...peer, exit: 77, retry: true },
    says: () => 'the primary denies updates to this replica',
    remedy: 'on the primary, give kiprop/THIS.HOST the right p in kadm5.acl, then restart kadmind',
  }),
  'iprop.refused': row<{ status: number }>({
    fault: { ...peer, retry: true },
    says: (d) =>
      d.status === 3 ? 'the primary is busy' : `the primary failed (status ${d.status})`,
    remedy: 'on the primary, read the log of kadmind',
  }),
  'iprop.bad-update': row<{ serial: number; reason: string }>({
    fault: peer,
    comErr: 'Update log conversion error',
    says: (d) => `update ${d.serial} of the primary is not applied: ${d.reason}`,
    remedy:
      'nothing has to be done: a full resync follows; if it comes back, on the primary, run `kproplog -v`',
  }),
  'iprop.not-applied': row<{ reason: string }>({
    fault: local,
    comErr: (d) => d.reason,
    says: (d) => `the updates were not applied to the database: ${d.reason}`,
    remedy:
      'let kpropd write the database and the update log, and see that the disk is not full; a full resync follows',
  }),
  'iprop.no-library': row<{ reason: string }>({
    fault: config,
    says: (d) => `the library of the Kerberos database cannot be used: ${d.reason}`,
    remedy:
      'run `apt-get install krb5-kdc`, which brings libkdb5; until then only full propagations are served',
  }),
  'iprop.crashed': row<{ how: string }>({
    fault: local,
    comErr: 'the process that applies updates has ended',
    says: (d) => `the process that applies updates has ended (${d.how})`,
    remedy:
      'nothing has to be done: a new one is started, and the next poll goes on from the update log',
  }),
} as const;
