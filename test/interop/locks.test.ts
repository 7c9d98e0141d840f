import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { bothFail } from '../support/lab/both-kprops.ts';
import { comparable, Lab } from '../support/lab/lab.ts';
import type { Kpropd, KpropdOptions, KpropOptions } from '../support/lab/lab-options.ts';
import { holdLock } from '../support/lab/lock-holder.ts';
import type { Make } from '../support/lab/make.ts';
import { runKprop, startKpropd, succeeded } from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { type Proxy as SlowLine, startProxy } from '../support/rig/tcp-proxy.ts';

const makes: readonly Make[] = ['ours', 'mit'];
const other = (make: Make): Make => (make === 'ours' ? 'mit' : 'ours');

let lab: Lab;
let small: string;
let loader: string;
const kpropds: Kpropd[] = [];
const proxies: SlowLine[] = [];
beforeAll(async () => {
  lab = await Lab.create({ principals: 20 });
  small = await lab.dump(join(lab.primary.folder, 'small'));
  loader = lab.loaderStub('exit 0', 'no-loader');
});
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await Promise.all(kpropds.splice(0).map((kpropd) => kpropd.stop()));
});
afterAll(() => lab.close());

async function kpropd(make: Make, o: KpropdOptions = {}): Promise<Kpropd> {
  const started = await startKpropd(lab, make, o);
  kpropds.push(started);
  return started;
}

/** A propagation that stands still in the middle of its blocks until the proxy lets it go on. */
async function heldPropagation(make: Make, port: number, o: Omit<KpropOptions, 'port'> = {}) {
  const afterBytes = 200_000;
  const proxy = await startProxy(port, { from: 'client', afterBytes, fate: 'hold' });
  proxies.push(proxy);
  const outcome = runKprop(lab, make, { port: proxy.port, file: lab.dumpFile, ...o });
  await proxy.struck;
  return {
    finish: () => {
      proxy.release();
      return outcome;
    },
  };
}

/** Whether a process of its own can have this lock now. */
async function isFree(path: string, o: { readonly shared: boolean }): Promise<boolean> {
  const program = `
import fcntl, sys
f = open(sys.argv[1], 'r+b')
try: fcntl.lockf(f, fcntl.${o.shared ? 'LOCK_SH' : 'LOCK_EX'} | fcntl.LOCK_NB)
except OSError: sys.exit(1)`;
  return (await lab.run('/usr/bin/python3', ['-c', program, path])).status === 0;
}

/** A dump of some megabytes: no sender has read all of it when its first blocks are out. */
function bigDump(): Buffer {
  makeSyntheticDump(lab.dumpFile, 20_000, { basedOn: readFileSync(small, 'latin1') });
  return readFileSync(lab.dumpFile);
}

describe('the dump on the primary', () => {
  test.each(makes)(
    'kprop (%s) sends the dump that it began, whatever kdb5_util does',
    async (make) => {
      const before = bigDump();
      const { ino } = statSync(lab.dumpFile);
      const replica = await kpropd('ours', { loader });
      const propagation = await heldPropagation(make, replica.port);

      await lab.dump();
      expect(statSync(lab.dumpFile).ino).not.toBe(ino);
      expect(await propagation.finish()).toMatchObject(succeeded());
      expect(readFileSync(lab.replica.fromMaster).equals(before)).toBe(true);

      expect(await runKprop(lab, make, { port: replica.port })).toMatchObject(succeeded());
      expect(readFileSync(lab.replica.fromMaster)).toEqual(readFileSync(lab.dumpFile));
    },
  );

  test.each(makes)(
    'kprop (%s) shares it with the other make, and with nobody who writes',
    async (make) => {
      bigDump();
      const replica = await kpropd('ours', { loader });
      const propagation = await heldPropagation(make, replica.port);

      expect(await isFree(lab.dumpFile, { shared: true })).toBe(true);
      expect(await isFree(lab.dumpFile, { shared: false })).toBe(false);
      const file = join(lab.replica.folder, 'second');
      const second = await kpropd('mit', { loader, file });
      const sent = await runKprop(lab, other(make), { port: second.port });
      expect(sent).toMatchObject(succeeded());

      expect(await propagation.finish()).toMatchObject(succeeded());
      expect(await isFree(lab.dumpFile, { shared: false })).toBe(true);
    },
  );

  test.each(['POSIX', 'OFD'] as const)('an exclusive %s lock refuses either kprop', async (how) => {
    await lab.dump();
    const replica = await kpropd('ours', { loader });
    const holder = await holdLock(lab.dumpFile, how);
    const { mit, ours, advice } = await bothFail(lab, { port: replica.port });
    expect(mit).toEqual(['kprop: database locked']);
    expect(ours).toEqual(mit);
    expect(advice).toContain(lab.dumpFile);
    await holder.end();
    expect(await lab.ourKprop({ port: replica.port })).toMatchObject(succeeded());
  });

  test.each(['POSIX', 'OFD'] as const)('a shared %s lock is in the way of nobody', async (how) => {
    await lab.dump();
    const replica = await kpropd('ours', { loader });
    const holder = await holdLock(lab.dumpFile, how, { shared: true });
    for (const make of makes) {
      expect(await runKprop(lab, make, { port: replica.port })).toMatchObject(succeeded());
    }
    await holder.end();
  });
});

