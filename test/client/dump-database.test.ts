import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { dumpDatabase } from '../../src/client/dump-database.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import type { DumpFormat } from '../../src/kdb/dump/dump-version.ts';
import { IpropLab } from '../support/lab/iprop-lab.ts';
import { holdLock } from '../support/lab/lock-holder.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { kdb5Util } from '../support/rig/replica-rig.ts';
import { codeOf } from '../support/wire/code-of.ts';

let iprop: IpropLab;
let folder: string;
beforeAll(async () => {
  iprop = await IpropLab.create();
  const { lab } = iprop;
  folder = join(lab.primary.folder, 'dumps');
  mkdirSync(folder);
  const commands = [
    'addpol -minlength 5 -history 3 plain',
    'addpol -maxfailure 3 -failurecountinterval 1h -lockoutduration 2h lockout',
    'addpol -allowedkeysalts aes256-cts:normal,aes128-cts:normal limited',
    'addprinc -pw first1 -policy plain alice',
    'cpw -pw second2 alice',
    'cpw -keepold -pw third33 alice',
    'cpw -keepold -pw fourth4 alice',
    'addprinc -pw x -e aes128-cts:special,aes256-cts:norealm salty',
    'addprinc -randkey +requires_preauth -allow_svr odd/name\\@with\\/signs',
    'addprinc -nokey keyless',
    'addprinc -randkey -expire 2100-01-01 -pwexpire 2099-01-01 -maxlife 3h late',
    'addprinc -randkey größe',
    `addprinc -randkey ${'n'.repeat(1900)}`,
    ...Array.from({ length: 24 }, (_, index) => `addprinc -randkey size${index}`),
    ...Array.from(
      { length: 24 },
      (_, index) => `setstr size${index} k ${'v'.repeat(1700 + 7 * index)}`,
    ),
    `setstr alice long ${'w'.repeat(9000)}`,
    ...Array.from({ length: 40 }, (_, index) => `addprinc -randkey gone${index}`),
    ...Array.from({ length: 40 }, (_, index) => `delprinc -force gone${index}`),
  ];
  const input = `${commands.join('\n')}\n`;
  const { stderr } = await lab.run('/usr/sbin/kadmin.local', [], { input });
  expect(stderr.replace(/^No policy specified.*\n|^WARNING: no policy.*\n/gm, '')).toBe('');
});
afterAll(() => iprop.close());

const options = (file: string) => ({
  file,
  config: loadKrb5Config({
    krb5ConfFiles: iprop.lab.primary.krb5Conf,
    kdcConfFile: iprop.lab.primary.kdcConf,
  }),
});

describe('the dump is byte for byte that of kdb5_util', () => {
  test.each<[DumpFormat, readonly string[]]>([
    ['current', []],
    ['r18', ['-r18']],
    ['r13', ['-r13']],
    ['b7', ['-b7']],
    ['resync', ['-i1']],
  ])('%s', async (format, args) => {
    const [theirs, ours] = [join(folder, `theirs-${format}`), join(folder, `ours-${format}`)];
    const { status, stderr } = await iprop.lab.run(kdb5Util, ['dump', ...args, theirs]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const report = await dumpDatabase({ ...options(ours), format });
    const [wanted, got] = [readFileSync(theirs, 'latin1'), readFileSync(ours, 'latin1')];
    expect(got.split('\n')).toEqual(wanted.split('\n'));
    expect(report.bytes).toBe(wanted.length);
    expect(report.records).toBe(wanted.split('\n').length - 2);
    expect(statSync(ours).mode & 0o777).toBe(0o600);
    expect(readFileSync(`${ours}.dump_ok`)).toEqual(Buffer.alloc(1));
    expect(statSync(`${ours}.dump_ok`).mtimeMs).toBeGreaterThanOrEqual(statSync(ours).mtimeMs);
  });

  test('of a large database, loaded by kdb5_util', async () => {
    const large = join(folder, 'large');
    const basedOn = readFileSync(await iprop.lab.dump(), 'latin1');
    const { bytes } = makeSyntheticDump(large, 20_000, { basedOn });
    makeSyntheticDump(large, 20_000, { basedOn, exactBytes: bytes + 200_000 });
    const database = join(folder, 'database');
    await iprop.lab.run(kdb5Util, ['-d', database, 'load', large]);
    const [theirs, ours] = [join(folder, 'theirs'), join(folder, 'ours')];
    await iprop.lab.run(kdb5Util, ['-d', database, 'dump', theirs]);
    let told = 0;
    const onProgress = () => {
      told += 1;
    };
    await dumpDatabase({ ...options(ours), database, onProgress });
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    expect(told).toBeGreaterThan(5);
  });
});

test('somebody who writes is waited for; nobody waits for the writing of the dump', async () => {
  const { database } = iprop.lab.primary;
  const writer = await holdLock(`${database}.ok`, 'OFD');
  let done = false;
  const dumping = dumpDatabase(options(join(folder, 'waits'))).then((report) => {
    done = true;
    return report;
  });
  await sleep(300);
  expect(done).toBe(false);
  await writer.end();
  const { lockedMillis } = await dumping;
  expect(lockedMillis).toBeLessThan(300);
  // A reader is no hindrance, and a dump under way to the same file is.
  const reader = await holdLock(`${database}.ok`, 'OFD', { shared: true });
  await dumpDatabase(options(join(folder, 'waits')));
  await reader.end();
  const other = await holdLock(join(folder, 'waits.dump_ok'), 'OFD');
  const signal = AbortSignal.timeout(200);
  await expect(dumpDatabase({ ...options(join(folder, 'waits')), signal })).rejects.toThrow();
  await other.end();
});

test('a dump that is given up leaves the one from before, and its mark', async () => {
  const file = join(folder, 'kept');
  await dumpDatabase(options(file));
  const before = readFileSync(file);
  for (const path of [file, `${file}.dump_ok`]) utimesSync(path, 1_700_000_000, 1_700_000_000);
  const stop = new AbortController();
  const given = dumpDatabase({
    ...options(file),
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('enough')),
  });
  await expect(given).rejects.toThrow('enough');
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(statSync(`${file}.dump_ok`)).toMatchObject({ size: 1, mtimeMs: 1_700_000_000_000 });
  expect(readdirSync(folder).filter((name) => name.startsWith('kept'))).toHaveLength(2);
  expect(readdirSync(iprop.lab.primary.folder).filter((name) => /copy/.test(name))).toEqual([]);
});

