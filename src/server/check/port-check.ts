import { createServer } from 'node:net';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { holdersOfPort } from '../../host/listening-processes.ts';
import { propagationPort } from '../../host/port.ts';
import type { CheckedSite } from './checked-site.ts';
import { type CheckFinding, failure, ok, unknown } from './finding.ts';

/** Whether kpropd listens already, or could. */
export async function portChecks({ options }: CheckedSite): Promise<readonly CheckFinding[]> {
  if (options.descriptor !== undefined) return [ok('port', 'the socket is handed over')];
  const port = propagationPort('the listener', options.port);
  const show = `ss -ltnp sport = :${port}`;
  const { seen, hidden } = holdersOfPort(port);
  if (hidden) {
    const what = `something listens on port ${port}; which process that is cannot be seen from here`;
    return [unknown('port', what, `run this as root: ${show}`)];
  }
  const [holder] = seen;
  if (holder !== undefined) {
    const [name = ''] = holder.words.split(' ');
    const server = seen.find(({ words }) => /kpropd/.test(words));
    if (server !== undefined)
      return [ok('port', `kpropd listens on port ${port} (pid ${server.pid})`)];
    if (/^(systemd|x?inetd|inetutils-inetd)$/.test(name)) {
      return [ok('port', `${name} listens on port ${port}, and starts kpropd`)];
    }
    const what = `port ${port} is taken by ${name} (pid ${holder.pid})`;
    return [failure('port', what, `kill ${holder.pid}`)];
  }
  const addresses = [options.address ?? []].flat();
  for (const address of addresses.length > 0 ? addresses : [undefined]) {
    const errno = await errnoOfBinding(port, address);
    if (errno === undefined) continue;
    const place = `${address ?? 'all addresses'} port ${port}`;
    const what = `kpropd cannot listen on ${place}: ${errnoText(errno)}`;
    return [failure('port', what, bindingFix(errno, address, show))];
  }
  return [ok('port', `port ${port} is free: nothing listens there yet`)];
}

function bindingFix(errno: string, address: string | undefined, show: string): string {
  switch (errno) {
    case 'EACCES':
      return 'start kpropd as root, or with CAP_NET_BIND_SERVICE; --user=NAME gives up root after that';
    case 'EADDRNOTAVAIL':
      return `start kpropd with --listen= an address of this host instead of ${address}: ip -br address`;
    default:
      return show;
  }
}

/** It listens for a moment; nothing else did, so nobody who connects then loses anything. */
function errnoOfBinding(port: number, host: string | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => resolve(errnoOf(error)));
    server.listen({ port, exclusive: true, ...(host !== undefined && { host }) }, () =>
      server.close(() => resolve(undefined)),
    );
  });
}
