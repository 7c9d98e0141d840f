import { dumpPath } from './realm.ts';
import { kpropdArgs, type Scenario } from './scenario.ts';
import type { Run } from './world.ts';

/** A kprop that finds MIT's kpropd at the other end. */
export function kprop(
  name: string,
  o: Partial<Run> & {
    readonly prepare?: Scenario['prepare'];
    /** All of its arguments; the dump and the replica unless given. */
    readonly args?: readonly string[];
    /** Of the kpropd at the other end; false for none. */
    readonly peer?: Partial<Run> | false;
    readonly port?: number;
  } = {},
): Scenario {
  const { prepare, peer = {}, port, ...run } = o;
  return {
    name,
    prepare,
    act: async (stage) => {
      if (peer !== false) {
        const args = kpropdArgs(peer.args ?? ['-d']);
        await stage.listen({ role: 'replica', ...peer, args, program: 'mit kpropd' }, port);
      }
      await stage.run('kprop', { args: ['-f', dumpPath, 'replica.lab.example'], ...run });
    },
  };
}

/** A kprop that fails before it looks for anybody at the other end. */
export function lonelyKprop(name: string, o: Parameters<typeof kprop>[1] = {}): Scenario {
  return kprop(name, { ...o, peer: false });
}