describe('what cannot be dumped is told', () => {
  const broken = (name: string, content: Uint8Array) => {
    const database = join(folder, name);
    writeFileSync(database, content);
    writeFileSync(`${database}.kadm5`, readFileSync(`${iprop.lab.primary.database}.kadm5`));
    for (const end of ['.ok', '.kadm5.lock']) writeFileSync(database + end, '');
    return database;
  };
  const whole = () => readFileSync(iprop.lab.primary.database);

  test.each<[string, (pages: Buffer) => Uint8Array, string]>([
    ['a hash file', asHash, 'dump.not-native'],
    ['an empty file', () => new Uint8Array(0), 'dump.not-native'],
    ['a page of zeros', (pages) => pages.fill(0, 8192, 12288), 'dump.database'],
    ['a file cut short', (pages) => pages.subarray(0, 12288), 'dump.database'],
    ['records that say they are longer', longer, 'dump.database'],
  ])('%s', async (name, change, code) => {
    const database = broken(name.replaceAll(' ', '-'), change(Buffer.from(whole())));
    const file = join(folder, 'none');
    expect(await codeOf(dumpDatabase({ ...options(file), database }))).toBe(code);
    expect(existsSync(file)).toBe(false);
  });

  test('no database, and a folder that is not there', async () => {
    const file = join(folder, 'none');
    const database = join(folder, 'nothing');
    expect(await codeOf(dumpDatabase({ ...options(file), database }))).toBe('dump.database');
    const nowhere = options(join(folder, 'missing', 'file'));
    expect(await codeOf(dumpDatabase(nowhere))).toBe('dump.write');
  });

  test('a database of another library', async () => {
    const conf = join(folder, 'lmdb.conf');
    const { realm } = iprop.lab;
    writeFileSync(conf, `[dbmodules]\n  ${realm} = {\n    db_library = klmdb\n  }\n`);
    const config = loadKrb5Config({
      krb5ConfFiles: iprop.lab.primary.krb5Conf,
      kdcConfFile: conf,
    });
    const given = dumpDatabase({ file: join(folder, 'none'), config });
    expect(await codeOf(given)).toBe('dump.not-native');
  });
});

function asHash(pages: Buffer): Buffer {
  pages.writeUInt32BE(0x061561, 0);
  return pages;
}

/** Each leaf's first record has a name that ends behind its page. */
function longer(pages: Buffer): Buffer {
  for (let at = 4096; at < pages.length; at += 4096) {
    if (pages.readUInt32LE(at + 12) === 2)
      pages.writeUInt32LE(5000, at + pages.readUInt16LE(at + 20));
  }
  return pages;
}
