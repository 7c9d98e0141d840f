import { endianness } from 'node:os';

import type { UpdatePoint } from '../dump/header.ts';

// The layout of an update log: a header, then slots of one size, each with a header of its own and an
// update in XDR. The headers are structures of C, in the byte order of the host.
// @see krb5 src/include/kdb_log.h

/** Where a log's updates begin and end, and how they are kept. */
export interface LogHeader {
  readonly magic: number;
  readonly version: number;
  readonly entries: number;
  readonly first: UpdatePoint;
  readonly last: UpdatePoint;
  readonly state: number;
  readonly blockBytes: number;
}

/** What stands before an update; one of 0 bytes is a dummy, which marks where a log begins. */
export interface SlotHeader {
  readonly magic: number;
  readonly serial: number;
  readonly seconds: number;
  readonly micros: number;
  readonly committed: boolean;
  readonly bytes: number;
}

export const headerBytes = 40;
export const slotHeaderBytes = 24;
/** C's whole structure, whose last bytes no update fills; a slot must have room for it. */
export const slotStructureBytes = slotHeaderBytes + 4;
/** The size of a slot in a new log. */
export const firstBlockBytes = 2048;
/** The largest slot that a log can have. */
export const largestBlockBytes = 63_488;
export const headerMagic = 0x06662323;
export const slotMagic = 0x06661212;
export const logStates = { stable: 1, unstable: 2, corrupt: 3 } as const;

export function parseHeader(bytes: Uint8Array): LogHeader {
  const view = viewOf(bytes);
  const u32 = (offset: number) => view.getUint32(offset, hostOrder);
  return {
    magic: u32(0),
    version: view.getUint16(4, hostOrder),
    entries: u32(8),
    first: { serial: u32(28), seconds: u32(12), micros: u32(16) },
    last: { serial: u32(32), seconds: u32(20), micros: u32(24) },
    state: view.getUint16(36, hostOrder),
    blockBytes: view.getUint16(38, hostOrder),
  };
}

/** The header of a log whose only update is a dummy one; of a log with none if there is no point. */
export function formatHeader(point: UpdatePoint | undefined): Uint8Array {
  const header = new Uint8Array(headerBytes);
  const view = viewOf(header);
  view.setUint32(0, headerMagic, hostOrder);
  view.setUint16(4, 1, hostOrder); // version
  view.setUint16(36, logStates.stable, hostOrder);
  view.setUint16(38, firstBlockBytes, hostOrder);
  if (point === undefined) return header;
  view.setUint32(8, 1, hostOrder); // number of entries
  for (const offset of [12, 20]) {
    view.setUint32(offset, point.seconds, hostOrder);
    view.setUint32(offset + 4, point.micros, hostOrder);
  }
  view.setUint32(28, point.serial, hostOrder);
  view.setUint32(32, point.serial, hostOrder);
  return header;
}

export function parseSlotHeader(bytes: Uint8Array): SlotHeader {
  const view = viewOf(bytes);
  const u32 = (offset: number) => view.getUint32(offset, hostOrder);
  return {
    magic: u32(0),
    serial: u32(4),
    seconds: u32(8),
    micros: u32(12),
    committed: u32(16) !== 0,
    bytes: u32(20),
  };
}

/** The header of a dummy update, as the whole structure. */
export function formatDummy(point: UpdatePoint): Uint8Array {
  const slot = new Uint8Array(slotStructureBytes);
  const view = viewOf(slot);
  view.setUint32(0, slotMagic, hostOrder);
  view.setUint32(4, point.serial, hostOrder);
  view.setUint32(8, point.seconds, hostOrder);
  view.setUint32(12, point.micros, hostOrder);
  return slot;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const hostOrder = endianness() === 'LE';
