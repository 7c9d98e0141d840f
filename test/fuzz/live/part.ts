import type { Random } from '../../support/wire/mutations.ts';

/** A kind of fuzzing, which runs in a process of its own. */
export interface Part {
  readonly name: string;
  readonly about: string;
  open(): Promise<Stand>;
}

/** What a part has set up, and what it does with it. */
export interface Stand {
  /** So many cases at a time. */
  readonly lanes: number;
  /**
   * One case, which follows from the random numbers and from nothing else. Gives its kind, which is
   * counted. @throws whatever must not be
   */
  one(random: Random, keep: Keep): Promise<string> | string;
  /** Memory of a program that is watched, in place of this process's own. */
  residentBytes?(): number;
  close(): Promise<void>;
}

/** Notes what a case is about to try, for the file that is written if it fails. */
export type Keep = (input: Uint8Array | string) => void;

export const someOf = <T>(all: readonly T[], random: Random): T => all[random(all.length)] as T;
