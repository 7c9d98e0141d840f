import type { Settings } from '../config/settings.ts';

/** What the daemon tells the process of the page. */
export type ToPage =
  | { readonly kind: 'open'; readonly settings: Settings }
  | { readonly kind: 'live'; readonly live: Live };

/** What the process of the page tells the daemon. */
export type FromPage =
  | { readonly kind: 'listening' }
  | { readonly kind: 'failed'; readonly problem: string; readonly advice: string }
  /** Somebody has pressed the button. */
  | { readonly kind: 'run'; readonly by: string }
  | { readonly kind: 'log'; readonly text: string };

/** What the daemon is doing now. Times are RFC 3339. */
export interface Live {
  readonly run: LiveRun | null;
  /** Who pressed the button, until the run that he asked for begins. */
  readonly asked: { readonly by: string; readonly at: string } | null;
  /** When the next run begins by itself. */
  readonly nextAt: string | null;
}

export const idle: Live = { run: null, asked: null, nextAt: null };

export interface LiveRun {
  readonly since: string;
  readonly reason: string;
  readonly by: string | null;
  readonly generation: number | null;
  readonly doing: 'starting' | 'dumping' | 'sending';
  /** Records dumped so far. */
  readonly records: number;
  readonly replicas: Readonly<Record<string, LiveReplica>>;
}

export interface LiveReplica {
  /** connecting, sending, loading, proving, waiting, or how it ended. */
  readonly doing: string;
  readonly bytes: number;
  readonly total: number;
  readonly attempt: number;
  /** Why it is tried again. */
  readonly trouble: string | null;
}
