import { errnoText } from '../com-err.ts';
import { config, errno, local, row, wait } from './row.ts';

/** What a replica's limits and its listener refuse. */
export const serverRows = {
  'server.timeout': row<{ millis: number }>({
    fault: { ...local, exit: 75 },
    comErr: (d) => `the propagation did not end within ${d.millis / 1000} s`,
    says: (d) => `the propagation did not end within ${d.millis / 1000} s`,
    remedy:
      'if the database is large, raise iprop_resync_timeout in kdc.conf or --timeout of kpropd on the replica; 0 means no limit',
  }),
  'server.busy': row<{ running: number; limit: number; whose: string }>({
    fault: wait,
    comErr: (d) => `${d.running} propagations${d.whose} are under way already`,
    says: (d) =>
      `${d.running} propagations${d.whose} are under way already; the limit is ${d.limit}`,
    remedy:
      'wait for them to end; if the primary starts one before the last has ended, run kprop less often there',
  }),
  'server.listen': row<{ address: string; errno: string }>({
    fault: { ...config, exit: 70 },
    comErr: errno,
    says: (d) => `cannot listen on ${d.address}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'EADDRINUSE'
        ? 'another kpropd, inetd or the systemd socket has the port: stop it, or choose another with -P'
        : 'choose another port with -P; ports below 1024 need root or CAP_NET_BIND_SERVICE',
  }),
} as const;
