import type { DumpRecords } from '../kdb/dump/record-count.ts';

/** What happens while a dump becomes the database. */
export type LoadEvent =
  /** At most once a second: how many bytes of the dump can be read back from the spool. */
  | { readonly kind: 'progress'; readonly bytes: number; readonly total: number }
  /** The loader runs already, and is given what has arrived. */
  | { readonly kind: 'streaming'; readonly pid: number }
  | { readonly kind: 'loading'; readonly path: string; readonly natively: boolean }
  | { readonly kind: 'loader-started'; readonly pid: number }
  | { readonly kind: 'loader-output'; readonly text: string; readonly to: 'stdout' | 'stderr' }
  /** Something that this replica's administrator should know, but that stops no propagation. */
  | { readonly kind: 'notice'; readonly text: string };

/** A dump is the live database. */
export interface LoadedEvent {
  readonly kind: 'loaded';
  readonly bytes: number;
  readonly client: string;
  /** What the database holds; undefined if nobody counted it, as with another loader than kdb5_util. */
  readonly records: DumpRecords | undefined;
  readonly millis: PhaseMillis;
}

/** How long the phases of a propagation took. */
export interface PhaseMillis {
  /** From accept to the answer to the peer's ticket. */
  readonly authenticate: number;
  readonly receive: number;
  /** What was left to do when the last byte had arrived, with waiting for other loads. */
  readonly load: number;
}

/** What happens on a connection, in this order. */
export type ConnectionEvent =
  | { readonly kind: 'connected'; readonly address: string }
  | { readonly kind: 'authenticating'; readonly service: string; readonly descriptor: number }
  | { readonly kind: 'authenticated'; readonly client: string; readonly enctype: string }
  | { readonly kind: 'denied'; readonly client: string }
  | { readonly kind: 'receiving'; readonly bytes: number }
  | { readonly kind: 'received'; readonly bytes: number }
  | LoadEvent
  | LoadedEvent
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'closed' };
