import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Lab } from '../test/support/lab/lab.ts';
import { makeSyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import { median, type Part } from './part.ts';
import { allOurs, propagateOnce } from './propagation.ts';

/** How long a login at the replica's KDC takes while a database is loaded and made live. */
export const logins: Part = {
  name: 'logins',
  about: "logins at the replica's KDC during a load, natively and by kdb5_util",
  async measure(bench) {
    const lab = await bench.lab();
    await lab.addPrincipals(['login'], 'login');
    const small = await lab.dump();
    const path = join(lab.folder, 'dump-with-login');
    const basedOn = readFileSync(small, 'latin1');
    const { bytes } = makeSyntheticDump(path, bench.principals, { basedOn });
    await lab.load(small);
    await propagateOnce(lab, allOurs, { path: small, bytes: 0 });
    await lab.startReplicaKdc();
    const delays = loopDelays(lab);
    const raw = {
      native: [] as number[][],
      kdb5_util: [] as number[][],
      loopMillis: [] as number[],
    };
    for (let round = 1; round <= bench.rounds; round += 1) {
      for (const way of ['kdb5_util', 'native'] as const) {
        const millis = await loginsDuring(lab, (onStart) =>
          propagateOnce(lab, allOurs, { path, bytes }, { args: [`--load=${way}`], onStart }),
        );
        raw[way].push(millis);
        bench.say(
          `  round ${round}  --load=${way.padEnd(10)}${millis.length} logins, median ` +
            `${median(millis).toFixed(0)} ms, worst ${Math.max(...millis).toFixed(0)} ms`,
        );
      }
      const { env, onStart } = delays;
      await propagateOnce(lab, allOurs, { path, bytes }, { args: ['--load=native'], env, onStart });
      raw.loopMillis.push(delays.worstMillis());
      const worst = delays.worstMillis().toFixed(1);
      bench.say(
        `  round ${round}  native, without logins: event loop held up for at most ${worst} ms`,
      );
    }
    await lab.stopKdc('replica');
    const worst = (way: 'native' | 'kdb5_util') =>
      median(raw[way].map((millis) => Math.max(...millis)));
    const loop = Math.max(...raw.loopMillis);
    return {
      raw,
      figures: [
        {
          what: 'worst login during a load: native against kdb5_util',
          result: `${(worst('native') / worst('kdb5_util')).toFixed(2)} ×`,
          ours: `${worst('native').toFixed(0)} ms`,
          against: `${worst('kdb5_util').toFixed(0)} ms`,
          target: '< 1.00 ×',
          met: worst('native') < worst('kdb5_util'),
        },
        {
          what: "longest that kpropd's event loop was held up during a native load",
          result: `${loop.toFixed(1)} ms`,
          target: '≤ 25 ms',
          met: loop <= 25,
        },
      ],
    };
  },
};

/** One login after another while a propagation lasts; what each took, in milliseconds. */
async function loginsDuring(
  lab: Lab,
  propagation: (onStart: () => void) => Promise<unknown>,
): Promise<number[]> {
  const millis: number[] = [];
  let under = true;
  let begun: Promise<void> | undefined;
  const logIn = async () => {
    while (under) {
      const login = await lab.kinit('replica', 'login', 'login');
      if (!login.ok) throw new Error(login.error);
      millis.push(login.millis);
    }
  };
  await propagation(() => {
    begun = logIn();
  });
  under = false;
  await begun;
  return millis;
}

/** Lets a kpropd write down how long its event loop is held up while it receives. */
function loopDelays(lab: Lab) {
  const script = join(lab.folder, 'loop-delay.mjs');
  const told = join(lab.folder, 'loop-delay');
  writeFileSync(
    script,
    `import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  process.on('SIGUSR2', () => {
    delay.enable();
    setInterval(() => writeFileSync(${JSON.stringify(told)}, String(delay.max / 1e6)), 200).unref();
  });
}
`,
  );
  return {
    env: { NODE_OPTIONS: `--import=${script}` },
    onStart: (pid: number) => void process.kill(pid, 'SIGUSR2'),
    worstMillis: () => Number(readFileSync(told, 'utf8')),
  };
}
