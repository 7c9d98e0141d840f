import { afterAll, beforeAll, expect, test } from 'vitest';

import { faultOfDatabase } from '../../../src/kdb/db2/contents.ts';
import { Databases } from '../../support/rig/native-database.ts';
import { seededRandom } from '../../support/wire/seeded-random.ts';

// kadmin.local does the same random work on a database that was written natively and on one that
// kdb5_util wrote. OPERATIONS=20000 npm run test:long -- test/kdb/db2/worked-on.test.ts

const operations = Number(process.env.OPERATIONS ?? 400);
const seed = Number(process.env.OPERATION_SEED ?? Math.floor(Math.random() * 2 ** 31));
const batch = 200;

let databases: Databases;
beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

test(`${operations} operations, seed ${seed}`, { timeout: 60_000 + operations * 60 }, async () => {
  const random = seededRandom(seed);
  const text = `${(await databases.realLines()).join('\n')}\n`;
  databases.build('ours', text);
  expect(await databases.load('theirs', text)).toEqual({ status: 0, stderr: '' });
  // What the programs print differs in times at most.
  for (let done = 0; done < operations; done += batch) {
    const commands = Array.from({ length: batch }, () => operation(random));
    const said = await Promise.all(['ours', 'theirs'].map((name) => work(name, commands)));
    expect(said[0]).toBe(said[1]);
    const dumps = await Promise.all(['ours', 'theirs'].map((name) => databases.dump(name)));
    expect(masked(dumps[0] ?? ''), `after ${done + batch} of seed ${seed}`).toBe(
      masked(dumps[1] ?? ''),
    );
    const backwards = await databases.dump('ours', ['-rev']);
    expect(backwards.split('\n').slice(1).filter(isPrincipal).reverse()).toEqual(
      (dumps[0] ?? '').split('\n').slice(1).filter(isPrincipal),
    );
    expect(await faultOfDatabase(databases.path('ours'))).toBeUndefined();
  }
});

const isPrincipal = (line: string) => line.startsWith('princ\t');

async function work(name: string, commands: readonly string[]): Promise<string> {
  const { stdout, stderr } = await databases.lab.run(
    '/usr/sbin/kadmin.local',
    ['-d', databases.path(name)],
    { role: 'primary', input: `${commands.join('\n')}\n` },
  );
  return stdout.replace(/^Authenticating .*$/gm, '') + stderr;
}

function operation(random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  const name = `w${below(400)}${'n'.repeat(below(3) * below(200))}`;
  const policy = `p${below(20)}`;
  switch (below(9)) {
    case 0:
    case 1:
    case 2:
      return `addprinc -randkey ${name}`;
    case 3:
      return `delprinc -force ${name}`;
    case 4:
      return `modprinc -maxlife ${1 + below(20)}h ${name}`;
    case 5:
      return `setstr ${name} key${below(3)} ${'v'.repeat(1 + below(3) * below(3_000))}`;
    case 6:
      return `cpw -randkey -keepold ${name}`;
    case 7:
      return `addpol -minlength ${1 + below(9)} ${policy}`;
    default:
      return below(2) === 0
        ? `delpol -force ${policy}`
        : `modpol -maxfailure ${below(9)} ${policy}`;
  }
}

/** Without keys and what depends on the time. */
function masked(dump: string): string {
  return dump
    .replace(/[0-9a-f]{16,}/g, 'HEX')
    .replace(/\t1\t4\t[0-9a-f]{8}\b/g, '\tCHANGED')
    .replace(/\t1[78]\d{8}\b/g, '\tTIME');
}
