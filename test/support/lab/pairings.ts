import { readFileSync } from 'node:fs';

import { expect } from 'vitest';

import type { PropagateOptions } from '../../../src/client/propagate.ts';
import { loadKrb5Config } from '../../../src/host/config-files.ts';
import { comparable, type Lab } from './lab.ts';
import type { Kpropd, KpropdOptions, KpropOptions } from './lab-options.ts';
import type { Outcome } from './lab-process.ts';
import type { Make } from './make.ts';

/** Whose kprop talks to whose kpropd. */
export type Pairing = readonly [kprop: Make, kpropd: Make];

export const pairings: readonly Pairing[] = [
  ['ours', 'ours'],
  ['ours', 'mit'],
  ['mit', 'ours'],
  ['mit', 'mit'],
];

/** All but MIT to MIT, for what says nothing about our programs there. */
export const pairingsOfOurs = pairings.slice(0, 3);

export function runKprop(lab: Lab, make: Make, o: KpropOptions): Promise<Outcome> {
  return make === 'ours' ? lab.ourKprop(o) : lab.mitKprop(o);
}

export function startKpropd(lab: Lab, make: Make, o?: KpropdOptions): Promise<Kpropd> {
  return make === 'ours' ? lab.startOurKpropd(o) : lab.startMitKpropd(o);
}

/** What a call of propagate() needs to work as the lab's primary. */
export function asPrimary(
  lab: Lab,
): Required<Pick<PropagateOptions, 'host' | 'dump' | 'config' | 'credential'>> {
  return {
    host: '127.0.0.1',
    dump: lab.dumpFile,
    config: loadKrb5Config({ krb5ConfFiles: lab.primary.krb5Conf }),
    credential: { kind: 'keytab', name: lab.primary.keytab },
  };
}

export const succeeded = (host = '127.0.0.1') =>
  ({ status: 0, stderr: '', stdout: `Database propagation to ${host}: SUCCEEDED\n` }) as const;

/** The replica's spool file is the dump to the byte, and its database holds what the dump holds. */
export async function expectReplicaHas(lab: Lab, dumpFile: string = lab.dumpFile): Promise<void> {
  const sent = readFileSync(dumpFile);
  expect(readFileSync(lab.replica.fromMaster).equals(sent), 'the spool file is the dump').toBe(
    true,
  );
  const loaded = comparable(await lab.replicaDump());
  expect(loaded === comparable(sent.toString('latin1')), 'the database is the dump').toBe(true);
}
