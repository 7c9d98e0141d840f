import { open } from 'node:fs/promises';

/** How many records of each kind a dump has. */
export interface DumpRecords {
  readonly principals: number;
  readonly policies: number;
}

/**
 * Counts the records of a dump as kdb5_util load reads it: to the end, or to a line `End`. With
 * `distinct`, records of the same name count once, as in the database; that keeps all names in memory.
 */
export async function countRecords(
  path: string,
  o: { readonly distinct?: boolean } = {},
): Promise<DumpRecords> {
  const names = o.distinct ? { princ: new Set<string>(), policy: new Set<string>() } : undefined;
  const counts = { princ: 0, policy: 0 };
  const file = await open(path, 'r');
  try {
    let buffer = Buffer.alloc(windowBytes);
    let end = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, end, buffer.length - end);
      end += bytesRead;
      let start = 0;
      for (;;) {
        const found = buffer.subarray(0, end).indexOf(lineFeed, start);
        const lineEnd = found < 0 && bytesRead === 0 ? end : found;
        if (lineEnd < 0 || start >= end) break;
        const kind = kindOf(buffer, start, lineEnd);
        if (kind === 'End') return sum();
        if (kind !== undefined) {
          counts[kind] += 1;
          names?.[kind].add(nameOf(buffer.subarray(start, lineEnd), kind));
        }
        start = lineEnd + 1;
      }
      if (bytesRead === 0) return sum();
      buffer.copyWithin(0, start, end);
      end = Math.max(0, end - start);
      if (end === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
    }
  } finally {
    await file.close();
  }

  function sum(): DumpRecords {
    return {
      principals: names?.princ.size ?? counts.princ,
      policies: names?.policy.size ?? counts.policy,
    };
  }
}

type RecordKind = 'princ' | 'policy';

function kindOf(line: Buffer, start: number, end: number): RecordKind | 'End' | undefined {
  let at = start;
  // kdb5_util reads words: white space before the first one is skipped.
  while (at < end && (line[at] === space || line[at] === tab)) at += 1;
  const is = (word: string) =>
    line[at] === word.charCodeAt(0) &&
    at + word.length <= end &&
    line.toString('latin1', at, at + word.length) === word;
  if (is('princ')) return 'princ';
  if (is('policy')) return 'policy';
  return is('End') && line.toString('latin1', at, end).trim() === 'End' ? 'End' : undefined;
}

function nameOf(line: Buffer, kind: RecordKind): string {
  const text = line.toString('latin1').trimStart();
  if (kind === 'policy') return text.split('\t')[1] ?? '';
  // A name may contain white space: its length is the third field, and it is the seventh.
  const found = /^princ\t\d+\t(\d+)(?:\t\d+){3}\t/.exec(text);
  if (found === null) return text;
  return text.slice(found[0].length, found[0].length + Number(found[1]));
}

const windowBytes = 1 << 20;
const lineFeed = 0x0a;
const tab = 0x09;
const space = 0x20;
