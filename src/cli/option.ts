/**
 * An option of a program. The command line is read by these tables; `--help`, the manual pages and the
 * completions of shells are made from them, so that all of them say the same.
 */
export interface Option {
  /** One letter for an option of MIT's, such as `f`; else a long name, such as `expect`. */
  readonly name: string;
  /** What stands for its value in texts, such as `file`; an option without it takes none. */
  readonly value?: string;
  /** The values that there are. */
  readonly choices?: readonly string[];
  /** What a shell offers for the value. */
  readonly complete?: 'file' | 'folder' | 'host' | 'user';
  /** In words: a value, or where it comes from. Left out if there is none. */
  readonly byDefault?: string;
  /** Whether it may be given more than once, and each time counts. */
  readonly repeats?: true;
  /** What it does: a sentence or more, which begins with a capital letter and ends with a full stop. */
  readonly about: string;
}

/** The options that each program has. */
export const ownOptions: readonly Option[] = [
  { name: 'help', about: 'Print what all options do, and exit.' },
  { name: 'version', about: 'Print the name, the version and the path of this program, and exit.' },
];
