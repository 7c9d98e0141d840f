import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import type { RunReport } from '../run/report.ts';

/** One line of the journal. */
export interface JournalEntry {
  readonly at: string;
  readonly run: RunReport;
}

const rotateAtBytes = 8 << 20;
const lineFeed = 0x0a;
const pathIn = (folder: string) => join(folder, 'journal.ndjson');

/** Appends a run. Each line is written in one call, so that a crash tears the last one at most. */
export function appendJournal(
  folder: string,
  entry: JournalEntry,
  onTrouble: (text: string) => void,
): void {
  const path = pathIn(folder);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    rotate(path);
    const fd = openSync(path, 'a+', 0o600);
    try {
      // What a crash left of a line must not swallow this one.
      writeSync(fd, `${endsWhole(fd) ? '' : '\n'}${JSON.stringify(entry)}\n`);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    onTrouble(`${path} cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** The runs that are remembered, oldest first. Lines that cannot be read are left out. */
export function readJournal(folder: string): readonly JournalEntry[] {
  return [`${pathIn(folder)}.1`, pathIn(folder)].flatMap((path) =>
    textOf(path)
      .split('\n')
      .flatMap((line) => {
        try {
          const entry = JSON.parse(line) as JournalEntry;
          return typeof entry.at === 'string' && Array.isArray(entry.run?.replicas) ? [entry] : [];
        } catch {
          return [];
        }
      }),
  );
}

function rotate(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < rotateAtBytes) return;
  renameSync(path, `${path}.1`);
}

/** Only the last byte is read: a journal may be megabytes long. */
function endsWhole(fd: number): boolean {
  const size = fstatSync(fd).size;
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, size - 1);
  return last[0] === lineFeed;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
