import { errnoText } from '../com-err.ts';
import { config, errno, local, row, wait } from './row.ts';

/** What a replica's listener cannot do. */
export const serverRows = {
  'server.timeout': row<{ millis: number }>({
    fault: { ...local, exit: 75 },
    comErr: (d) => `the propagation did not end within ${d.millis / 1000} s`,
    says: (d) => `the propagation did not end within ${d.millis / 1000} s`,
    remedy:
      'raise iprop_resync_timeout in kdc.conf on the replica if the database is big; 0 is without a limit',
  }),
  'server.busy': row<{ running: number; limit: number; whose: string }>({
    fault: wait,
    comErr: (d) => `${d.running} propagations${d.whose} are under way already`,
    says: (d) =>
      `${d.running} propagations${d.whose} are under way already; the limit is ${d.limit}`,
    remedy:
      'wait for them to end; if the primary starts a propagation before the last one has ended, let it do so less often',
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
