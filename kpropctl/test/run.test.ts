import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { freePort } from '../../test/support/lab/lab-process.ts';
import { ControlRealm, type Replica } from './realm.ts';

// kpropctl on a primary with a replica of each make, each with a KDC of its own.

let realm: ControlRealm;
let ours: Replica;
let mit: Replica;
beforeAll(async () => {
  realm = await ControlRealm.create();
  ours = await realm.addReplica('ours');
  mit = await realm.addReplica('mit');
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
});
afterAll(() => realm.close());
beforeEach(() => realm.configure());

const json = async (...args: readonly string[]) => {
  const { stdout, status } = await realm.run(...args);
  return { status, ...JSON.parse(stdout) };
};
const stateFile = () => join(realm.state, 'state.json');
const readState = () => JSON.parse(readFileSync(stateFile(), 'utf8'));

async function expectInStep(...replicas: readonly Replica[]): Promise<void> {
  const wanted = await realm.dumpOf(realm.lab.primary);
  for (const { site } of replicas) expect(await realm.dumpOf(site)).toBe(wanted);
}

describe('a run', () => {
  test('reaches replicas of both makes, and their own KDCs prove it', async () => {
    await realm.lab.addPrincipals(['reached']);
    const report = await json('run', '--json');
    expect(report).toMatchObject({ status: 0, schema: 'kpropctl.run/1', exit: 0, refused: null });
    expect(report.replicas).toHaveLength(2);
    for (const replica of report.replicas) {
      expect(replica).toMatchObject({
        ...{ state: 'current', proved: true, has: report.generation, attempts: 1, error: null },
        bytes: report.dump.bytes,
      });
    }
    await expectInStep(ours, mit);
  });

  test('without a terminal: one line for each outcome', async () => {
    const { stdout, stderr, status } = await realm.run('run');
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const [head, dump, ...rest] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/, realm LAB\.EXAMPLE$/);
    expect(dump).toMatch(/^dump {4}\d+ principals, \d+ kB in [\d.]+ s, generation \d+$/);
    expect(rest.slice(0, 2).sort()).toEqual([
      expect.stringMatching(/^ {2}✓ {2}127\.0\.0\.11 {2}live {2}\d+ kB {2}[\d.]+ s$/),
      expect.stringMatching(/^ {2}✓ {2}127\.0\.0\.12 {2}live {2}\d+ kB {2}[\d.]+ s$/),
    ]);
    expect(rest.at(-1)).toBe('2 of 2 replicas are up to date.');
  });

  test('--quiet says nothing if nothing is wrong, and --ndjson an event a line', async () => {
    expect(await realm.run('run', '--quiet')).toMatchObject({ stdout: '', stderr: '', status: 0 });
    const { stdout } = await realm.run('run', '--ndjson');
    const kinds = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).kind);
    expect(kinds[0]).toBe('generation');
    expect(kinds).toContain('dumped');
    expect(kinds.filter((kind) => kind === 'outcome')).toHaveLength(2);
    expect(kinds.at(-1)).toBe('end');
  });

  test('--dry-run changes nothing', async () => {
    const before = readState();
    const { status, replicas } = await json('run', '--dry-run', '--json');
    expect(status).toBe(0);
    expect(replicas.map(({ state }: { state: string }) => state)).toEqual(['skipped', 'skipped']);
    expect(readState()).toEqual(before);
  });

  test('--if-changed sends what has changed, and nothing else', async () => {
    await realm.run('run');
    const same = await realm.run('run', '--if-changed');
    expect(same).toMatchObject({ status: 0 });
    expect(same.stdout).toContain('nothing has changed, and every replica has it.');
    // A login is no change.
    await realm.lab.kadminLocal('primary', 'modprinc -unlock user1');
    await realm.lab.addPrincipals(['changed']);
    expect((await realm.run('run', '--if-changed')).stdout).toContain('2 of 2 replicas');
    await expectInStep(ours, mit);
  });

  test('of named replicas only, without a configuration file', async () => {
    const { stdout } = await realm.run('run', ours.host);
    expect(stdout).toContain('1 of 1 replicas');
  });

  test('keeps good dumps, compressed, for root alone', async () => {
    realm.configure({ keep_dumps: '2' });
    for (let run = 0; run < 3; run += 1) {
      await realm.run('run', '--quiet');
      await new Promise((resolve) => setTimeout(resolve, 1_050));
    }
    const folder = realm.lab.primary.folder;
    const kept = readdirSync(folder).filter((name) => name.endsWith('.gz'));
    expect(kept).toHaveLength(2);
    for (const name of kept) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });
});

