import type { World } from '../differential/world.ts';

/** How one of the two programs is run. */
export interface How {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly hostname?: string;
  readonly prelude?: string;
  /** As one whom file modes bind. */
  readonly bounded?: boolean;
}

/** One thing that an administrator can have wrong. */
export interface Breakage {
  /** What is broken. */
  readonly name: string;
  /** Breaks it, in a world as new. */
  readonly break?: (world: World) => void | Promise<void>;
  readonly kprop?: How & {
    /** The replica as typed. */
    readonly host?: string;
    /** In place of the dump and the replica. */
    readonly operands?: readonly string[];
  };
  /** `none`: nobody has started it. */
  readonly kpropd?: How | 'none';
  /** Where the fix is read that is followed: what kprop printed, or kpropd's log. */
  readonly read?: 'kprop' | 'kpropd';
  /** What a person decides who reads the fix: its literal part, or a name in place of a placeholder. */
  readonly choose?: (fix: string) => string;
}

export const host = (name: string) => `${name}.lab.example`;
export const replica = host('replica');
export const client = `host/${host('primary')}@LAB.EXAMPLE`;
export const server = `host/${replica}@LAB.EXAMPLE`;
export const dump = '/srv/primary/replica_datatrans';

/** Runs a query of kadmin.local on the KDC. */
export async function kadmin(world: World, query: string): Promise<void> {
  await world.must({ program: '/srv/run/bin/kadmin', args: ['-q', query] });
}

export const query = (text: string) => (world: World) => kadmin(world, text);
