import { type FeedState, nextPiece } from '../../../src/kdb/dump/safe-cuts.ts';

export const header = 'kdb5_util load_dump version 7\n';
export const princ = (name: string, tl = '') =>
  `princ\t38\t${name.length}\t1\t0\t0\t${name}\t0\t0\t0\t0\t0\t0\t0\t0\t900\t9\t${tl}5a\t-1;\n`;
export const policy = (name: string) =>
  `policy\t${name}\t0\t0\t8\t1\t1\t0\t0\t0\t0\t0\t0\t0\t-\t0\n`;

/** Every place where the feeding of a dump stops; `arrived` says how much is there at which step. */
export function cutsOf(
  dump: string,
  o: { readonly limitBytes?: number; readonly step?: number } = {},
): { readonly cuts: readonly number[]; readonly end: 'whole' | 'unfit'; readonly early: number } {
  const { limitBytes = 200, step = 37 } = o;
  const bytes = Buffer.from(dump, 'latin1');
  const state: FeedState = { inside: 'nothing' };
  const cuts: number[] = [];
  let [fed, there, early] = [0, 0, 0];
  for (;;) {
    const complete = there === bytes.length;
    const window = bytes.subarray(fed, there);
    const piece = nextPiece(window, state, { limitBytes, complete, last: complete });
    if (piece === 'unfit' || (piece === 'more' && complete)) return { cuts, end: 'unfit', early };
    if (piece === 'more') {
      there = Math.min(there + step, bytes.length);
      early = fed;
      continue;
    }
    if (piece < 1 || piece > limitBytes) throw new Error(`a piece of ${piece} bytes`);
    fed += piece;
    if (fed === bytes.length) return { cuts, end: 'whole', early };
    cuts.push(fed);
  }
}

/** Whether kdb5_util fails when its input ends there: inside a record, as it was measured. */
export function isSafe(dump: string, cut: number): boolean {
  const start = dump.lastIndexOf('\n', cut - 1) + 1;
  const end = dump.indexOf('\n', cut) + 1;
  const line = dump.slice(start, end);
  const shortest = line.startsWith('princ') ? 7 : 8;
  return /^(princ|policy)\t/.test(line) && cut - start >= shortest && end - cut > 3;
}
