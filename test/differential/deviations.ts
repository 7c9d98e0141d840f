import { kpropDeviations } from './kprop-deviations.ts';
import { kpropdDeviations } from './kpropd-deviations.ts';
import type { Observation } from './scenario.ts';

/**
 * The fields in which ours shows something else, given what MIT's shows; and what ours shows, for the
 * place of what MIT's does not have.
 */
export type Change = (mit: Observation, ours: Observation) => Partial<Observation>;

export type Program = 'kprop' | 'kpropd';

/** A difference from MIT's programs that is meant; its reason stands in docs/deviations.md. */
export interface Deviation {
  /** Its heading in docs/deviations.md. */
  readonly id: string;
  /** By name of the scenario, each of which shows it. */
  readonly where: Readonly<Record<string, Change>>;
  /** In all other scenarios of a program, too, where it may occur. */
  readonly anywhere?: { readonly [program in Program]?: Change };
}

/** All of them. */
export const deviations: readonly Deviation[] = [...kpropDeviations, ...kpropdDeviations];
