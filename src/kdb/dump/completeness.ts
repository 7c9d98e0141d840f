import { open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import type { DumpKind } from './header.ts';

/** kdb5_util reads lines of any length; here the last one is searched for in this much of the end. */
const tailBytes = 1 << 20;
const headBytes = 256;

/** Full dumps of every version, and the two forms that incremental propagation uses. */
const knownHeader = /^(kdb5_util load_dump version \d+|ipropx? .*)$/;

/**
 * The kind of a dump, judged by its first and its last line only. Refuses one that must not reach
 * kdb5_util: cut in its last record, it would make kdb5_util loop for ever (krb5
 * src/kadmin/dbutil/dump.c skips to the end of a line that has none). @throws spool.malformed, spool.write
 */
export async function checkDump(path: string): Promise<DumpKind> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new KpropError('spool.write', { path, errno: errnoOf(cause) }, { cause });
  });
  try {
    const { size: fileBytes } = await file.stat();
    const read = async (bytes: number, position: number) => {
      const buffer = Buffer.alloc(Math.min(bytes, fileBytes));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      return buffer.subarray(0, bytesRead);
    };
    const head = await read(headBytes, 0);
    const tail = await read(tailBytes, Math.max(0, fileBytes - tailBytes));
    const reason = faultOf(head, tail, fileBytes > tailBytes);
    if (reason !== undefined) throw new KpropError('spool.malformed', { path, reason });
    return kindOf(head);
  } finally {
    await file.close();
  }
}

/**
 * The kind of a dump of which only the beginning has arrived; undefined until its first line is whole.
 * @throws spool.malformed with this path
 */
export function headKind(head: Uint8Array, path: string): DumpKind | undefined {
  if (head.length < headBytes && !head.includes(LF)) return undefined;
  const reason = headFault(head.subarray(0, headBytes));
  if (reason === undefined) return kindOf(head);
  throw new KpropError('spool.malformed', { path, reason }, { phase: 'load' });
}

function kindOf(head: Uint8Array): DumpKind {
  return Buffer.from(head.subarray(0, 5)).toString('latin1') === 'iprop' ? 'resync' : 'plain';
}

function headFault(head: Uint8Array): string | undefined {
  return knownHeader.test(headerOf(head))
    ? undefined
    : 'does not begin with the header of a kdb5_util dump';
}

function headerOf(head: Uint8Array): string {
  return Buffer.from(head.subarray(0, Math.max(head.indexOf(LF), 0))).toString('latin1');
}

/** What is wrong with a dump, by its first and its last bytes; `cut` if the tail is not all of it. */
export function faultOf(head: Uint8Array, tail: Uint8Array, cut: boolean): string | undefined {
  if (head.length === 0) return 'is empty';
  const fault = headFault(head);
  if (fault !== undefined) return fault;
  const header = headerOf(head);
  if (tail[tail.length - 1] !== LF) return 'ends in the middle of its last record';
  const lineStart = tail.lastIndexOf(LF, tail.length - 2) + 1;
  // A record longer than the tail is a principal with a very long history: only its end is checked.
  const whole = lineStart > 0 || !cut;
  const line = Buffer.from(tail.subarray(lineStart, -1)).toString('latin1');
  return lineFault(line, whole, policyFields(header));
}

/** The least number of fields of a policy in a dump with this header (krb5 dump.c, process_*_policy). */
function policyFields(header: string): number {
  const version = /^kdb5_util load_dump version (\d+)$/.exec(header)?.[1];
  if (version !== undefined) return Number(version) >= 7 ? 15 : Number(version) === 6 ? 10 : 7;
  return /^ipropx [1-9]/.test(header) ? 15 : 7;
}

function lineFault(line: string, whole: boolean, fieldsWanted: number): string | undefined {
  if (knownHeader.test(line) || line === 'End') return undefined;
  if (line.startsWith('policy\t')) {
    const fields = line.split('\t').length - 1;
    return fields >= fieldsWanted ? undefined : 'ends with a policy that lacks fields';
  }
  if (!whole || line.startsWith('princ\t')) {
    return line.endsWith(';') ? undefined : 'ends with a principal that lacks its end';
  }
  return 'ends with a line that is not a record';
}

const LF = 0x0a;
