import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { IpropLab, type IpropReplica, principalsOf } from '../support/lab/iprop-lab.ts';
import { comparable, type LabProcess, ourProgram } from '../support/lab/lab.ts';
import { enctypeNames } from '../support/wire/enctypes.ts';

// Real kadmind, and beside our kpropd MIT's, fed by the same kadmind.
// BURST=10000 npx vitest run test/interop/incremental.test.ts -t burst

const changes = Number(process.env.BURST ?? 1_000);

const started: LabProcess[] = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});

/** Starts processes that end with the test. */
async function run(...processes: readonly (LabProcess | Promise<LabProcess>)[]) {
  for (const one of processes) started.push(await one);
}

const inStep = (kpropd: LabProcess) => kpropd.stderr.trimEnd().endsWith('updates again');

/** Waits until a replica's log is where the primary's is. */
async function caughtUp(iprop: IpropLab, ...replicas: readonly IpropReplica[]): Promise<void> {
  const wanted = await iprop.lastSerial('primary');
  for (const { site } of replicas) {
    const until = performance.now() + 30_000;
    while ((await iprop.lastSerial(site)) !== wanted) {
      if (performance.now() > until) throw new Error(`${site.folder} did not catch up`);
      await sleep(50);
    }
  }
}

describe('beside each other', () => {
  let iprop: IpropLab;
  let ours: IpropReplica;
  let mit: IpropReplica;
  beforeAll(async () => {
    iprop = await IpropLab.create({ logSize: 20_000 });
    await iprop.kadmin(['addpol -maxlife 30d pol1', 'addpol -minlength 3 pol2']);
    ours = await iprop.addReplica('ours');
    mit = await iprop.addReplica('mit');
    await iprop.resyncByHand(ours, mit);
  });
  afterAll(() => iprop.close());

  const batches: Readonly<Record<string, readonly string[]>> = {
    add: ['addprinc -pw a alice', 'addprinc -randkey bob/admin', 'addprinc -nokey carl'],
    modify: [
      'modprinc -maxlife 2h -maxrenewlife 3d +requires_preauth -allow_tix alice',
      'modprinc -expire 2030-01-02 -pwexpire "1 day" bob/admin',
      'modprinc -policy pol1 alice',
      'modprinc -clearpolicy -policy pol2 bob/admin',
    ],
    'change keys': [
      'cpw -pw b alice',
      'cpw -keepold -pw c alice',
      'cpw -randkey bob/admin',
      'purgekeys alice',
    ],
    'string attributes': [
      'setstr alice one 1',
      `setstr alice two ${'x'.repeat(1_500)}`,
      'setstr alice require_auth a:b',
      'delstr alice one',
    ],
    'lockout attributes': ['modprinc -unlock alice', 'modprinc -unlock bob/admin'],
    rename: ['renprinc -force alice alina', 'renprinc -force bob/admin bob/root'],
    'names with escapes': [
      'addprinc -pw a "with space"',
      'addprinc -pw a a\\/b/c\\@d',
      'addprinc -pw a back\\\\slash',
      'addprinc -pw ä ümläut/ß',
      `addprinc -pw a ${'long'.repeat(60)}`,
      'modprinc -maxlife 1h a\\/b/c\\@d',
      'modprinc -maxlife 1h ümläut/ß',
    ],
    delete: ['delprinc -force alina', 'delprinc -force carl', 'delprinc -force bob/root'],
    'made and deleted at once': [
      'addprinc -pw a fleeting',
      'modprinc -maxlife 1h fleeting',
      'delprinc -force fleeting',
      'addprinc -pw b fleeting',
    ],
  };

  test.each(Object.keys(batches))('%s', async (name) => {
    await run(iprop.startKadmind('/bin/false', 1));
    await run(iprop.startKpropd('ours', ours), iprop.startKpropd('mit', mit));
    await iprop.kadmin(batches[name] as readonly string[]);
    await caughtUp(iprop, ours, mit);
    await expectSame();
    expectSameBytes();
    expect(started[1]?.stderr).not.toMatch(/resync|failed/);
  });

  test('an entry that outgrows the slots: the primary begins its log anew, and both ask for a resync', async () => {
    await run(iprop.startKadmind('/bin/false', 1));
    await run(iprop.startKpropd('ours', ours), iprop.startKpropd('mit', mit));
    await iprop.kadmin([
      'addprinc -nokey large',
      ...Array.from({ length: 4 }, (_, at) => `setstr large long${at} ${'y'.repeat(1_000)}`),
    ]);
    for (const kpropd of started.slice(1)) {
      await kpropd.until(() => kpropd.stderr.includes('Full resync needed'), 'the wish');
    }
    await iprop.resyncByHand(ours, mit);
    await iprop.kadmin(['setstr large last z']);
    await caughtUp(iprop, ours, mit);
    await expectSame();
  });

  test(`${changes} changes in a burst`, { timeout: 180_000 }, async () => {
    await run(iprop.startKadmind('/bin/false', 1));
    await run(iprop.startKpropd('ours', ours), iprop.startKpropd('mit', mit));
    await iprop.kadmin(
      Array.from({ length: changes }, (_, at) =>
        at < 500 ? `addprinc -nokey burst${at}` : `modprinc -maxlife ${at}s burst${at % 500}`,
      ),
    );
    await caughtUp(iprop, ours, mit);
    await expectSame();
    expect(started[1]?.stderr).not.toMatch(/resync|failed/);
  });

  /** Databases and logs: the dumps in one order, the logs as kproplog shows every byte of them. */
  async function expectSame(): Promise<void> {
    const dump = comparable(await iprop.dumpOf(mit.site));
    expect(comparable(await iprop.dumpOf(ours.site))).toBe(dump);
    const logOf = async ({ site }: IpropReplica) =>
      (await iprop.updateLog(site, ['-v', '-v'])).replace(site.database, '');
    expect(await logOf(ours)).toBe(await logOf(mit));
  }

  /** Before the first resync of a test, after which old slots hold the times of two resets. */
  function expectSameBytes(): void {
    const bytes = ({ site }: IpropReplica) => readFileSync(`${site.database}.ulog`);
    expect(bytes(ours).equals(bytes(mit))).toBe(true);
  }
});

