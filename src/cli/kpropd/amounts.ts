import type { LoadedEvent } from '../../server/events.ts';

/** Such as `loaded 27 MB, 60,010 principals from host/kdc1.example.org@EXAMPLE.ORG in 1.1 s`. */
export function loadedText({ bytes, client, records, millis }: LoadedEvent): string {
  const { authenticate, receive, load } = millis;
  const counted = records === undefined ? '' : `, ${count(records.principals)} principals`;
  return `loaded ${size(bytes)}${counted} from ${client} in ${duration(authenticate + receive + load)}`;
}

/** Such as 950 bytes, 27 kB, 1.3 MB; powers of 1000. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  const value = bytes / 1000 ** power;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`;
}

function duration(millis: number): string {
  return `${millis < 9_950 ? (millis / 1000).toFixed(1) : Math.round(millis / 1000)} s`;
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}

const units = ['kB', 'MB', 'GB', 'TB'] as const;
