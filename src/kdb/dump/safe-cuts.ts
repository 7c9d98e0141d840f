/**
 * Where a dump may be cut while it is fed to kdb5_util through a pipe.
 *
 * To kdb5_util the end of its input is the commit: what it has read by then becomes the database.
 * The kernel gives that end whenever the feeding process dies. So at every moment what is in the
 * pipe must end where an end makes the load fail, which leaves a db2 database as it was: inside a
 * record, and neither at its beginning (it would be dropped, and the rest promoted) nor at its end
 * (kdb5_util looks for the end of the line for ever). Measured for every byte of a record
 * (test/kdb/dump/safe-cuts.test.ts); eight bytes into one, `princ⇥38` or `policy⇥p`, always will do.
 *
 * A line feed ends every record. What a hostile dump puts into a name may look like the beginning of
 * one, and is then inside one all the same.
 */
export interface FeedState {
  /** What the last cut lies in; nothing has been fed before the first. */
  inside: 'nothing' | 'princ' | 'policy' | 'unknown';
}

/** So many bytes to write next; or that more must be there first; or that this cannot be fed. */
export type Piece = number | 'more' | 'unfit';

const intoRecord = 8;
/** So far from the end of a line a cut inside it stays: `-1;` and what comes before it end there. */
const clearOfEnd = 64;

/**
 * The next piece of a dump, of which `window` holds what follows the last cut: as long as
 * `limitBytes` allows, and ending at a safe place. `complete`: the window holds all that is left,
 * or at least more than one piece of it, and the dump has been checked. Until then nothing after the
 * principals is fed: a line `End` would be taken for the end, and policies are few.
 */
export function nextPiece(
  window: Uint8Array,
  state: FeedState,
  o: { readonly limitBytes: number; readonly complete: boolean; readonly last: boolean },
): Piece {
  // The one write that may end at a record's end: with it, the whole dump is there.
  if (o.last && window.length <= o.limitBytes) return window.length > 0 ? window.length : 'more';
  // kdb5_util stops at the word that it does not know. Whatever came after would not be read.
  if (state.inside === 'unknown') return o.complete ? 'unfit' : 'more';
  const limit = Math.min(window.length, o.limitBytes);
  let cut = 0;
  let lineEnd = window.indexOf(LF);
  const firstEnd = lineEnd;
  while (lineEnd !== -1 && lineEnd + 1 + intoRecord <= limit) {
    const line = lineEnd + 1;
    const kind = kindOf(window, line);
    if (kind === 'princ' || (kind === 'policy' && o.complete)) {
      cut = line + intoRecord;
      state.inside = kind;
    } else if (kind === 'unknown' && cut === 0) {
      return unknownWord(window, line, limit, state);
    } else if (kind !== 'other' || !o.complete) {
      // What may follow has to wait.
      return cut > 0 ? cut : 'more';
    }
    lineEnd = window.indexOf(LF, line);
  }
  if (cut > 0) return cut;
  return insideOf(window, firstEnd, state, { ...o, limit });
}

/** A record longer than a piece is cut inside, away from both of its ends. */
function insideOf(
  window: Uint8Array,
  lineEnd: number,
  state: FeedState,
  o: { readonly limit: number; readonly limitBytes: number; readonly complete: boolean },
): Piece {
  if (window.length <= o.limitBytes && !o.complete) return 'more';
  // What follows decides whether the cut is clear of the end of the line.
  const known = lineEnd === -1 ? window.length : lineEnd;
  const cut = Math.min(o.limit, known - clearOfEnd);
  if (state.inside === 'princ' && cut > 0) return cut;
  return o.complete ? 'unfit' : 'more';
}

/** Up to the byte after the word and the white space behind it: so far kdb5_util reads on. */
function unknownWord(window: Uint8Array, line: number, limit: number, state: FeedState): Piece {
  let at = line;
  while (at < limit && !isSpace(window[at])) at += 1;
  while (at < limit && isSpace(window[at])) at += 1;
  if (at === limit) return 'more';
  state.inside = 'unknown';
  return at + 1;
}

type LineKind = 'princ' | 'policy' | 'unknown' | 'other';

/** `other`: nothing, `End`, or what may yet mean something. */
function kindOf(bytes: Uint8Array, at: number): LineKind {
  if (begins(bytes, at, princ) && isGraphic(bytes[at + 6]) && isGraphic(bytes[at + 7])) {
    return 'princ';
  }
  if (begins(bytes, at, policy) && isGraphic(bytes[at + 7])) return 'policy';
  const first = bytes[at] as number;
  return isGraphic(first) && first !== princ[0] && first !== end ? 'unknown' : 'other';
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
const end = 0x45;
const princ = Buffer.from('princ\t');
const policy = Buffer.from('policy\t');
