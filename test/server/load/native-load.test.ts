import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import type { ServeOptions } from '../../../src/server/options.ts';
import { comparable, Lab } from '../../support/lab/lab.ts';
import { holdLock } from '../../support/lab/lock-holder.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { kdb5Util, ReplicaRig, type RigServer } from '../../support/rig/replica-rig.ts';

let rig: ReplicaRig;
let large: string;
let database: string;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  database = rig.lab.replica.database;
  large = join(rig.lab.primary.folder, 'large');
  makeSyntheticDump(large, 20_000, { basedOn: readFileSync(rig.good, 'latin1') });
});
afterAll(() => rig.close());
beforeEach(async () => {
  await rig.lab.load(rig.good);
});

const textOf = (path: string) => comparable(readFileSync(path, 'latin1'));
const held = async () => comparable(await rig.lab.replicaDump());
const notices = (server: RigServer) =>
  server.events.flatMap((event) => (event.kind === 'notice' ? [event.text] : []));
const loadedNatively = (server: RigServer) =>
  server.events.flatMap((event) => (event.kind === 'loading' ? [event.natively] : []));
const serve = (o: Partial<ServeOptions> = {}) => rig.serve({ load: 'auto', ...o });
/** What is beside the database that was not before. */
const leftOvers = () =>
  readdirSync(rig.lab.replica.folder).filter((name) => /\.new-|\.rejected|before-load/.test(name));

/** A kdb5_util that does this first. */
function strangeKdb5Util(script: string): string {
  const folder = join(rig.lab.replica.folder, 'strange');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'kdb5_util');
  writeFileSync(path, `#!/bin/sh\n${script}\nexec ${kdb5Util} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('a dump is loaded natively', () => {
  test.each([
    ['small', () => rig.other],
    ['large, while it arrives', () => large],
  ])('%s', async (_, dump) => {
    const server = await serve();
    await rig.send(server.port, { dump: dump() });
    await server.settled();
    expect(await held()).toBe(textOf(dump()));
    expect(loadedNatively(server)).toEqual([true]);
    expect(notices(server)).toEqual(['loads natively']);
    expect(leftOvers()).toEqual([]);
    expect(readFileSync(rig.lab.replica.fromMaster).equals(readFileSync(dump()))).toBe(true);
  });

  test('what it replaced is kept, and two renames go back to it', async () => {
    const server = await serve();
    await rig.send(server.port, { dump: large });
    await rig.send(server.port);
    expect(await held()).toBe(textOf(rig.other));
    for (const end of ['.kadm5', '']) renameSync(`${database}${end}.previous`, database + end);
    expect(await held()).toBe(textOf(large));
    // A load by kdb5_util is one later: what is kept would be two behind.
    await rig.send(server.port);
    expect(existsSync(`${database}.previous`)).toBe(true);
    const other = await rig.serve({ load: 'kdb5_util' });
    await rig.send(other.port, { dump: large });
    expect(existsSync(`${database}.previous`)).toBe(false);
    expect(existsSync(`${database}.kadm5.previous`)).toBe(false);
  });

  test('somebody who reads or loads is waited for', async () => {
    const server = await serve();
    for (const name of ['.ok', '~.ok', '.kadm5.lock']) {
      const holder = await holdLock(await made(database + name), 'OFD', { shared: name === '.ok' });
      let sent = false;
      const sending = rig.send(server.port).then(() => {
        sent = true;
      });
      await server.settled().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(sent, name).toBe(false);
      await holder.end();
      await sending;
    }
    expect(await held()).toBe(textOf(rig.other));
  });

  test('two at once: each is whole, and the later one stays', async () => {
    const servers = await Promise.all([
      serve(),
      serve({ file: join(rig.lab.replica.folder, 'second') }),
    ]);
    const dumps = [large, rig.other];
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        servers.map(({ port }, index) => rig.send(port, { dump: dumps[index] ?? '' })),
      );
      expect(dumps.map(textOf)).toContain(await held());
    }
    expect(leftOvers()).toEqual([]);
  });
});

describe('MIT judges the new database', () => {
  test('the first one, and with --verify=always each, before it becomes live', async () => {
    const log = join(rig.lab.replica.folder, 'judged');
    const path = strangeKdb5Util(`echo "$*" >>'${log}'`);
    const environment = rig.lab.env('replica');
    const asked = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0);
    const first = await serve({ loader: { path, environment } });
    await rig.send(first.port);
    await rig.send(first.port);
    expect(asked()).toBe(1);
    const always = await serve({ loader: { path, environment }, verify: 'always' });
    await rig.send(always.port);
    await rig.send(always.port);
    expect(asked()).toBe(3);
    const never = await serve({ loader: { path, environment }, verify: 'never' });
    await rig.send(never.port);
    expect(asked()).toBe(3);
    expect(readFileSync(log, 'utf8')).toContain(`-r ${rig.lab.realm} -d ${database}.new-`);
    // Another version of kdb5_util.
    strangeKdb5Util(`echo "$*" >>'${log}' # changed`);
    await rig.send(first.port);
    expect(asked()).toBe(4);
  });

  test.each([
    ['another byte', `case "$*" in *dump*) ${kdb5Util} "$@" | tr a b; exit;; esac`],
    ['a record less', `case "$*" in *dump*) ${kdb5Util} "$@" | grep -v user1; exit;; esac`],
    ['nothing', 'case "$*" in *dump*) exit 1;; esac'],
  ])('if it dumps %s, the database is kept aside, and kdb5_util loads', async (_, script) => {
    const loader = { path: strangeKdb5Util(script), environment: rig.lab.env('replica') };
    const server = await serve({ loader, verify: 'always' });
    await rig.send(server.port);
    expect(await held()).toBe(textOf(rig.other));
    expect(loadedNatively(server)).toEqual([true, false]);
    expect(notices(server)[1]).toMatch(
      /is not used \(what kdb5_util dumps differs: .*; it is kept as .*principal\.rejected, and kdb5_util loads the dump$/,
    );
    expect(existsSync(`${database}.rejected`)).toBe(true);
    for (const end of ['', '.kadm5'])
      renameSync(`${database}${end}.rejected`, join(rig.lab.folder, 'x'));
  });
});