describe('the exit status', () => {
  test('1: some failed; and status tells what is wrong, and since when', async () => {
    writeFileSync(ours.site.acl, 'nobody@LAB.EXAMPLE\n');
    try {
      const report = await json('run', '--json');
      expect(report).toMatchObject({ status: 1, exit: 1 });
      const [failed] = report.replicas;
      expect(failed).toMatchObject({ host: ours.host, state: 'failed', attempts: 1 });
      expect(failed.error.message).toContain('not authorized to propagate');
      await realm.run('run');
      const status = await json('status', '--json');
      expect(status.replicas).toMatchObject([
        { host: ours.host, state: 'failing', failures: 2 },
        { host: mit.host, state: 'ok', failures: 0, proved: true },
      ]);
    } finally {
      writeFileSync(ours.site.acl, `${realm.lab.client}\n`);
      await realm.run('run');
    }
    expect((await json('status', '--json')).replicas[0]).toMatchObject({
      state: 'ok',
      failures: 0,
    });
  });

  test('2: none is current', async () => {
    for (const { site } of [ours, mit]) writeFileSync(site.acl, '');
    expect(await realm.run('run', '--quiet')).toMatchObject({ status: 2 });
    for (const { site } of [ours, mit]) writeFileSync(site.acl, `${realm.lab.client}\n`);
  });

  test('3: the dump was refused, and the last good one stays', async () => {
    await realm.run('run');
    const good = readFileSync(join(realm.lab.primary.folder, 'to-send'));
    await realm.kadminLocal(Array.from({ length: 5 }, (_, at) => `delprinc -force user${at + 1}`));
    const before = await realm.dumpOf(ours.site);
    const report = await json('run', '--json');
    expect(report).toMatchObject({ status: 3, dump: { refused: { code: 'kpropctl.shrunk' } } });
    expect(await realm.dumpOf(ours.site)).toBe(before);
    expect(readFileSync(join(realm.lab.primary.folder, 'to-send')).equals(good)).toBe(true);
    expect(existsSync(report.dump.path)).toBe(true);
    // MIT's kprop still sends the good one.
    expect(
      await realm.lab.mitKprop({
        port: ours.kpropPort,
        host: ours.host,
        file: join(realm.lab.primary.folder, 'to-send'),
      }),
    ).toMatchObject({ status: 0 });
    expect(await realm.run('run', '--force')).toMatchObject({ status: 0 });
    await expectInStep(ours, mit);
  });

  test('3: a database without its master key is not sent', async () => {
    const before = await realm.dumpOf(ours.site);
    const keep = await realm.lab.dump(join(realm.lab.folder, 'with-master-key'));
    const without = `${keep}-without`;
    const text = readFileSync(keep, 'latin1').replace(/^princ\t.*\tK\/M@.*\n/m, '');
    writeFileSync(without, text, 'latin1');
    // A kadmind that runs already does not notice; without the master key no canary can be renewed.
    realm.configure({ proof: 'none' });
    await realm.lab.load(without, 'primary');
    try {
      const report = await json('run', '--json');
      expect(report).toMatchObject({
        status: 3,
        dump: { refused: { code: 'kpropctl.no-master-key' } },
      });
      expect(await realm.dumpOf(ours.site)).toBe(before);
    } finally {
      await realm.lab.load(keep, 'primary');
    }
  });

  test('4: another run is active', async () => {
    const silent = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.11', resolve));
    const kept = realm.replicas[0];
    realm.replicas[0] = { ...ours, kpropPort: port };
    realm.configure({ proof: 'none', total: '20s' });
    const first = realm.start('run');
    await first.until(() => first.stdout.includes('dump '), 'the first run');
    const second = await realm.run('run');
    expect(second.status).toBe(4);
    expect(second.stdout).toContain(`another run is active: process ${first.pid}`);
    first.signal('SIGTERM');
    expect((await first.ended).status).not.toBe(0);
    silent.close();
    realm.replicas[0] = kept as Replica;
  });

  test('5: this is not the primary', async () => {
    realm.configure({ primary: 'other.example.org' });
    const other = await realm.run('run');
    expect(other.status).toBe(5);
    expect(other.stdout).toContain('primary in');
    realm.configure();
    const without = await realm.runAlone('run');
    expect(without.status).toBe(5);
    expect(without.stdout).toContain('kadmind does not run on this host');
    expect(await realm.runAlone('run', '--force')).toMatchObject({ status: 0 });
  });

  test('5: a replica has a later generation than this host has made', async () => {
    await realm.run('run');
    const before = readState();
    writeFileSync(stateFile(), JSON.stringify({ ...before, generation: before.generation - 1 }));
    const { status, stdout } = await realm.run('run');
    expect(status).toBe(5);
    expect(stdout).toMatch(/somebody made another host the primary/);
    writeFileSync(stateFile(), JSON.stringify(before));
  });

  test('64: usage, 78: configuration', async () => {
    expect(await realm.run('run', '--nonsense')).toMatchObject({ status: 64 });
    appendFileSync(realm.config, '[kpropctl]\n    paralel = 3\n');
    const { status, stderr } = await realm.run('run');
    expect(status).toBe(78);
    expect(stderr).toMatch(
      /kpropctl\.conf:\d+: there is no relation paralel: did you mean parallel\?/,
    );
  });
});

