import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { comparable, ourProgram } from '../support/lab/lab.ts';
import { freePort } from '../support/lab/lab-process.ts';
import { kdb5Util, ReplicaRig } from '../support/rig/replica-rig.ts';

// kpropd is killed in the very system call, of those that a native load writes and publishes with: at
// the first of them in one of its threads, at the second, and so on until a load passes unhurt.
// KILLS=all npm run test:long -- test/interop/native-kills.test.ts takes every one.

const all = process.env.KILLS === 'all';
const calls = ['pwrite64', 'fsync', 'link', 'rename', 'unlink', 'utimensat', 'fchmod'] as const;

let rig: ReplicaRig;
let held: { readonly old: string; readonly fresh: string; readonly between: string };
beforeAll(async () => {
  rig = await ReplicaRig.open();
  // With a policy, so that both files are replaced.
  appendFileSync(
    rig.other,
    `${['policy', 'fresh', 0, 0, 5, 1, 1, 0, 0, 0, 0, 0, 0, 0, '-', 0].join('\t')}\n`,
  );
  writeFileSync(`${rig.other}.dump_ok`, '\0');
  const old = comparable(readFileSync(rig.good, 'latin1'));
  const fresh = comparable(readFileSync(rig.other, 'latin1'));
  const policies = fresh.split('\n').filter((line) => line.startsWith('policy'));
  held = { old, fresh, between: comparable(`${old}${policies.join('\n')}\n`) };
});
afterAll(() => rig.close());

describe.each(calls)('killed in %s', (call) => {
  test('the database is the old one or the new one, whole', { timeout: 600_000 }, async () => {
    const counts = { kills: 0, old: 0, fresh: 0, between: 0 };
    let unhurt = false;
    for (let number = 1; !unhurt; number = all || number < 3 ? number + 1 : number * 3) {
      const where = `${call} number ${number}`;
      await rig.lab.load(rig.good);
      const { confirmed, killed } = await loadUnderStrace(`${call}:signal=SIGKILL:when=${number}`);
      unhurt = !killed;
      if (killed) counts.kills += 1;
      const now = comparable(await rig.lab.replicaDump());
      const state = now === held.old ? 'old' : now === held.fresh ? 'fresh' : 'between';
      if (state === 'between') expect(now, where).toBe(held.between);
      if (confirmed) expect(state, where).toBe('fresh');
      counts[state] += 1;
      // What kpropd notes about a propagation comes after the confirmation.
      if (unhurt) expect(confirmed, where).toBe(true);
      // The next kpropd puts right what the one before left.
      if (killed)
        expect(await loadUnderStrace(undefined), where).toMatchObject({ confirmed: true });
      expect(comparable(await rig.lab.replicaDump()), where).toBe(held.fresh);
      expect(leftOvers(), where).toEqual([]);
    }
    expect(counts.kills).toBeGreaterThan(0);
    if (all) console.log(call, counts);
  });
});

/** What Node does with files in threads of its own, in one: strace counts the calls of each for itself. */
const oneThread = { UV_THREADPOOL_SIZE: '1' };

/** One propagation of `other` to kpropd -t; whether kprop was told that it is live, and kpropd's end. */
async function loadUnderStrace(inject: string | undefined) {
  const { acl, fromMaster } = rig.lab.replica;
  const port = await freePort();
  const command = [process.execPath, ourProgram('kpropd'), '-d', '-t', '-P', `${port}`];
  command.push('-a', acl, '-f', fromMaster, '-p', kdb5Util, '--load=native', '--verify=never');
  // Not with --seccomp-bpf, under which strace 6.1 lets some of the calls pass.
  const traced = ['-f', '-qq', '-o', '/dev/null'];
  const [program = '', ...args] =
    inject === undefined
      ? command
      : ['strace', ...traced, '-e', `trace=${calls.join()}`, '-e', `inject=${inject}`, ...command];
  const kpropd = rig.lab.start(program, args, { role: 'replica', env: oneThread });
  await kpropd.until(() => kpropd.stdout.includes('ready') || !kpropd.running, 'kpropd');
  const failure = await rig.send(port, { limits: { confirmMillis: 60_000 } }).then(
    () => undefined,
    (error: unknown) => error,
  );
  // A propagation that failed before it reached kpropd -t leaves it waiting for another one.
  await kpropd
    .until(() => !kpropd.running, 'an end of kpropd')
    .catch((error: Error) => {
      throw new Error(error.message, { cause: failure });
    });
  const { status } = await kpropd.ended;
  return { confirmed: failure === undefined, killed: status !== 0 };
}

function leftOvers(): readonly string[] {
  return readdirSync(join(rig.lab.replica.database, '..')).filter((name) =>
    /^from_master\.(?!state$|status(\.new)?$)|^principal~(?!\.ok$)|\.new-|\.rejected$|(?<!status)\.new$/.test(
      name,
    ),
  );
}
