import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { systemAmbient } from '../../src/protocol/ambient.ts';
import type { Credential } from '../../src/protocol/krb5/session/credential.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Make } from '../support/lab/make.ts';
import { startKpropd } from '../support/lab/pairings.ts';
import { labCredential, presentApReq } from '../support/rig/attacker.ts';
import { kpropApReq } from '../support/wire/forge.ts';

const replay = { number: 34, text: 'Request is a replay' };

let lab: Lab;
let credential: Credential;
beforeAll(async () => {
  lab = await Lab.create();
  credential = await labCredential(lab);
});
afterAll(() => lab.close());

const freshApReq = () => kpropApReq(credential, systemAmbient()).message;

/** Both kpropds with this environment; what each order of presenting one AP-REQ twice brings. */
async function bothOrders(env: NodeJS.ProcessEnv) {
  const [our, MIT] = await Promise.all([
    startKpropd(lab, 'ours', { env }),
    startKpropd(lab, 'mit', { env }),
  ]);
  const ports: Record<Make, number> = { ours: our.port, mit: MIT.port };
  const inOrder = async (...makes: readonly Make[]) => {
    const apReq = freshApReq();
    const answers = [];
    for (const make of makes) answers.push(await presentApReq(ports[make], apReq));
    return answers;
  };
  const answers = {
    oursFirst: await inOrder('ours', 'mit'),
    mitFirst: await inOrder('mit', 'ours'),
    oursTwice: await inOrder('ours', 'ours'),
  };
  await Promise.all([our.stop(), MIT.stop()]);
  return answers;
}

const refusedTheSecondTime = {
  oursFirst: ['welcome', replay],
  mitFirst: ['welcome', replay],
  oursTwice: ['welcome', replay],
};
const welcomeTwice = {
  oursFirst: ['welcome', 'welcome'],
  mitFirst: ['welcome', 'welcome'],
  oursTwice: ['welcome', 'welcome'],
};

/** An empty folder of the replica's. */
function folder(name: string): string {
  const path = join(lab.replica.folder, name);
  mkdirSync(path);
  return path;
}

/** The file lies where it should and has a seed and three tags, each in a record of its own. */
function expectThreeTags(path: string): void {
  const file = readFileSync(path);
  const records = [];
  for (let at = 16; at + 16 <= file.length; at += 16) {
    const seconds = file.readUInt32BE(at + 12);
    if (seconds !== 0) records.push(seconds);
  }
  expect(records).toHaveLength(3);
  const now = Date.now() / 1000;
  for (const seconds of records) expect(Math.abs(now - seconds)).toBeLessThan(60);
}

describe('one replay cache for our kpropd and that of MIT', () => {
  const userId = process.geteuid?.();
  const name = `krb5_${userId}.rcache2`;
  const nothing = { KRB5RCACHEDIR: undefined, KRB5RCACHENAME: undefined };

  test('in the folder of KRB5RCACHEDIR', async () => {
    const KRB5RCACHEDIR = folder('by-dir');
    expect(await bothOrders({ KRB5RCACHEDIR })).toEqual(refusedTheSecondTime);
    expectThreeTags(join(KRB5RCACHEDIR, name));
  });

  test('in the folder of TMPDIR', async () => {
    const TMPDIR = folder('by-tmpdir');
    expect(await bothOrders({ ...nothing, TMPDIR })).toEqual(refusedTheSecondTime);
    expectThreeTags(join(TMPDIR, name));
  });

  test('dfl: by name', async () => {
    const KRB5RCACHEDIR = folder('dfl');
    const env = { KRB5RCACHEDIR, KRB5RCACHENAME: 'dfl:' };
    expect(await bothOrders(env)).toEqual(refusedTheSecondTime);
    expectThreeTags(join(KRB5RCACHEDIR, name));
  });

  test('file2: with a path', async () => {
    const KRB5RCACHEDIR = folder('not-used');
    const path = join(lab.replica.folder, 'some.rcache');
    const env = { KRB5RCACHEDIR, KRB5RCACHENAME: `file2:${path}` };
    expect(await bothOrders(env)).toEqual(refusedTheSecondTime);
    expectThreeTags(path);
    expect(readdirSync(KRB5RCACHEDIR)).toEqual([]);
  });

  test('of default_rcache_name in krb5.conf', async () => {
    const conf = join(lab.replica.folder, 'rcache.conf');
    const path = join(lab.replica.folder, 'configured.rcache');
    const text = readFileSync(lab.replica.krb5Conf, 'utf8');
    const line = `[libdefaults]\n  default_rcache_name = file2:${path}`;
    writeFileSync(conf, text.replace('[libdefaults]', line));
    const env = { ...nothing, KRB5_CONFIG: conf, TMPDIR: folder('not-configured') };
    expect(await bothOrders(env)).toEqual(refusedTheSecondTime);
    expectThreeTags(path);
  });
});

describe('both kpropds', () => {
  test.each([{ KRB5RCACHENAME: 'none:' }, { KRB5RCACHETYPE: 'none' }])(
    'keep no replay cache with %o',
    async (chosen) => {
      const KRB5RCACHEDIR = folder(`none-${Object.keys(chosen)}`);
      expect(await bothOrders({ KRB5RCACHEDIR, ...chosen })).toEqual(welcomeTwice);
      expect(readdirSync(KRB5RCACHEDIR)).toEqual([]);
    },
  );

  test.each(['unheard:of', 'no-colon'])('refuse everybody with KRB5RCACHENAME=%s', async (name) => {
    const { oursFirst, mitFirst } = await bothOrders({ KRB5RCACHENAME: name });
    expect(oursFirst[0]).toMatchObject({ number: 60 });
    expect(mitFirst).toEqual(oursFirst);
    expect(oursFirst[1]).toEqual(oursFirst[0]);
  });

  test('refuse everybody where the folder of the cache is missing', async () => {
    const KRB5RCACHEDIR = join(lab.replica.folder, 'no-such-folder');
    const error = { number: 60, text: 'No such file or directory' };
    const answers = await bothOrders({ KRB5RCACHEDIR });
    expect(answers.oursFirst).toEqual([error, error]);
    expect(answers.mitFirst).toEqual([error, error]);
    expect(existsSync(KRB5RCACHEDIR)).toBe(false);
  });
});