describe('proof', () => {
  test('a replica whose KDC serves another database is not current', async () => {
    const [first, second] = realm.replicas as [Replica, Replica];
    // The KDC of the first is said to be that of the second, which is not sent to.
    realm.replicas.splice(0, 2, { ...first, kdcPort: second.kdcPort });
    realm.configure();
    realm.replicas.splice(0, 1, first, second);
    const report = await json('run', '--json');
    expect(report.status).toBe(2);
    expect(report.replicas).toMatchObject([
      { state: 'failed', proved: false, error: { code: 'kpropctl.not-served' } },
    ]);
    expect(report.replicas[0].has).toBeLessThan(report.generation);
  });

  test('a canary that somebody deleted is made anew, and generations go on', async () => {
    const before = await json('run', '--json');
    await realm.lab.kadminLocal('primary', 'delprinc -force kpropctl/canary');
    const after = await json('run', '--json');
    expect(after.status).toBe(0);
    expect(after.generation).toBeGreaterThan(before.generation);
    for (const replica of after.replicas) expect(replica).toMatchObject({ proved: true });
    const next = await json('run', '--json');
    expect(next.generation).toBe(after.generation + 1);
  });

  test('a state that is lost costs nothing', async () => {
    rmSync(realm.state, { recursive: true });
    const report = await json('run', '--json');
    expect(report.status).toBe(0);
    for (const replica of report.replicas) expect(replica).toMatchObject({ proved: true });
  });

  test('status --probe: a replica that was restored from an old dump is behind', async () => {
    const old = await realm.lab.dump(join(realm.lab.folder, 'old'));
    await realm.lab.addPrincipals(['newer']);
    await realm.run('run');
    const load = await realm.lab.run('/usr/sbin/kdb5_util', ['load', old], { env: mit.site.env() });
    expect(load.status).toBe(0);
    const { replicas } = await json('status', '--probe', '--json');
    expect(replicas).toMatchObject([{ state: 'ok' }, { host: mit.host, state: 'behind' }]);
    expect((await realm.run('run')).status).toBe(0);
  });

  test('without proof, what was confirmed is shown as such', async () => {
    realm.configure({ proof: 'none' });
    const report = await json('run', '--json');
    expect(report.replicas[0]).toMatchObject({ state: 'current', proved: null });
    expect((await realm.run('status')).stdout).toMatch(/ok +\d+\? /);
  });
});

describe('holds, history, hooks', () => {
  test('a replica that is held is not sent to, nor complained about', async () => {
    await realm.run('hold', mit.host, '--for', '2h', '--reason', 'new disk');
    const report = await json('run', '--json');
    expect(report.status).toBe(0);
    expect(report.replicas).toMatchObject([{ state: 'current' }, { state: 'held' }]);
    expect((await realm.run('status')).stdout).toMatch(/held .*new disk/);
    await realm.run('release', mit.host);
    expect((await json('run', '--json')).replicas[1]).toMatchObject({ state: 'current' });
    expect(await realm.run('hold', 'nowhere')).toMatchObject({ status: 64 });
  });

  test('history, with a torn line in the journal', async () => {
    appendFileSync(join(realm.state, 'journal.ndjson'), '{"at":"2026');
    await realm.run('run');
    const { stdout } = await realm.run('history', mit.host, '--since', '1h', '--json');
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.at(-1)).toMatchObject({ host: mit.host, state: 'current' });
    expect((await realm.run('history', '--failed')).stdout).toContain('REPLICA');
  });

  test('hooks get the report; one that hangs, floods or fails stops nothing', async () => {
    const told = join(realm.lab.folder, 'told');
    realm.configure({ on_success: `cat > ${told}; env | grep KPROPCTL >> ${told}` });
    await realm.run('run');
    expect(readFileSync(told, 'utf8')).toMatch(/"schema":"kpropctl\.run\/1"[\s\S]*KPROPCTL_EXIT=0/);
    realm.configure({ on_success: 'sleep 100', hook_timeout: '1s' });
    const slow = await realm.run('run');
    expect(slow.status).toBe(0);
    expect(slow.stderr).toContain('took longer than 1 s, and was killed');
    realm.configure({ on_success: 'yes | head -c 20000000; exit 3' });
    const loud = await realm.run('run');
    expect(loud.status).toBe(0);
    expect(loud.stderr).toContain('ended with 3');
    expect(loud.stderr.length).toBeLessThan(5_000);
  });

  test('a failure and a recovery are told once each', async () => {
    const told = join(realm.lab.folder, 'tellings');
    const relations = {
      on_failure: `echo failure >> ${told}`,
      on_recovery: `echo recovery >> ${told}`,
    };
    realm.configure(relations);
    writeFileSync(ours.site.acl, '');
    await realm.run('run');
    writeFileSync(ours.site.acl, `${realm.lab.client}\n`);
    await realm.run('run');
    await realm.run('run');
    expect(readFileSync(told, 'utf8')).toBe('failure\nrecovery\n');
  });
});

