import { basename } from 'node:path';

import { countRecords, type DumpRecords } from '../dump/record-count.ts';
import { inspectDb2 } from './soundness.ts';

/** The files of a database: principals, policies. */
export const databaseParts = ['', '.kadm5'] as const;

/**
 * What is wrong with a database, in a few words; undefined: nothing. Where a dump is named, the
 * database must hold all of its records, which may have been counted before.
 */
export async function faultOfDatabase(
  database: string,
  dump?: string,
  counted = dump === undefined ? undefined : countRecords(dump),
): Promise<string | undefined> {
  // Awaited below, unless something else is found first.
  counted?.catch(() => undefined);
  const held: (number | undefined)[] = [];
  for (const part of databaseParts) {
    const look = await inspectDb2(database + part);
    if (look.fault !== undefined) return `${basename(database + part)}: ${look.fault}`;
    held.push(look.records);
  }
  if (dump === undefined || counted === undefined) return undefined;
  const lacks = (of: DumpRecords) => lackOf(held, of);
  // Of two records of one name the database holds one.
  return lacks(await counted) && lacks(await countRecords(dump, { distinct: true }));
}

function lackOf(held: readonly (number | undefined)[], of: DumpRecords): string | undefined {
  for (const [index, what] of (['principals', 'policies'] as const).entries()) {
    const count = held[index];
    if (count !== undefined && count !== of[what]) {
      return `it has ${count} of the dump's ${of[what]} ${what}`;
    }
  }
  return undefined;
}
