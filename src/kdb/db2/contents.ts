import { basename } from 'node:path';

import { countRecords, type DumpRecords } from '../dump/record-count.ts';
import { inspectDb2 } from './soundness.ts';

/** The files of a database by their suffixes: principals, policies. */
export const databaseParts = ['', '.kadm5'] as const;

/**
 * What is wrong with a database, in a few words; undefined if nothing is. If a dump is given, the
 * database must hold all of its records; `counted` is their number, if it is being counted already.
 */
export async function faultOfDatabase(
  database: string,
  dump?: string,
  counted = dump === undefined ? undefined : countRecords(dump),
): Promise<string | undefined> {
  // Awaited below, unless a fault is found first: then nobody is left to handle a rejection.
  counted?.catch(() => undefined);
  const held: (number | undefined)[] = [];
  for (const part of databaseParts) {
    const found = await inspectDb2(database + part);
    if (found.fault !== undefined) return `${basename(database + part)}: ${found.fault}`;
    held.push(found.records);
  }
  if (dump === undefined || counted === undefined) return undefined;
  const lacks = (of: DumpRecords) => lackOf(held, of);
  // A dump may have several records of one name, of which the database holds one.
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
