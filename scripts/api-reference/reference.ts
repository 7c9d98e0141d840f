// What the reference shows: the public exports, and the events that one of them is made of.

export * from '../../src/index.ts';
export type { ConnectionEvent, LoadEvent } from '../../src/server/events.ts';
export type { DroppedEvent } from '../../src/server/listen/drop-tally.ts';
