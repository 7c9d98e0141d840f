import type { Settings } from '../config/settings.ts';
import { agoText, columns, countText, oneLine, spanText } from '../show/words.ts';
import type { ReplicaStatus, Status } from './snapshot.ts';

/** The table for people. */
export function statusText(status: Status): string {
  const now = Date.parse(status.at);
  const { dump } = status;
  const made =
    dump === null
      ? 'nothing was ever sent'
      : `generation ${status.generation}, ${agoText(dump.at, now)}, ${countText(dump.principals)} principals`;
  const rows = status.replicas.map((replica) => [
    replica.host,
    replica.state,
    hasText(replica),
    replica.behindMillis === null
      ? '?'
      : replica.behindMillis === 0
        ? '0'
        : spanText(replica.behindMillis),
    `${agoText(replica.lastSuccess ?? undefined, now)}${replica.millis === null ? '' : `  (${spanText(replica.millis)})`}`,
    agoText(replica.lastAttempt ?? undefined, now),
  ]);
  const header = ['REPLICA', 'STATE', 'HAS', 'BEHIND', 'LAST SUCCESS', 'LAST ATTEMPT'];
  const notes = status.replicas.flatMap((replica) => notesOf(replica, now));
  const lines = [
    `${status.realm}  primary ${status.primary}  ${made}`,
    ...columns([header, ...rows]),
    // Below the table: they are longer than a line of a terminal has room for.
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
  return `${lines.join('\n')}\n`;
}

function hasText({ has, proved }: ReplicaStatus): string {
  return has === null ? '?' : `${has}${proved ? '' : '?'}`;
}

function notesOf(replica: ReplicaStatus, now: number): readonly string[] {
  const { host, hold, error, failures, failingSince } = replica;
  if (hold !== null) {
    const left = hold.until === null ? '' : ` for ${spanText(Date.parse(hold.until) - now)}`;
    return [oneLine(`${host}: held${left}: ${hold.reason}`)];
  }
  if (failures === 0 || error === null) return [];
  const times =
    failures === 1 || failingSince === null
      ? ''
      : ` (${failures} times, the first ${agoText(failingSince, now)})`;
  const remedy = error.remedy === '' ? [] : [oneLine(`    ${error.remedy}`)];
  return [oneLine(`${host}: ${error.message}${times}`), ...remedy];
}

export interface NagiosLine {
  readonly text: string;
  /** 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. */
  readonly exit: 0 | 1 | 2 | 3;
}

/** One line with performance data, by the thresholds of the configuration. */
export function nagiosLine(status: Status, settings: Settings): NagiosLine {
  const { warnAfterSeconds, critAfterSeconds } = settings;
  const counted = status.replicas.filter(({ required, state }) => required && state !== 'held');
  const secondsOf = ({ behindMillis }: ReplicaStatus) =>
    behindMillis === null ? Number.POSITIVE_INFINITY : behindMillis / 1000;
  const late = counted.filter(
    (replica) => replica.behindMillis !== 0 && secondsOf(replica) >= warnAfterSeconds,
  );
  const critical = late.filter((replica) => secondsOf(replica) >= critAfterSeconds);
  const data = status.replicas
    .map(
      ({ host, behindMillis }) =>
        `'${host}'=${behindMillis === null ? 'U' : Math.round(behindMillis / 1000)}s;${warnAfterSeconds};${critAfterSeconds};0`,
    )
    .join(' ');
  const line = (word: string, text: string, exit: NagiosLine['exit']): NagiosLine => ({
    text: `KPROP ${word} - ${text} | ${data}\n`,
    exit,
  });
  if (status.dump === null) return line('UNKNOWN', 'nothing was ever sent', 3);
  const names = (replicas: readonly ReplicaStatus[]) =>
    replicas
      .map(
        (one) =>
          `${one.host} ${one.behindMillis === null ? 'never had it' : `is ${spanText(one.behindMillis)} behind`}`,
      )
      .join(', ');
  if (critical.length > 0) return line('CRITICAL', names(critical), 2);
  if (late.length > 0) return line('WARNING', names(late), 1);
  return line('OK', `${counted.length} replicas are in step`, 0);
}
