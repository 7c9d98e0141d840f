/** What the first line of a dump says of the lines that follow. */
export interface DumpHeader {
  readonly kind: DumpKind;
  /** Without the numbers of a resync dump. */
  readonly form: string;
  /** How many fields a policy has, its name included; more than one number for some. */
  readonly policyFields: readonly number[];
  /** Of a resync dump: where the primary's update log stood. */
  readonly point: UpdatePoint | undefined;
}

/** A plain dump, or one for a full resynchronization, which kdb5_util loads with -i. */
export type DumpKind = 'plain' | 'resync';

/** A place in the history of a database: a serial number, and when it was given. */
export interface UpdatePoint {
  readonly serial: number;
  readonly seconds: number;
  readonly micros: number;
}

/**
 * The meaning of a first line, without its LF; undefined if kdb5_util would not take it.
 * @see krb5 src/kadmin/dbutil/dump.c, dump versions
 */
export function readDumpHeader(line: string): DumpHeader | undefined {
  const version = /^kdb5_util load_dump version ([4-7])$/.exec(line)?.[1];
  if (version !== undefined) {
    const policyFields = version === '7' ? newest : version === '6' ? [10] : oldest;
    return { kind: 'plain', form: line, policyFields, point: undefined };
  }
  const [, x, numbers] = /^iprop(x [01])? (\d+ \d+ \d+)$/.exec(line) ?? [];
  if (numbers === undefined) return undefined;
  const [serial = 0, seconds = 0, micros = 0] = numbers.split(' ').map(Number);
  if (Math.max(serial, seconds, micros) > 0xffff_ffff) return undefined;
  const policyFields = x === 'x 1' ? newest : oldest;
  const form = `iprop${x ?? ''}`;
  return { kind: 'resync', form, policyFields, point: { serial, seconds, micros } };
}

const oldest: readonly number[] = [7];
/** A policy of krb5 1.8 may stand in a dump of a later version. */
const newest: readonly number[] = [15, 10];
