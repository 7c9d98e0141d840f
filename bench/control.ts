import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ControlRealm } from '../kpropctl/test/realm.ts';
import type { Make } from '../test/support/lab/make.ts';
import { makeSyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import { observe } from './observe.ts';
import { median, megabytes, type Part, seconds, times } from './part.ts';
import { touchMemory } from './propagation.ts';

const replicas = 4;
const changes = 50;

/** A whole run to four replicas against the script that everybody has; and from a change to a login. */
export const control: Part = {
  name: 'control',
  about: `kpropctl run to ${replicas} replicas, against a serial script with MIT's programs`,
  async measure(bench) {
    const realm = await ControlRealm.create();
    try {
      const { lab } = realm;
      for (let at = 0; at < replicas; at += 1) await realm.addReplica('ours');
      realm.configure({ total: '10m', every: '1h', on_change: '1s' });
      await realm.run('run');
      for (const replica of realm.replicas) await realm.startKdc(replica);
      const small = await latency(realm);
      bench.say(
        `  ${changes} changes: login at every replica after ${median(small).toFixed(0)} ms, at worst ${Math.max(...small).toFixed(0)} ms`,
      );
      const basedOn = readFileSync(await lab.dump(), 'latin1');
      const large = join(lab.folder, 'large');
      const { bytes } = makeSyntheticDump(large, bench.principals, { basedOn });
      await lab.load(large, 'primary');
      await realm.run('run', '--force');
      const samples = { script: [] as number[], ours: [] as number[] };
      let peakBytes = 0;
      for (let round = 1; round <= bench.rounds; round += 1) {
        touchMemory(lab, 2 * bytes);
        await servedBy(realm, 'mit');
        let started = performance.now();
        await script(realm);
        samples.script.push((performance.now() - started) / 1000);
        await servedBy(realm, 'ours');
        touchMemory(lab, 2 * bytes);
        started = performance.now();
        const run = realm.start('run', '--plain');
        const watched = observe(run.pid);
        const { status, stdout } = await run.ended;
        peakBytes = Math.max(peakBytes, watched.stop().peakBytes);
        if (status !== 0) throw new Error(stdout);
        samples.ours.push((performance.now() - started) / 1000);
        bench.say(
          `  round ${round}  script ${seconds(samples.script.at(-1) ?? 0)}, kpropctl ${seconds(samples.ours.at(-1) ?? 0)}`,
        );
      }
      const [theirs, ours] = [median(samples.script), median(samples.ours)];
      return {
        raw: { samples, latencyMillis: small },
        figures: [
          {
            what: `${bench.principals} principals to ${replicas} replicas, against the serial script`,
            result: times(ours / theirs),
            ours: seconds(ours),
            against: seconds(theirs),
          },
          {
            what: "kpropctl's memory",
            result: megabytes(peakBytes),
            target: '≤ 250 MB',
            met: peakBytes <= 250e6,
          },
          {
            what: 'from a new password to a login with it at every replica, small database',
            result: `${median(small).toFixed(0)} ms, worst ${Math.max(...small).toFixed(0)} ms`,
          },
        ],
      };
    } finally {
      await realm.close();
    }
  },
};

async function servedBy(realm: ControlRealm, make: Make): Promise<void> {
  for (const replica of realm.replicas) {
    await replica.kpropd?.stop();
    await realm.startKpropd(replica, make);
  }
}

/** Dump, then one host after the other: the script of thirty years, with MIT's programs on both sides. */
async function script(realm: ControlRealm): Promise<void> {
  const { lab } = realm;
  const path = join(lab.folder, 'script-dump');
  await lab.dump(path);
  for (const { host, kpropPort } of realm.replicas) {
    const { status, stderr } = await lab.mitKprop({ port: kpropPort, host, file: path });
    if (status !== 0) throw new Error(stderr);
  }
}

async function latency(realm: ControlRealm): Promise<readonly number[]> {
  const { lab } = realm;
  await lab.addPrincipals(['latency'], 'password0');
  const daemon = realm.start('serve');
  await daemon.until(() => /generation \d+\)/.test(daemon.stdout), 'the first run');
  const millis: number[] = [];
  for (let number = 1; number <= changes; number += 1) {
    const password = `password${number}`;
    await lab.setPassword('latency', password);
    const started = performance.now();
    for (const { site } of realm.replicas) {
      for (;;) {
        const login = await lab.run('/usr/bin/kinit', ['-c', 'MEMORY:bench', 'latency'], {
          input: `${password}\n`,
          env: site.env(),
        });
        if (login.status === 0) break;
        if (performance.now() - started > 30_000) throw new Error(login.stderr);
      }
    }
    millis.push(performance.now() - started);
  }
  await daemon.stop();
  return millis;
}