describe('what is not for a native load', () => {
  const changed = (change: (text: string) => string) => {
    const path = join(rig.lab.primary.folder, 'changed');
    writeFileSync(path, change(readFileSync(rig.other, 'latin1')), 'latin1');
    writeFileSync(`${path}.dump_ok`, '\0');
    return path;
  };
  const unsorted = (text: string) => {
    const [header = '', ...lines] = text.trimEnd().split('\n');
    return `${[header, ...lines.reverse()].join('\n')}\n`;
  };

  test('is handed over to kdb5_util, and the log says why', async () => {
    const server = await serve();
    const dump = changed(unsorted);
    await rig.send(server.port, { dump });
    expect((await held()).split('\n').sort()).toEqual(textOf(dump).split('\n').sort());
    expect(loadedNatively(server)).toEqual([true, false]);
    expect(notices(server)[1]).toMatch(/because of line \d+: the principals are not in the order/);
  });

  test('with --load=native it is refused', async () => {
    const server = await serve({ load: 'native' });
    const before = await held();
    const refusal = await rig.failure(server.port, { dump: changed(unsorted) });
    expect(refusal.message).toContain('the dump can only be loaded by kdb5_util');
    expect(server.errors).toMatchObject([{ code: 'loader.not-native' }]);
    expect(await held()).toBe(before);
  });

  test('what would harm the database is refused, in the last line as in the first', async () => {
    const server = await serve();
    const before = await held();
    const cases: readonly [(text: string) => string, string][] = [
      [(text) => text.replace(/38(?=\t[^\n]*\n$)/, '39'), 'the base length is not 38'],
      [(text) => text.replace('\t38\t', '\t39\t'), 'the base length is not 38'],
    ];
    for (const [change, reason] of cases) {
      const refusal = await rig.failure(server.port, { dump: changed(change) });
      expect(refusal.message).toContain('the dump cannot be loaded safely');
      await server.settled();
      const error = server.errors.at(-1);
      expect(isKpropError(error, 'loader.refused') && error.message).toContain(reason);
      expect(await held()).toBe(before);
      expect(leftOvers()).toEqual([]);
    }
  });

  test('a sender that has not sent all is told at once', async () => {
    const server = await serve({ limits: { idleMillis: 5_000 } });
    const bytes = Buffer.from(readFileSync(large, 'latin1').replace('\t38\t', '\t39\t'), 'latin1');
    async function* half() {
      yield bytes.subarray(0, bytes.length / 2);
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      yield bytes.subarray(bytes.length / 2);
    }
    const begun = performance.now();
    await rig.failure(server.port, { dump: { bytes: bytes.length, stream: half() } });
    expect(performance.now() - begun).toBeLessThan(4_000);
    await server.settled();
    expect(server.errors).toMatchObject([{ code: 'loader.refused', phase: 'load' }]);
    expect(server.events.map(({ kind }) => kind)).not.toContain('received');
  });

  test.each<[string, Partial<ServeOptions>, string | undefined]>([
    ['a wrapper', { loader: { path: '/bin/true', environment: {} } }, undefined],
    ['--load=kdb5_util', { load: 'kdb5_util' }, undefined],
  ])('%s', async (_, o, described) => {
    const server = await serve(o);
    await rig.send(server.port);
    expect(loadedNatively(server)).toEqual([false]);
    expect(notices(server)).toEqual(described === undefined ? [] : [described]);
  });

  test('a database that is a symbolic link', async () => {
    const link = join(rig.lab.replica.folder, 'link');
    symlinkSync(database, link);
    const loader = { path: kdb5Util, database: link, environment: rig.lab.env('replica') };
    const server = await serve({ loader });
    expect(notices(server)).toContain(`loads with kdb5_util: ${link} is a symbolic link`);
    await expect(serve({ loader, load: 'native' })).rejects.toMatchObject({ code: 'config.load' });
  });
});

describe('a replica without kdb5_util', () => {
  test('needs only the KDC', async () => {
    const lab = await Lab.create({ principals: 2 });
    await lab.addPrincipals(['somebody'], 'secret');
    await lab.dump();
    const kpropd = await lab.startOurKpropd({
      args: ['--load=native', '-p', '/nonexistent/kdb5_util'],
    });
    const sent = await lab.mitKprop({ port: kpropd.port });
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    expect(kpropd.stderr).toContain('kdb5_util cannot be run to compare');
    // The stash file, which the lab makes with kdb5_util, comes from the primary.
    writeFileSync(lab.replica.stash, readFileSync(lab.primary.stash));
    await lab.startReplicaKdc();
    expect(await lab.kinit('replica', 'somebody', 'secret')).toMatchObject({ ok: true });
    await kpropd.stop();
    await lab.close();
  });
});

async function made(path: string): Promise<string> {
  if (!existsSync(path)) writeFileSync(path, '', { mode: 0o600 });
  return path;
}
