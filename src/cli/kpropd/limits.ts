import { isIP } from 'node:net';

import type { GivenLimits } from '../../server/listen/connection-limits.ts';
import type { ServeOptions } from '../../server/options.ts';
import type { Option } from '../option.ts';

/** The addresses and limits that kpropd's options set, as serveKprop takes them. */
export type LimitOptions = Pick<
  ServeOptions,
  'address' | 'limits' | 'maxDumpBytes' | keyof GivenLimits
>;

const counts = {
  'max-connections': 'maxUnauthenticated',
  'max-per-address': 'maxPerAddress',
  'max-rate': 'maxArrivalsPerSecond',
  'max-propagations': 'maxPropagations',
  'max-dump': 'maxDumpBytes',
} as const;
const seconds = {
  'auth-timeout': 'authenticateMillis',
  'idle-timeout': 'idleMillis',
  timeout: 'totalMillis',
} as const;

/** The options of addresses and limits. */
export const limitOptions: readonly Option[] = [
  {
    name: 'listen',
    value: 'address',
    repeats: true,
    byDefault: 'all addresses of this host',
    about: 'Listen on this IPv4 or IPv6 address only.',
  },
  {
    name: 'max-connections',
    value: 'number',
    byDefault: '256',
    about:
      'How many connections may be open that have not authenticated. Known primaries may have a ' +
      'quarter of this number on top.',
  },
  {
    name: 'max-per-address',
    value: 'number',
    byDefault: '32',
    about: 'The same, from one IPv4 address or one IPv6 /64.',
  },
  {
    name: 'max-rate',
    value: 'number',
    byDefault: '200',
    about: 'New connections a second from addresses that are not known primaries.',
  },
  {
    name: 'max-propagations',
    value: 'number',
    byDefault: '64',
    about: 'Propagations at once; 16 for one principal.',
  },
  {
    name: 'max-dump',
    value: 'bytes',
    byDefault: 'no limit',
    about: 'Refuse dumps that are larger.',
  },
  {
    name: 'auth-timeout',
    value: 'seconds',
    byDefault: '10',
    about: 'How long the handshake may take, from the connection to the end of authentication.',
  },
  {
    name: 'idle-timeout',
    value: 'seconds',
    byDefault: '120',
    about: 'How long a sender may send nothing.',
  },
  {
    name: 'timeout',
    value: 'seconds',
    byDefault: 'iprop_resync_timeout of kdc.conf, else 300',
    about: 'How long a whole propagation may take, load included.',
  },
];

/** The limits that the options set, or what is wrong with one of them. A time of 0 means no limit. */
export function readLimits(
  options: readonly { readonly name: string; readonly value: string | undefined }[],
): LimitOptions | string {
  const values = (wanted: string) =>
    options.flatMap(({ name, value = '' }) => (name === wanted ? [value] : []));
  const found: Record<string, number> = {};
  for (const [name, option] of Object.entries(counts)) {
    const text = values(name).at(-1);
    if (text === undefined) continue;
    const count = wholeNumber(text);
    if (!(count > 0)) return `--${name} takes a whole number of 1 or more, not '${text}'`;
    found[option] = count;
  }
  const limits: Record<string, number> = {};
  for (const [name, option] of Object.entries(seconds)) {
    const text = values(name).at(-1);
    if (text === undefined) continue;
    const time = wholeNumber(text);
    if (!(time >= 0)) return `--${name} takes a whole number of seconds, not '${text}'`;
    limits[option] = time * 1000;
  }
  const address = values('listen').map((text) => text.replace(/^\[(.*)\]$/, '$1'));
  const wrong = address.find((text) => isIP(text) === 0);
  if (wrong !== undefined) return `--listen takes an IPv4 or IPv6 address, not '${wrong}'`;
  return { ...found, limits, ...(address.length > 0 && { address }) };
}

/** NaN if the text is not a whole number. */
function wholeNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
