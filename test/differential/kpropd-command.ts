import { writeFileSync } from 'node:fs';

import type { Scenario, Stage } from './scenario.ts';
import type { Run, World } from './world.ts';

type Options = Partial<Run> & {
  readonly prepare?: Scenario['prepare'];
  /** Of the sender, MIT's kprop. */
  readonly sender?: Partial<Run>;
  readonly port?: number;
};

/** A kpropd that listens, and serves one propagation of MIT's kprop. */
export function kpropd(name: string, o: Options = {}): Scenario {
  const { prepare, sender, ...run } = o;
  return {
    name,
    prepare,
    act: async (stage) => {
      const server = await stage.serve(run);
      await stage.send(sender);
      await stage.finish(server);
    },
  };
}

/** A kpropd that does not come to serve anybody. */
export function kpropdAlone(name: string, o: Options = {}): Scenario {
  const { prepare, ...run } = o;
  return {
    name,
    prepare,
    act: async (stage) => {
      await stage.run('kpropd', { role: 'replica', ...run });
    },
  };
}

/** Both ways of logging, for what they say differs. */
export function kpropdBothWays(name: string, o: Options = {}): readonly Scenario[] {
  return ['-d', '-D'].map((way) =>
    kpropd(`${name}, ${way}`, { ...o, args: [way, ...(o.args ?? [])] }),
  );
}

export const write = (path: string, text: string | Uint8Array, mode?: number) => (world: World) =>
  writeFileSync(world.path(path), text, mode === undefined ? {} : { mode });

/** A shell script in place of kdb5_util. */
export const loader = (script: string, mode = 0o755) =>
  write('/srv/run/loader', `#!/bin/sh\n${script}\n`, mode);

export type { Stage };
