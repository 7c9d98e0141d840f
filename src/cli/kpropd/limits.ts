import { isIP } from 'node:net';

import type { GivenLimits } from '../../server/listen/connection-limits.ts';
import type { ServeOptions } from '../../server/options.ts';

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

/** For getopt: all of them take a value. */
export const limitNames: Readonly<Record<string, true>> = Object.fromEntries(
  ['listen', ...Object.keys(counts), ...Object.keys(seconds)].map((name) => [name, true]),
);

export const limitHelp = `\t--listen=ADDRESS\tlisten on this address only; may be repeated
\t--max-connections=N\tconnections that have not authenticated (256)
\t--max-per-address=N\tthe same, from one IPv4 address or IPv6 /64 (32)
\t--max-rate=N\tnew connections a second from unknown addresses (200)
\t--max-propagations=N\tpropagations at once (64)
\t--max-dump=BYTES\trefuse larger dumps (no limit)
\t--auth-timeout=SECONDS\tfrom the connection to the end of authentication (10)
\t--idle-timeout=SECONDS\thow long a sender may send nothing (120)
\t--timeout=SECONDS\tfor a whole propagation, load included (iprop_resync_timeout, 300)
`;

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