describe('the spool on the replica', () => {
  test.each(makes)('kpropd (%s) keeps it from a second kpropd until it is done', async (make) => {
    const sent = bigDump();
    const first = await kpropd(make, { loader });
    const second = await kpropd(other(make), { loader });
    const propagation = await heldPropagation('mit', first.port);
    await first.process.until(() => first.stderr.includes('transfer started'), 'the first block');

    expect(await isFree(`${lab.replica.fromMaster}.temp`, { shared: true })).toBe(false);
    for (const kprop of makes) {
      const refused = await runKprop(lab, kprop, { port: second.port, file: small });
      expect(refused).toMatchObject({ status: 1, stdout: '' });
    }
    const complaints = second.stderr.match(/^kpropd: .* while trying to lock '.*\.temp'$/gm);
    expect(complaints).toHaveLength(2);

    expect(await propagation.finish()).toMatchObject(succeeded());
    expect(readFileSync(lab.replica.fromMaster).equals(sent)).toBe(true);
    const after = await lab.mitKprop({ port: second.port, file: small });
    expect(after).toMatchObject(succeeded());
    expect(readFileSync(lab.replica.fromMaster)).toEqual(readFileSync(small));
  });

  test.each(makes)('kpropd (%s) shares it while it loads: a kprop may cascade', async (make) => {
    await lab.dump();
    const { fromMaster } = lab.replica;
    const [begun, go] = ['begun', 'go'].map((name) => join(lab.replica.folder, `${make}-${name}`));
    const slow = lab.loaderStub(`touch ${begun}; until [ -e ${go} ]; do sleep 0.02; done`, 'slow');
    const first = await kpropd(make, { loader: slow });
    const propagation = lab.mitKprop({ port: first.port });
    await expect.poll(() => existsSync(begun as string), { timeout: 10_000 }).toBe(true);

    expect(await isFree(fromMaster, { shared: false })).toBe(false);
    writeFileSync(`${fromMaster}.dump_ok`, '\0');
    const next = await kpropd('ours', { loader, file: join(lab.replica.folder, 'next') });
    for (const kprop of makes) {
      const cascade = await runKprop(lab, kprop, { port: next.port, file: fromMaster });
      expect(cascade, kprop).toMatchObject(succeeded());
    }
    writeFileSync(go as string, '');
    expect(await propagation).toMatchObject(succeeded());
    expect(await isFree(fromMaster, { shared: false })).toBe(true);
  });
});

describe('the database of the replica', () => {
  test('a load waits for a reader that holds the database', async () => {
    await lab.load(await lab.dump());
    await lab.addPrincipals(['waits'], 'secret');
    await lab.dump();
    const replica = await kpropd('ours');
    const reader = await holdLock(`${lab.replica.database}.ok`, 'OFD', { shared: true });
    const propagation = lab.mitKprop({ port: replica.port });
    const first = await Promise.race([
      propagation.then(() => 'loaded'),
      new Promise((resolve) => setTimeout(resolve, 500, 'waiting')),
    ]);
    expect(first).toBe('waiting');
    await reader.end();
    expect(await propagation).toMatchObject(succeeded());
    expect(await lab.replicaDump()).toContain('waits@');
  });

  test('dumps taken while others are loaded hold the one database or the other', async () => {
    const few = await lab.dump(join(lab.primary.folder, 'few'));
    const many = join(lab.primary.folder, 'many');
    makeSyntheticDump(many, 3_000, { basedOn: readFileSync(few, 'latin1') });
    await lab.load(few);
    const whole = [few, many].map((file) => comparable(readFileSync(file, 'latin1')));
    const replica = await kpropd('ours');
    let loading = true;
    const propagations = (async () => {
      for (const file of [many, few, many, few, many]) {
        expect(await lab.ourKprop({ port: replica.port, file })).toMatchObject(succeeded());
      }
      loading = false;
    })();
    const seen = new Set<number>();
    while (loading) {
      // kdb5_util itself cannot open a database that a load is just putting into place.
      const dump = await lab.replicaDump().catch((error: Error) => {
        expect(error.message).toContain('Cannot open DB2 database');
      });
      if (dump !== undefined) seen.add(whole.indexOf(comparable(dump)));
    }
    await propagations;
    expect([...seen].sort()).toEqual([0, 1]);
  });
});
