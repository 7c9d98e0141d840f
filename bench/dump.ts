import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { dumpDatabase } from '../src/client/dump-database.ts';
import { loadKrb5Config } from '../src/host/config-files.ts';
import { ourProgram } from '../test/support/lab/lab.ts';
import type { Make } from '../test/support/lab/make.ts';
import { median, type Part, seconds, times } from './part.ts';
import { touchMemory } from './propagation.ts';

const kdb5Util = '/usr/sbin/kdb5_util';

/** A dump of the database; and from a change on the primary to a ticket of the replica. */
export const dump: Part = {
  name: 'dump',
  about: 'the dump of a database; and from a change on the primary to a ticket from the replica',
  async measure(bench) {
    const lab = await bench.lab();
    const synthetic = await bench.dump(bench.principals);
    const { primary } = lab;
    await lab.load(synthetic.path, 'primary');
    await lab.load(synthetic.path);
    const kdc = await lab.startReplicaKdc();
    const config = loadKrb5Config({
      krb5ConfFiles: primary.krb5Conf,
      kdcConfFile: primary.kdcConf,
    });
    const file = join(primary.folder, 'dumped');
    const spent = { mit: [] as number[], ours: [] as number[], locked: [] as number[] };
    const fresh = { mit: [] as number[], ours: [] as number[] };
    const timed = async (work: () => Promise<void>) => {
      touchMemory(lab, 2 * synthetic.bytes);
      const started = performance.now();
      await work();
      return (performance.now() - started) / 1000;
    };
    const must = async (program: string, args: readonly string[]) => {
      const { status, stderr } = await lab.run(program, args);
      if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
    };
    for (let round = 1; round <= bench.rounds; round += 1) {
      spent.mit.push(await timed(() => must(kdb5Util, ['dump', file])));
      spent.ours.push(
        await timed(async () => {
          const { lockedMillis } = await dumpDatabase({ file, config });
          spent.locked.push(lockedMillis / 1000);
        }),
      );
      bench.say(
        `  round ${round}  kdb5_util dump ${seconds(spent.mit.at(-1) ?? 0)}, ours ${seconds(spent.ours.at(-1) ?? 0)}, locked ${(1000 * (spent.locked.at(-1) ?? 0)).toFixed(0)} ms`,
      );
    }
    const start = { mit: () => lab.startMitKpropd(), ours: () => lab.startOurKpropd() };
    // The first of ours is judged by kdb5_util.
    for (let round = 0; round <= bench.rounds; round += 1) {
      for (const make of ['mit', 'ours'] as const satisfies readonly Make[]) {
        const kpropd = await start[make]();
        const name = `new-${make}-${round}`;
        await lab.addPrincipals([name], 'password');
        const args = lab.kpropArgs({ port: kpropd.port, file });
        const elapsed = await timed(async () => {
          if (make === 'mit') {
            await must(kdb5Util, ['dump', file]);
            await must('/usr/sbin/kprop', args);
          } else await must(process.execPath, [ourProgram('kprop'), '--from-database', ...args]);
          const { ok, error } = await lab.kinit('replica', name, 'password');
          if (!ok) throw new Error(error);
        });
        await kpropd.stop();
        if (round === 0) continue;
        fresh[make].push(elapsed);
        bench.say(`  round ${round}  a new principal, ${make}: ${seconds(elapsed)} to its ticket`);
      }
    }
    await kdc.stop();
    for (const path of [file, `${file}.dump_ok`]) if (existsSync(path)) rmSync(path);
    const figure = (what: string, ours: number, mit: number, most: number) => ({
      what,
      result: times(ours / mit),
      ours: seconds(ours),
      against: seconds(mit),
      target: `≤ ${most.toFixed(2)} ×`,
      met: ours / mit <= most,
    });
    const theirs = median(spent.mit);
    return {
      raw: { spent, fresh },
      figures: [
        figure('dump, against kdb5_util dump', median(spent.ours), theirs, 0.25),
        figure('database locked, against kdb5_util dump', median(spent.locked), theirs, 0.1),
        figure('from a change to a ticket', median(fresh.ours), median(fresh.mit), 0.2),
      ],
    };
  },
};
