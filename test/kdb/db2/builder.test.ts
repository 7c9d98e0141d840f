import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { DumpRefusal } from '../../../src/kdb/dump/refusal.ts';
import { Databases } from '../../support/rig/native-database.ts';
import { seededRandom } from '../../support/wire/seeded-random.ts';

const header = 'kdb5_util load_dump version 7';

let databases: Databases;
/** The principals of a real realm, in the order of their names. */
let real: readonly string[];
beforeAll(async () => {
  databases = await Databases.open();
  real = (await databases.realLines()).filter((line) => line.startsWith('princ\t'));
});
afterAll(() => databases.close());

/** A principal with typed data of one type. */
function principal(name: string, o: { readonly dataBytes?: number; readonly rest?: string } = {}) {
  const { dataBytes = 0, rest } = o;
  const numbers = '128\t86400\t0\t1893456000\t0\t1700000000\t0\t3';
  const tl = dataBytes > 0 ? `\t900\t${dataBytes}\t${'5a'.repeat(dataBytes)}` : '';
  const counts = rest === undefined ? `${dataBytes > 0 ? 1 : 0}\t0` : '';
  const head = `princ\t38\t${Buffer.byteLength(name, 'latin1')}`;
  if (rest !== undefined) return `${head}\t${rest.replace('NAME', `${name}\t${numbers}`)}`;
  return `${head}\t${counts}\t0\t${name}\t${numbers}${tl}\t-1;`;
}

const inOrder = (lines: readonly string[]) =>
  [...lines].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));

function nameOf(line: string): string {
  const [, , bytes, , , , name = ''] = line.split('\t', 7);
  return name.slice(0, Number(bytes));
}

/** A dump with the entries of the real realm and these, in order. */
function dumpOf(
  lines: readonly string[],
  policies: readonly string[] = [],
  first = header,
): string {
  return `${[first, ...inOrder([...real, ...lines]), ...policies].join('\n')}\n`;
}

const realm = '@LAB.EXAMPLE';

describe('the records as they are in the specification of the format', () => {
  test('a principal with typed data and keys', () => {
    const line = principal('a@EX.T', {
      rest: '2\t1\t0\tNAME\t8\t2\t0100\t11\t0\t-1\t2\t5\t18\t4\t2000aabb\t4\t2\t4142\t-1;',
    });
    databases.build('example', dumpOf([line]));
    expect(databases.records('example')).toContain(
      `${'61404558 2e5400 2600 80000000 80510100 00000000 80d8db70 00000000 00f15365 00000000 03000000 0200 0100 0700 61404558 2e5400 0800 0200 0100 0b00 0000 0200 0500 1200 0400 2000aabb 0400 0200 4142'
        .replaceAll(' ', '')
        .replace('61404558' + '2e5400', '614045582e5400 ')}`,
    );
  });

  test('policies of the three versions', () => {
    const policies = [
      'policy\tp\t1\t2\t3\t4\t5\t0\t0\t0\t0\t0\t0\t0\t-\t0',
      'policy\tq\t1\t2\t3\t4\t5\t0\t6\t7\t8\t0\t0\t0\t-\t0',
      'policy\tr\t1\t2\t3\t4\t5\t0\t6\t7\t8\t9\t10\t11\taes:normal\t1\t5\t3\t010203',
    ];
    databases.build('policies', dumpOf([], policies));
    const five = '0000000100000002000000030000000400000005' + '00000000';
    const lockout = '000000060000000700000008';
    expect(databases.records('policies', '.kadm5')).toEqual([
      `7000 12345d010000000270000000${five}`,
      `7100 12345d020000000271000000${five}${lockout}`,
      `7200 12345d030000000272000000${five}${lockout}000000090000000a0000000b0000000b6165733a6e6f726d616c0000` +
        '00000001000000000000000100000005000000030102030000000000',
    ]);
  });
});

const names = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, index) =>
    principal(`${prefix}${String(index).padStart(6, '0')}${realm}`),
  );