describe.each(enctypeNames)('a realm of %s', (enctype) => {
  test('updates, many fragments of them, and a full resync', async () => {
    const iprop = await IpropLab.create({ enctype, principals: 0 });
    try {
      const ours = await iprop.addReplica('ours');
      await run(iprop.startKadmind(ourProgram('kprop'), ours.kpropPort));
      const kpropd = iprop.startKpropd('ours', ours);
      await run(kpropd);
      await kpropd.until(() => kpropd.stderr.includes('KDC is synchronized'), 'a full resync');
      await iprop.kadmin(Array.from({ length: 60 }, (_, at) => `addprinc -pw a many${at}`));
      await caughtUp(iprop, ours);
      await kpropd.until(() => inStep(kpropd), 'a poll');
      expect(principalsOf(await iprop.dumpOf(ours.site))).toEqual(
        principalsOf(await iprop.dumpOf(iprop.lab.primary)),
      );
    } finally {
      for (const one of started.splice(0).reverse()) await one.stop();
      await iprop.close();
    }
  });
});

describe('cascades', () => {
  const chains = [
    ['ours', 'mit', '/usr/sbin/kprop'],
    ['mit', 'ours', ourProgram('kprop')],
    ['ours', 'ours', ourProgram('kprop')],
  ] as const;

  test.each(chains)('%s in the middle, %s below', async (middleMake, belowMake, kprop) => {
    const iprop = await IpropLab.create();
    try {
      const middle = await iprop.addReplica('middle');
      const below = await iprop.addReplica('below', middle.kadmindPort);
      await run(iprop.startKadmind(kprop, middle.kpropPort));
      const upper = iprop.startKpropd(middleMake, middle);
      await run(upper);
      await upper.until(() => upper.stderr.includes('KDC is synchronized'), 'the first resync');
      await run(iprop.startKadmindOf(middle, kprop, below.kpropPort));
      const lower = iprop.startKpropd(belowMake, below);
      await run(lower);
      await lower.until(() => lower.stderr.includes('KDC is synchronized'), 'the second resync');
      await iprop.kadmin(['addprinc -pw a alice', 'modprinc -maxlife 1h alice', 'cpw -pw b alice']);
      await iprop.kadmin(['addprinc -pw a bob', 'delprinc -force user1', 'renprinc -force bob b']);
      await caughtUp(iprop, middle, below);
      const wanted = principalsOf(await iprop.dumpOf(iprop.lab.primary));
      expect(principalsOf(await iprop.dumpOf(middle.site))).toEqual(wanted);
      expect(principalsOf(await iprop.dumpOf(below.site))).toEqual(wanted);
      expect(lower.stderr.match(/Full resync needed/g)).toHaveLength(1);
    } finally {
      for (const one of started.splice(0).reverse()) await one.stop();
      await iprop.close();
    }
  });
});
