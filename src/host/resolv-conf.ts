import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * The first search domain of the resolver: from resolv.conf, else what follows the first dot of the
 * host name; undefined if neither has one. `LOCALDOMAIN` is ignored. @see resolv.conf(5)
 */
export function searchDomain(
  o: { resolvConf?: string; localHost?: string } = {},
): string | undefined {
  const { resolvConf = '/etc/resolv.conf', localHost = hostname() } = o;
  let text = '';
  try {
    text = readFileSync(resolvConf, 'latin1');
  } catch {
    // The resolver works without the file, too.
  }
  // The last line of either kind counts.
  const lines = [...text.matchAll(/^(?:domain|search)[ \t]+([^ \t\n]+)/gm)];
  const fromHostName = () => localHost.slice(localHost.indexOf('.') + 1 || localHost.length);
  return (lines.at(-1)?.[1] ?? fromHostName()) || undefined;
}