describe('kdb5_util reads what it would have written', () => {
  test.each<[string, () => string]>([
    ['a real realm', () => dumpOf([])],
    ['one leaf and one more', () => dumpOf(names(30, 'u'))],
    ['two levels', () => dumpOf(names(3_000, 'u'))],
    ['three levels', () => dumpOf(names(900, `u${'x'.repeat(700)}`))],
    ['names with 1,500 bytes in common', () => dumpOf(names(300, `u${'y'.repeat(1_500)}`))],
    ['names of 2,015 bytes', () => dumpOf(names(40, 'u'.repeat(2_015 - 6 - realm.length)))],
    ['every size of data around the limit, and around whole pages', sizes],
    ['random records', () => dumpOf(randomRecords(600))],
    ['keys of versions 0 to 2, typed data of negative types', strangeRecords],
    ['large records', () => dumpOf([principal(`big${realm}`, { dataBytes: 65_535 })])],
    ['200 policies', () => dumpOf([], policiesOf(200))],
    ['names with escapes and of other bytes', escaped],
  ])('%s', async (_, dump) => {
    const text = dump();
    const { principals, policies } = databases.build('ours', text);
    expect(databases.check('ours')).toEqual([
      { fault: undefined, ...principals },
      { fault: undefined, ...policies },
    ]);
    expect(await databases.load('theirs', text)).toEqual({ status: 0, stderr: '' });
    for (const ending of ['', '.kadm5']) {
      expect(databases.records('ours', ending)).toEqual(databases.records('theirs', ending));
    }
    expect(await databases.dump('ours')).toBe(text);
    expect(await databases.dump('ours', ['-rev'])).toBe(await databases.dump('theirs', ['-rev']));
    expect(await databases.dump('ours', ['-recurse'])).toBe(text);
  });

  test.each([4, 5, 6])('a dump of version %i', async (version) => {
    const fields = version === 6 ? '\t6\t7\t8' : '';
    const policies = [`policy\tp\t1\t2\t3\t4\t5\t0${fields}`];
    const text = dumpOf(names(20, 'u'), policies, `kdb5_util load_dump version ${version}`);
    databases.build('ours', text);
    expect(await databases.load('theirs', text)).toEqual({ status: 0, stderr: '' });
    expect(await databases.dump('ours')).toBe(await databases.dump('theirs'));
  });

  test('pieces of any size make the same files', () => {
    const text = dumpOf(
      [...names(500, 'u'), principal(`v${realm}`, { dataBytes: 9_000 })],
      policiesOf(20),
    );
    const made = [1, 7, 100, 4_095, 32_768, 1 << 20].map((pieceBytes) => {
      databases.build('ours', text, pieceBytes);
      return ['', '.kadm5'].map((ending) => readFileSync(databases.path('ours') + ending, 'hex'));
    });
    for (const one of made) expect(one).toEqual(made[0]);
  });
});

describe('what is handed over, or refused, with its line', () => {
  const user = principal(`user${realm}`);
  const line = (change: (line: string) => string) => () =>
    dumpOf([user]).replace(user, change(user));
  const at = (text: string) => text.split('\n').indexOf(user) + 1;
  test.each<[string, 'hand-over' | 'refuse', () => string]>([
    ['spaces for TABs', 'hand-over', line((text) => text.replaceAll('\t', ' '))],
    ['two TABs', 'hand-over', line((text) => text.replace('\t', '\t\t'))],
    ['CR LF', 'hand-over', line((text) => `${text}\r`)],
    ['a blank line', 'hand-over', line((text) => `\n${text}`)],
    ['text behind the semicolon', 'hand-over', line((text) => `${text} text`)],
    ['no semicolon', 'hand-over', line((text) => text.slice(0, -1))],
    ['a word that is unknown', 'hand-over', line((text) => `x${text}`)],
    [
      'a number beyond 32 bits',
      'hand-over',
      line((text) => text.replace('\t86400', '\t4294967296')),
    ],
    ['a number without digits', 'hand-over', line((text) => text.replace('\t86400', '\t-'))],
    [
      'a name that begins with white space',
      'hand-over',
      line((text) => text.replace('user@', ' ser@')),
    ],
    ['a name without its realm', 'hand-over', line((text) => text.replace('user@', 'user_'))],
    ['a name with a needless escape', 'hand-over', line((text) => text.replace('user@', '\\ser@'))],
    ['a name with two realms', 'hand-over', line((text) => text.replace('user@', 'u@er@'))],
    ['the same name twice', 'hand-over', line((text) => `${text}\n${text}`)],
    ['another base length', 'refuse', line((text) => text.replace('\t38\t', '\t39\t'))],
    ['extra data', 'refuse', line((text) => text.replace('\t0\tuser', '\t1\tuser'))],
    ['a name of 2,016 bytes', 'refuse', () => dumpOf([principal('u'.repeat(2_016 - 12) + realm)])],
    [
      'typed data 32767',
      'refuse',
      line((text) =>
        text.replace('\t0\t0\t0\tuser', '\t1\t0\t0\tuser').replace('\t-1;', '\t32767\t0\t-1\t-1;'),
      ),
    ],
    ['End in the middle', 'refuse', line((text) => `End\n${text}`)],
    ['End at the end', 'hand-over', () => `${dumpOf([])}End\n`],
    ['the last line cut', 'refuse', () => dumpOf([]).slice(0, -1)],
    ['no entry of the master key', 'refuse', () => `${header}\n${user}\n`],
    ['the header alone', 'refuse', () => `${header}\n`],
    ['nothing', 'refuse', () => ''],
    ['a header that is unknown', 'hand-over', () => dumpOf([]).replace('version 7', 'version 8')],
    ['policies between principals', 'hand-over', line((text) => `${policiesOf(1)[0]}\n${text}`)],
    [
      'a policy with 11 fields',
      'hand-over',
      () => dumpOf([], ['policy\tp\t1\t2\t3\t4\t5\t0\t0\t0\t0\t0']),
    ],
    [
      'a policy without a name',
      'hand-over',
      () => dumpOf([], ['policy\t\t1\t2\t3\t4\t5\t0\t0\t0\t0']),
    ],
  ])('%s', (_, verdict, dump) => {
    const text = dump();
    const caught = refusalOf(text);
    expect(caught).toMatchObject({ verdict, reason: expect.stringMatching(/^[\w ,.;-]+$/) });
    const lineOfUser = at(text);
    if (lineOfUser > 0 && verdict === 'hand-over') expect(caught?.line).toBeGreaterThan(1);
  });
});

