/** What a relation may say. */
export type Kind =
  | 'text'
  | 'address'
  | 'path'
  | 'count'
  | 'duration'
  | 'durations'
  | 'percent'
  | 'boolean';

export interface Relation {
  readonly kind: Kind;
  /** As it stands in the file; undefined if there is none. */
  readonly byDefault: string | undefined;
  /** One line for `kpropctl init`. */
  readonly about: string;
}

const relation = (kind: Kind, byDefault: string | undefined, about: string): Relation => ({
  ...{ kind, byDefault, about },
});

/** The relations of [kpropctl]. */
export const globalRelations = {
  realm: relation('text', undefined, 'default_realm of krb5.conf'),
  primary: relation('text', undefined, 'refuse to run on any other host'),
  dump: relation('path', '/var/lib/krb5kdc/replica_datatrans', 'where the dump is written'),
  keep_dumps: relation('count', '0', 'good dumps that are kept beside it, compressed; 0 for none'),
  max_shrink: relation(
    'percent',
    '5%',
    'refuse a dump with so many fewer principals than the last',
  ),
  every: relation('duration', '5m', 'serve: how often; see also cron'),
  cron: relation('text', undefined, 'serve: a cron expression, instead of every'),
  on_change: relation('duration', '0', 'serve: so long after the database changed; 0 for never'),
  max_age: relation('duration', '24h', 'sent even if nothing has changed'),
  parallel: relation('count', '8', 'replicas that are sent to at once'),
  attempts_within: relation('duration', '2m', 'only what can mend itself is tried again'),
  backoff: relation('durations', '5s 2m', 'between attempts: the first, and the longest'),
  connect: relation('duration', '5s', 'for a connection to a replica'),
  total: relation('duration', '15m', 'for one propagation, load included'),
  proof: relation(
    'text',
    'kpropctl/canary',
    'the principal that proves what a replica has; none for none',
  ),
  state: relation('path', '/var/lib/kpropctl', 'journal and state'),
  warn_after: relation('duration', '15m', 'a replica so far behind is a warning'),
  crit_after: relation('duration', '1h', 'and so far, critical'),
  on_failure: relation('text', undefined, 'a command; it gets JSON on its standard input'),
  on_recovery: relation('text', undefined, 'the same, when all replicas are current again'),
  on_success: relation('text', undefined, 'the same, after each run that reached all'),
  hook_timeout: relation('duration', '30s', 'for each of these commands'),
  textfile: relation('path', undefined, 'metrics for the text-file collector, after each run'),
  listen: relation('address', undefined, 'serve: 127.0.0.1:PORT or unix:PATH for page and metrics'),
  page_keytab: relation(
    'path',
    undefined,
    'serve: the keytab with HTTP/<this host>; without it the page has no button',
  ),
  page_principals: relation(
    'text',
    undefined,
    'serve: the principals that may read the page from elsewhere, and press its button',
  ),
  keytab: relation('text', undefined, 'the keytab with host/<this host>; the configured one'),
  kdb5_util: relation('path', '/usr/sbin/kdb5_util', 'for dumps that are not made natively'),
  kadmin_local: relation('path', '/usr/sbin/kadmin.local', 'for the principal of proof'),
} as const;

/** The relations of each section of [replicas]. */
export const replicaRelations = {
  port: relation('text', undefined, 'krb5_prop, or 754'),
  kdc: relation('text', undefined, "the replica's own KDC, host:port; its host and port 88"),
  total: relation('duration', undefined, 'as above, for this one'),
  after: relation('text', undefined, 'another replica that has to be current first'),
  required: relation('boolean', 'true', 'whether its failure counts in the exit status'),
} as const;

/** The known name that is most like this one, if one is much like it. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, distance: distance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= Math.max(2, name.length / 3)
    ? best.candidate
    : undefined;
}

/** How many letters have to be changed, added or removed (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