describe('what is in the way', () => {
  test('a state that is no JSON, or a folder that cannot be: the propagation goes on', async () => {
    writeFileSync(stateFile(), 'no json');
    const { status, stdout } = await realm.run('run');
    expect(status).toBe(0);
    expect(stdout).toContain('it is ignored');
    const file = join(realm.lab.folder, 'a-file');
    writeFileSync(file, '');
    realm.configure({ state: file, proof: 'none' });
    const without = await realm.run('run');
    expect(without.status).toBe(0);
    expect(without.stdout).toContain('there is no lock');
  });

  test('a replica that says nothing ends at its own time, and the others are not late', async () => {
    const silent = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.11', resolve));
    realm.replicas[0] = { ...ours, kpropPort: port };
    realm.configure({ total: '2s' });
    realm.replicas[0] = ours;
    const report = await json('run', '--json');
    silent.close();
    expect(report.status).toBe(1);
    const [hung, good] = report.replicas;
    expect(hung.state).toBe('failed');
    expect(hung.millis).toBeGreaterThan(1_500);
    expect(hung.millis).toBeLessThan(5_000);
    expect(good.state).toBe('current');
    expect(good.millis).toBeLessThan(1_500);
  });

  test('what can mend itself is tried again', async () => {
    await ours.kpropd?.stop();
    realm.configure({ attempts_within: '20s', backoff: '1s 2s' });
    const run = realm.start('run', '--json');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await realm.startKpropd(ours, 'ours');
    const { stdout, status } = await run.ended;
    expect(status).toBe(0);
    expect(JSON.parse(stdout).replicas[0]).toMatchObject({ state: 'current', proved: true });
    expect(JSON.parse(stdout).replicas[0].attempts).toBeGreaterThan(1);
  });

  test('status --watch draws the table again, and ends cleanly', async () => {
    const watching = realm.start('status', '--watch');
    await watching.until(() => watching.stdout.split('REPLICA').length > 2, 'two tables');
    expect(await watching.stop('SIGINT')).toMatchObject({ status: 0 });
  });

  test('nagios: its line and its exit status', async () => {
    await realm.run('run');
    const fine = await realm.run('status', '--nagios');
    expect(fine.status).toBe(0);
    expect(fine.stdout).toMatch(
      /^KPROP OK - 2 replicas are in step \| '127\.0\.0\.11'=0s;900;3600;0 /,
    );
    const state = readState();
    const late = new Date(Date.now() - 20 * 60_000).toISOString();
    const failing = { ...state.replicas[mit.host], failures: 1, lastSuccess: late };
    const write = (more: object) =>
      writeFileSync(
        stateFile(),
        JSON.stringify({
          ...state,
          replicas: { ...state.replicas, [mit.host]: { ...failing, ...more } },
        }),
      );
    write({});
    expect(await realm.run('status', '--nagios')).toMatchObject({ status: 1 });
    write({ lastSuccess: new Date(Date.now() - 2 * 3_600_000).toISOString() });
    expect(await realm.run('status', '--nagios')).toMatchObject({ status: 2 });
    mkdirSync(join(realm.lab.folder, 'empty'));
    realm.configure({ state: join(realm.lab.folder, 'empty') });
    expect(await realm.run('status', '--nagios')).toMatchObject({ status: 3 });
  });
});
