import { errnoText } from '../com-err.ts';
import { config, errno, local, row, wait } from './row.ts';

/** What a replica's limits and its listener refuse. */
export const serverRows = {
  'server.timeout': row<{ millis: number }>({
    fault: { ...local, exit: 75 },
    comErr: (d) => `the propagation did not end within ${d.millis / 1000} s`,
    says: (d) => `the propagation did not end within ${d.millis / 1000} s`,
    remedy: (d) =>
      `start kpropd with \`--timeout=${Math.ceil((4 * d.millis) / 1000)}\`, or set iprop_resync_timeout in kdc.conf`,
  }),
  'server.busy': row<{ running: number; limit: number; whose: string }>({
    fault: wait,
    comErr: (d) => `${d.running} propagations${d.whose} are under way already`,
    says: (d) =>
      `${d.running} propagations${d.whose} are under way already; the limit is ${d.limit}`,
    remedy:
      'wait for them to end; on the primary, do not run kprop again before the last one has ended',
  }),
  'server.listen': row<{ address: string; errno: string }>({
    fault: { ...config, exit: 70 },
    comErr: errno,
    says: (d) => `cannot listen on ${d.address}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'EADDRINUSE'
        ? 'stop the other kpropd, inetd or systemd socket (`ss -ltnp` shows it), or choose another port with -P'
        : 'run kpropd as root, which ports below 1024 need, or choose another port with -P',
  }),
} as const;
