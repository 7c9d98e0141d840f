// Writes entries (contents.mjs) below a folder, all with the time of the sources.

import {
  chmodSync,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export function writeTree(folder, entries, { date }) {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const entry of entries) {
    const place = join(folder, entry.path);
    mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
    if (entry.link !== undefined) {
      symlinkSync(entry.link, place);
      continue;
    }
    if (entry.from !== undefined) copyFileSync(entry.from, place);
    else writeFileSync(place, entry.bytes);
    chmodSync(place, entry.mode);
  }
  for (const one of readdirSync(folder, { recursive: true })) {
    lutimesSync(join(folder, one), date, date);
  }
  lutimesSync(folder, date, date);
}
