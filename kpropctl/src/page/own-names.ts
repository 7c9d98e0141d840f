import { isIP } from 'node:net';
import { hostname } from 'node:os';

import type { Settings } from '../config/settings.ts';

/**
 * Whether a Host header names this host. A name that an attacker's DNS has turned to this address is none:
 * its pages would be of the same origin as ours. An address as such cannot be turned.
 */
export function isOwnName(header: string | undefined, settings: Settings): boolean {
  // A name cannot be turned to a socket of this host.
  if (settings.listen?.startsWith('unix:') === true) return true;
  const name = (header ?? '')
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '');
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0) return true;
  return ownNames(settings).includes(name);
}

function ownNames({ listen = '', primary }: Settings): readonly string[] {
  const here = hostname().toLowerCase();
  const listened = listen.toLowerCase().replace(/:\d+$/, '');
  const names = ['localhost', here, listened, ...(primary === undefined ? [] : [primary])];
  return names.flatMap((name) => [name.toLowerCase(), name.toLowerCase().split('.', 1)[0] ?? '']);
}
