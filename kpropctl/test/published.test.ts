import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../test/support/lab/lab.ts';
import { ControlRealm } from './realm.ts';
import { validator } from './schema.ts';

// What the package publishes beside the program: schemas, units, alert rules, a dashboard.

const folder = join(packageRoot, 'kpropctl');
const text = (path: string) => readFileSync(join(folder, path), 'utf8');
const promtool = join(
  packageRoot,
  'node_modules/.cache/kprop/super-servers/prometheus/usr/bin/promtool',
);

let realm: ControlRealm;
beforeAll(async () => {
  realm = await ControlRealm.create();
  await realm.addReplica('ours');
  await realm.addReplica('mit');
  realm.configure();
});
afterAll(() => realm.close());

test('every report and every status is as its schema says', async () => {
  const run = validator('run-1');
  const status = validator('status-1');
  const check = async (...args: readonly string[]) => {
    run(JSON.parse((await realm.run('run', '--json', ...args)).stdout));
    status(JSON.parse((await realm.run('status', '--json')).stdout));
  };
  status(JSON.parse((await realm.run('status', '--json')).stdout));
  await check('--dry-run');
  await check();
  await check('--if-changed');
  await realm.run('hold', '127.0.0.12', '--reason', 'why');
  await check();
  await realm.run('release', '127.0.0.12');
  writeFileSync(realm.replicas[0]?.site.acl ?? '', '');
  await check();
  realm.configure({ primary: 'elsewhere' });
  await check();
  realm.configure();
  await realm.kadminLocal(Array.from({ length: 5 }, (_, at) => `delprinc -force user${at + 1}`));
  await check();
});

/** In the format that promtool reads, the name of a counter has its suffix in the comments, too. */
const inOlderFormat = (metrics: string) => {
  const counters = new Set(
    [...metrics.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name),
  );
  return metrics.replace(/^(# (?:HELP|TYPE) )(\S+)/gm, (line, start, name) =>
    counters.has(name) ? `${start}${name}_total` : line,
  );
};

describe('metrics', () => {
  test('are what promtool takes, and all that the rules and the dashboard ask for', async () => {
    const { stdout } = await realm.run('status', '--openmetrics');
    const checked = spawnSync(promtool, ['check', 'metrics'], {
      input: inOlderFormat(stdout),
      encoding: 'utf8',
    });
    expect(checked.stderr).toBe('');
    expect(checked.status).toBe(0);
    const there = new Set([...stdout.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const asked = `${text('packaging/prometheus/kpropctl.rules.yml')}${text('packaging/grafana/kpropctl.json')}`;
    const names = [...asked.matchAll(/\bkpropctl_\w+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) expect(there).toContain(name);
  });

  test('the alert rules are what promtool takes', () => {
    const rules = join(folder, 'packaging/prometheus/kpropctl.rules.yml');
    const { status, stdout } = spawnSync(promtool, ['check', 'rules', rules], { encoding: 'utf8' });
    expect(stdout).toContain('SUCCESS: 4 rules found');
    expect(status).toBe(0);
  });
});

test('the units are what systemd takes', () => {
  const units = readdirSync(join(folder, 'packaging/systemd')).map((name) =>
    join(folder, 'packaging/systemd', name),
  );
  expect(units).toHaveLength(3);
  const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
});
