import type { Lab } from '../test/support/lab/lab.ts';
import type { SyntheticDump } from '../test/support/lab/synthetic-dump.ts';

/** One line of the last table: what was aimed at, and what came out. */
export interface Figure {
  readonly what: string;
  /** The target in words: "≥ 6 ×". Without one the line informs only. */
  readonly target?: string;
  /** The figure that is held against the target, with its unit. */
  readonly result: string;
  /** Both absolute values, where the figure is a ratio. */
  readonly ours?: string;
  readonly against?: string;
  readonly met?: boolean;
}

/** What all parts of one run share. */
export interface Bench {
  readonly principals: number;
  readonly rounds: number;
  /** For how long a part that attacks does so, each time. */
  readonly seconds: number;
  /** The realm of this encryption type, made when first asked for; the default is MIT's. */
  lab(enctype?: string): Promise<Lab>;
  /** A dump of so many principals, made when first asked for; every realm can propagate it. */
  dump(principals: number): Promise<SyntheticDump>;
  say(line: string): void;
}

/** A part of the bench: measures, tells on the way, and returns its lines of the last table. */
export interface Part {
  readonly name: string;
  readonly about: string;
  /** Takes long, or much disk: only when it is named, or with --all. */
  readonly onRequest?: boolean;
  /** What it returns beside the figures goes into the JSON file as it is. */
  measure(bench: Bench): Promise<{ readonly figures: readonly Figure[]; readonly raw: unknown }>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export const seconds = (value: number) => `${value.toFixed(2)} s`;
export const times = (value: number) => `${value.toFixed(2)} ×`;
export const rate = (bytesPerSecond: number) => `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`;
export const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
