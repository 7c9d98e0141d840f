import { statSync } from 'node:fs';
import { join } from 'node:path';

import type { Settings } from '../config/settings.ts';
import type { Diagnosis } from '../doctor/finding.ts';
import { type JournalEntry, journalMark, readJournalEnd } from '../state/journal.ts';
import { type ErrorNote, emptyState, readState, type State } from '../state/state.ts';
import { type Status, statusOf } from '../status/snapshot.ts';
import { type PastRun, pastRunsOf, refusalOf } from './history.ts';
import { idle, type Live } from './link.ts';

/** All that the page shows. */
export interface View {
  readonly status: Status;
  readonly live: Live;
  /** Why the last run sent nothing. */
  readonly refusal: ErrorNote | null;
  readonly past: ReadonlyMap<string, readonly PastRun[]>;
  readonly doctor: DoctorView;
}

export interface DoctorView {
  readonly diagnosis: Diagnosis | null;
  readonly isLooking: boolean;
  /** Why there is no newer diagnosis. */
  readonly trouble: string | null;
}

/** What is known, read again when it has changed: whoever asks often costs little. */
export class Board {
  readonly #settings: Settings;
  #live: Live = idle;
  #doctor: DoctorView = { diagnosis: null, isLooking: false, trouble: null };
  #stateMark = '';
  #state: State = emptyState;
  #journalMark = '';
  #past: ReadonlyMap<string, readonly PastRun[]> = new Map();
  #refusal: ErrorNote | null = null;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  show(live: Live): void {
    this.#live = live;
  }

  showDoctor(doctor: DoctorView): void {
    this.#doctor = doctor;
  }

  get state(): State {
    return this.#state;
  }

  view(now = new Date()): View {
    this.refresh();
    return {
      status: statusOf(this.#settings, this.#state, now),
      ...{ live: this.#live, refusal: this.#refusal, past: this.#past, doctor: this.#doctor },
    };
  }

  /** Whether something was read that is new. */
  refresh(): boolean {
    const { state: folder } = this.#settings;
    const stateMark = markOf(join(folder, 'state.json'));
    const journal = journalMark(folder);
    const isNew = stateMark !== this.#stateMark || journal !== this.#journalMark;
    if (stateMark !== this.#stateMark) this.#state = readState(folder, () => undefined);
    if (journal !== this.#journalMark) this.#readJournal(readJournalEnd(folder, journalBytes));
    this.#stateMark = stateMark;
    this.#journalMark = journal;
    return isNew;
  }

  #readJournal(entries: readonly JournalEntry[]): void {
    this.#past = pastRunsOf(entries, mostPastRuns);
    this.#refusal = refusalOf(entries);
  }
}

function markOf(path: string): string {
  const { ino, size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return `${ino}:${size}:${mtimeMs}`;
}

const journalBytes = 4 << 20;
const mostPastRuns = 200;