function refusalOf(text: string): DumpRefusal | undefined {
  try {
    databases.build('refused', text);
    return undefined;
  } catch (error) {
    if (error instanceof DumpRefusal) return error;
    throw error;
  }
}

function sizes(): string {
  const around = [1, 2, 100, 2_024, 4_076, 2 * 4_076, 8_900];
  const all = around.flatMap((middle) =>
    Array.from({ length: 140 }, (_, index) => Math.max(1, middle - 130 + index)),
  );
  return dumpOf(
    [...new Set(all)].map((dataBytes) =>
      principal(`s${String(dataBytes).padStart(5, '0')}${realm}`, { dataBytes }),
    ),
  );
}

function randomRecords(count: number): readonly string[] {
  const random = seededRandom(7);
  const below = (limit: number) => Math.floor(random() * limit);
  const hex = (bytes: number) =>
    bytes === 0
      ? '-1'
      : Array.from({ length: bytes }, () => (256 + below(256)).toString(16).slice(1)).join('');
  return Array.from({ length: count }, (_, index) => {
    const tls = Array.from({ length: below(4) }, () => below(random() < 0.1 ? 9_000 : 60));
    // In the order in which libkdb5 gives them.
    const keys = Array.from({ length: below(5) }, (_, key) => ({
      kvno: 9 - key,
      bytes: 1 + below(40),
    }));
    const typed = tls.map((bytes) => `\t${below(65_000) - 32_768}\t${bytes}\t${hex(bytes)}`);
    const parts = keys.map(({ kvno, bytes }) => `\t1\t${kvno}\t18\t${bytes}\t${hex(bytes)}`);
    const rest = `${tls.length}\t${keys.length}\t0\tNAME${typed.join('')}${parts.join('')}\t-1;`;
    const length = 1 + below(60);
    return principal(`r${String(index).padStart(5, '0')}${'z'.repeat(length)}${realm}`, { rest });
  });
}

function strangeRecords(): string {
  const rest = (typed: string, keys: string) =>
    `${typed === '' ? 0 : 1}\t${keys === '' ? 0 : 1}\t0\tNAME${typed}${keys}\t-1;`;
  return dumpOf([
    principal(`a1${realm}`, { rest: rest('\t-32768\t1\tff', '') }),
    principal(`a2${realm}`, { rest: rest('\t32766\t0\t-1', '') }),
    principal(`a3${realm}`, { rest: rest('', '\t0\t65535') }),
    principal(`a4${realm}`, { rest: rest('', '\t2\t0\t-32768\t0\t-1\t32767\t2\t4142') }),
    principal(`a5${realm}`),
  ]);
}

function policiesOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `p${String(index).padStart(4, '0')}`;
    const lockout = index % 3 > 0 ? '\t3\t4\t5' : '\t0\t0\t0';
    const newest = index % 3 > 1 ? '\t1\t2\t3\taes256-cts:normal\t0' : '\t0\t0\t0\t-\t0';
    return `policy\t${name}\t${index}\t4294967\t8\t1\t2\t0${lockout}${newest}`;
  });
}

function escaped(): string {
  const odd = ['\\/', '\\@', '\\\\', '\\t', '\\n', '\\b', '\\0', 'x/y', '\xe4\xf6', '\x01', 'x y'];
  return dumpOf(odd.map((text) => principal(`n${text}${realm}`)));
}
