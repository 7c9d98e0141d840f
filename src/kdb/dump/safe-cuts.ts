/**
 * Where a dump may be cut while it is fed to kdb5_util through a pipe.
 *
 * To kdb5_util the end of its input is the commit: what it has read by then becomes the database.
 * The kernel also ends the input when the feeding process dies. So whatever has been written into the
 * pipe must end where the end of the input makes the load fail, which leaves a db2 database as it was:
 * inside a record, but neither at its beginning (the record would be dropped, and the rest committed)
 * nor at its end (kdb5_util would look for the end of the line for ever). This was measured for every
 * byte of a record (test/kdb/dump/safe-cuts.test.ts): eight bytes after its beginning, behind
 * `princ⇥38` or `policy⇥p`, is always safe.
 *
 * A line feed ends every record. A hostile dump may put into a name what looks like the beginning of
 * a record, but a cut there is inside a record all the same.
 */
export interface FeedState {
  /** The kind of record that the last cut is in; 'nothing' before the first cut. */
  inside: 'nothing' | 'princ' | 'policy' | 'unknown';
}

/** How many bytes to write next; or that more must arrive first; or that the dump cannot be fed. */
export type Piece = number | 'more' | 'unfit';

const intoRecord = 8;
/** A cut in a long line stays this far from its end, where `-1;` and the fields before it are. */
const clearOfEnd = 64;

/**
 * The length of the next piece of a dump, of which `window` holds what follows the last cut: at most
 * `limitBytes`, and ending at a safe place. `complete`: the dump has been checked, and the window holds
 * all that is left or more than one piece. Until then only principals are fed: kdb5_util would
 * take a line `End` for the end of the dump, and policies are few. `last`: the window holds the rest.
 */
export function nextPiece(
  window: Uint8Array,
  state: FeedState,
  o: { readonly limitBytes: number; readonly complete: boolean; readonly last: boolean },
): Piece {
  // The only write that may end at the end of a record, because it completes the dump.
  if (o.last && window.length <= o.limitBytes) return window.length > 0 ? window.length : 'more';
  // kdb5_util stops at a word that it does not know, and would not read what follows.
  if (state.inside === 'unknown') return o.complete ? 'unfit' : 'more';
  const usableBytes = Math.min(window.length, o.limitBytes);
  let cut = 0;
  let lineEnd = window.indexOf(LF);
  const firstEnd = lineEnd;
  while (lineEnd !== -1 && lineEnd + 1 + intoRecord <= usableBytes) {
    const line = lineEnd + 1;
    const kind = kindOf(window, line);
    if (kind === 'princ' || (kind === 'policy' && o.complete)) {
      cut = line + intoRecord;
      state.inside = kind;
    } else if (kind === 'unknown' && cut === 0) {
      return unknownWord(window, line, usableBytes, state);
    } else if (kind !== 'other' || !o.complete) {
      // This line has to wait until the dump is complete.
      return cut > 0 ? cut : 'more';
    }
    lineEnd = window.indexOf(LF, line);
  }
  if (cut > 0) return cut;
  return insideOf(window, firstEnd, state, { ...o, usableBytes });
}

/** Cuts a record that is longer than a piece, away from its beginning and its end. */
function insideOf(
  window: Uint8Array,
  lineEnd: number,
  state: FeedState,
  o: { readonly usableBytes: number; readonly limitBytes: number; readonly complete: boolean },
): Piece {
  if (window.length <= o.limitBytes && !o.complete) return 'more';
  // Without the end of the line, the end of the window is the nearest place where it can be.
  const known = lineEnd === -1 ? window.length : lineEnd;
  const cut = Math.min(o.usableBytes, known - clearOfEnd);
  if (state.inside === 'princ' && cut > 0) return cut;
  return o.complete ? 'unfit' : 'more';
}

/** A piece up to the first byte after the word and its white space: kdb5_util reads no further. */
function unknownWord(
  window: Uint8Array,
  line: number,
  usableBytes: number,
  state: FeedState,
): Piece {
  let at = line;
  while (at < usableBytes && !isSpace(window[at])) at += 1;
  while (at < usableBytes && isSpace(window[at])) at += 1;
  if (at === usableBytes) return 'more';
  state.inside = 'unknown';
  return at + 1;
}

type LineKind = 'princ' | 'policy' | 'unknown' | 'other';

/** `other`: an empty line, `End`, or the beginning of a word that is not complete. */
function kindOf(bytes: Uint8Array, at: number): LineKind {
  if (begins(bytes, at, princ) && isGraphic(bytes[at + 6]) && isGraphic(bytes[at + 7])) {
    return 'princ';
  }
  if (begins(bytes, at, policy) && isGraphic(bytes[at + 7])) return 'policy';
  const first = bytes[at] as number;
  return isGraphic(first) && first !== princ[0] && first !== letterE ? 'unknown' : 'other';
}

function begins(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index += 1) {
    if (bytes[at + index] !== word[index]) return false;
  }
  return true;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

function isGraphic(byte: number | undefined): boolean {
  return byte !== undefined && byte > 0x20 && byte < 0x7f;
}

const LF = 0x0a;
const letterE = 0x45;
const princ = Buffer.from('princ\t');
const policy = Buffer.from('policy\t');
