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
  return entriesIn([`${pathIn(folder)}.1`, pathIn(folder)].map(textOf));
}

/** The newest of them: so many bytes of the journal at most. */
export function readJournalEnd(folder: string, mostBytes: number): readonly JournalEntry[] {
  const newest = endOf(pathIn(folder), mostBytes);
  const before = mostBytes - newest.length;
  return entriesIn([before > 0 ? endOf(`${pathIn(folder)}.1`, before) : '', newest]);
}

/** Changes whenever the journal does. */
export function journalMark(folder: string): string {
  const { ino, size } = statSync(pathIn(folder), { throwIfNoEntry: false }) ?? {};
  return `${ino}:${size}`;
}

function entriesIn(texts: readonly string[]): readonly JournalEntry[] {
  return texts.flatMap((text) =>
    text.split('\n').flatMap((line) => {
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

/** What the cut leaves of a line is no entry. */
function endOf(path: string, mostBytes: number): string {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(Math.min(size, mostBytes));
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, size - bytes.length));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
