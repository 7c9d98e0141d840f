import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { faultOfDatabase } from '../../../src/kdb/db2/contents.ts';
import { faultOfOpening, inspectDb2 } from '../../../src/kdb/db2/soundness.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { kdb5Util, ReplicaRig } from '../../support/rig/replica-rig.ts';

const pageBytes = 4096;

let rig: ReplicaRig;
let dump: string;
/** A database of kdb5_util's with three levels, and long records beside them. */
let whole: Buffer;
let path: string;
let principals: number;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  path = rig.lab.replica.database;
  dump = join(rig.lab.primary.folder, 'deep');
  const basedOn = readFileSync(rig.good, 'latin1');
  const { bytes } = makeSyntheticDump(dump, 2_000, { basedOn });
  // What is to be padded goes into records of up to 60,000 bytes.
  makeSyntheticDump(dump, 2_000, { basedOn, exactBytes: bytes + 150_000 });
  await rig.lab.load(dump);
  whole = readFileSync(path);
  principals = readFileSync(dump, 'latin1').match(/^princ\t/gm)?.length ?? 0;
});
afterAll(() => rig.close());
beforeEach(() => writeFileSync(path, whole));

const faultWith = async (change: (pages: Buffer) => Buffer) => {
  writeFileSync(path, change(Buffer.from(whole)));
  return (await inspectDb2(path)).fault;
};

describe('a database as kdb5_util makes it', () => {
  test('is sound, and holds as many records as its dump', async () => {
    expect(await inspectDb2(path)).toEqual({ fault: undefined, records: principals });
    expect(await faultOfOpening(path)).toBeUndefined();
    expect(await faultOfDatabase(path, dump)).toBeUndefined();
  });

  test('of a dump that is not sorted, with a policy and a name that stands twice', async () => {
    await rig.lab.kadminLocal('primary', 'addpol -minlength 5 somepolicy');
    const [header, ...lines] = readFileSync(await rig.lab.dump(), 'latin1')
      .trimEnd()
      .split('\n');
    const shuffled = join(rig.lab.primary.folder, 'shuffled');
    const records = lines.filter((line) => line.startsWith('princ\t')).reverse();
    const policies = lines.filter((line) => line.startsWith('policy\t'));
    expect(policies).toHaveLength(1);
    const all = [header, ...records, records[3], ...policies, ''];
    writeFileSync(shuffled, all.join('\n'));
    await rig.lab.load(shuffled);
    expect(await faultOfDatabase(path, shuffled)).toBeUndefined();
    writeFileSync(shuffled, [header, ...records, ''].join('\n'));
    expect(await faultOfDatabase(path, shuffled)).toBe("it has 1 of the dump's 0 policies");
  });

  test('after what kadmin did to it, with pages that were freed', async () => {
    const { run } = rig.lab;
    const names = Array.from({ length: 400 }, (_, n) => `u${String(n + 700).padStart(9, '0')}`);
    const input = `${names.map((name) => `delprinc -force ${name}`).join('\n')}\n`;
    await run.call(rig.lab, '/usr/sbin/kadmin.local', [], { role: 'replica', input });
    expect(await inspectDb2(path)).toEqual({ fault: undefined, records: principals - 400 });
  });
});

describe('a database of which something is missing', () => {
  test('any one page that was never written', async () => {
    const count = whole.length / pageBytes;
    expect(count).toBeGreaterThan(100);
    for (let page = 0; page < count; page += page > 8 && page < count - 8 ? 7 : 1) {
      const fault = await faultWith((pages) =>
        pages.fill(0, page * pageBytes, (page + 1) * pageBytes),
      );
      expect(fault, `page ${page} of ${count}`).toBe(`its page ${page} was not written`);
    }
  });

  test('the greater part of any one leaf, of which the beginning was written', async () => {
    const leaf = 2;
    const view = new DataView(whole.buffer, whole.byteOffset);
    const leaves = Array.from({ length: whole.length / pageBytes }, (_, page) => page).filter(
      (page) => page > 0 && (view.getUint32(page * pageBytes + 12, true) & 0x1f) === leaf,
    );
    expect(leaves.length).toBeGreaterThan(100);
    for (const page of leaves.filter((_, index) => index % 5 === 0)) {
      const fault = await faultWith((pages) =>
        pages.fill(0, page * pageBytes + 1024, (page + 1) * pageBytes),
      );
      expect(fault, `page ${page}`).toBe(`its page ${page} was not written`);
    }
  });

  test('its end, by pages and by bytes', async () => {
    for (const bytes of [0, 10, pageBytes, 2 * pageBytes, whole.length - pageBytes]) {
      writeFileSync(path, whole);
      truncateSync(path, bytes);
      expect((await inspectDb2(path)).fault, `${bytes}`).toMatch(/not written|missing|empty/);
    }
    truncateSync(path, 5_000);
    expect((await inspectDb2(path)).fault).toBe('its 5000 bytes are not a whole number of pages');
    expect(await faultOfOpening(path)).toBeDefined();
  });

  test('the last of its records, in a page of an earlier state: the dump tells', async () => {
    const short = join(rig.lab.primary.folder, 'short');
    writeFileSync(
      short,
      `${readFileSync(dump, 'latin1').trimEnd().split('\n').slice(0, -1).join('\n')}\n`,
    );
    await rig.lab.load(short);
    expect((await inspectDb2(path)).fault).toBeUndefined();
    expect(await faultOfDatabase(path, dump)).toBe(
      `it has ${principals - 1} of the dump's ${principals} principals`,
    );
  });

  test('all of it', async () => {
    expect((await inspectDb2(`${path}.none`)).fault).toBe(
      'it cannot be read: No such file or directory',
    );
  });
});

test('no byte of its pages makes the look fail or last', async () => {
  for (let number = 0; number < 60; number += 1) {
    const place = (number * 39_119) % whole.length;
    const fault = await faultWith((pages) => {
      pages.writeUInt8(pages.readUInt8(place) ^ 0xff, place);
      return pages;
    });
    expect(typeof (fault ?? '')).toBe('string');
  }
});

test('a live database that kdb5_util cannot open does not keep it from the next load', async () => {
  copyFileSync(rig.good, rig.lab.replica.fromMaster);
  writeFileSync(path, Buffer.alloc(3 * pageBytes));
  const notices: string[] = [];
  const server = await rig.serve({
    onEvent: (event) => {
      if (event.kind === 'notice') notices.push(event.text);
    },
  });
  expect(notices).toEqual([
    `${path} is no sound database: principal: its page 0 was not written. The next propagation replaces it: run kprop on the primary`,
  ]);
  const failed = await rig.lab.run(kdb5Util, ['load', rig.good], { role: 'replica' });
  expect(failed.status).toBe(1);
  await rig.send(server.port, { dump: rig.good });
  expect(notices[1]).toContain(`It is kept as ${path}.unsound until the next load has succeeded`);
  await rig.expectIntact();
});
