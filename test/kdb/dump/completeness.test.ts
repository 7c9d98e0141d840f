import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { checkDump, faultOf } from '../../../src/kdb/dump/completeness.ts';
import { Lab } from '../../support/lab/lab.ts';
import { kdb5Util } from '../../support/rig/replica-rig.ts';

// CUTS=all npx vitest run test/kdb/dump/completeness.test.ts cuts a record at every byte.
const step = process.env.CUTS === 'all' ? 1 : 3;

let lab: Lab;
let folder: string;
/** Real dumps, by the option that makes them. */
const dumps: Record<string, string> = {};
beforeAll(async () => {
  lab = await Lab.create({ principals: 2 });
  await lab.kadminLocal('primary', 'addpol -minlength 8 one');
  await lab.kadminLocal('primary', 'addpol -maxlife 90d -history 3 two');
  folder = mkdtempSync(join(tmpdir(), 'check-'));
  const path = join(folder, 'dump');
  for (const option of ['', '-b7', '-r13', '-r18']) {
    const args = ['dump', ...(option === '' ? [] : [option]), path];
    expect((await lab.run(kdb5Util, args)).status, option).toBe(0);
    dumps[option] = readFileSync(path, 'latin1');
  }
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lab.close();
});

const fault = (text: string) => {
  const bytes = Buffer.from(text, 'latin1');
  return faultOf(bytes.subarray(0, 256), bytes, false);
};
const whole = () => dumps[''] as string;
const header = 'kdb5_util load_dump version 7\n';
const linesOf = (kind: string) =>
  whole()
    .split('\n')
    .filter((line) => line.startsWith(`${kind}\t`));
const withoutPolicies = () => `${header}${linesOf('princ').join('\n')}\n`;

/** What kdb5_util does with a dump: its status, or "never ends" where it had to be killed. */
async function loadOf(text: string, limitMillis = 3_000): Promise<number | string> {
  const path = join(folder, `try-${Math.random()}`);
  writeFileSync(path, text, 'latin1');
  const child = spawn(kdb5Util, ['load', '-d', `${path}.db`, path], {
    env: lab.env('replica'),
    stdio: 'ignore',
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMillis);
  const [status] = await once(child, 'exit');
  clearTimeout(timer);
  return status ?? 'never ends';
}

describe('dumps of kdb5_util', () => {
  test.each(['', '-b7', '-r13', '-r18'])('made with %j are in order', async (option) => {
    const text = dumps[option] as string;
    expect(text).toContain('\npolicy\t');
    expect(fault(text)).toBeUndefined();
    expect(await loadOf(text)).toBe(0);
  });

  test('without policies, without principals, or with a header alone, too', () => {
    expect(fault(withoutPolicies())).toBeUndefined();
    expect(fault(`${header}${linesOf('policy').join('\n')}\n`)).toBeUndefined();
    expect(fault(header)).toBeUndefined();
  });

  test.each(['', '-b7', '-r13', '-r18'])(
    'made with %j and cut in the last record are not',
    (option) => {
      const text = dumps[option] as string;
      const last = text.lastIndexOf('\n', text.length - 2) + 1;
      for (let end = last + 1; end < text.length; end++) {
        expect(fault(text.slice(0, end)), text.slice(last, end)).toBe(
          'ends in the middle of its last record',
        );
      }
    },
  );

  test('cut anywhere else are not either, but where a record ends', () => {
    const text = whole();
    for (let end = 0; end < text.length; end++) {
      const atBoundary = text[end - 1] === '\n';
      expect(fault(text.slice(0, end)) === undefined, `${end}`).toBe(atBoundary);
    }
  });
});

describe('no dump that is accepted makes kdb5_util loop for ever', () => {
  const cuts = () => {
    const text = withoutPolicies();
    const last = text.lastIndexOf('\n', text.length - 2) + 1;
    return { before: text.slice(0, last), record: text.slice(last, -1) };
  };

  test('the trap is there: a record cut before its last bytes never ends', async () => {
    const { before, record } = cuts();
    const ends = [record, record.slice(0, -1)].map((text) => loadOf(`${before}${text}`, 300));
    expect(await Promise.all(ends)).toEqual(['never ends', 'never ends']);
    expect(fault(`${before}${record}`)).toBeDefined();
    expect(fault(`${before}${record.slice(0, -1)}`)).toBeDefined();
  });

  test.each([
    ['as it is', ''],
    ['with a newline put behind', '\n'],
    ['with the end of a record put behind', ';\n'],
    ['with the end of a record and its last field put behind', '\t-1;\n'],
  ])(`a record cut at ${step === 1 ? 'every' : 'every third'} byte, %s`, async (_what, end) => {
    const { before, record } = cuts();
    const accepted: string[] = [];
    for (let kept = 0; kept <= record.length; kept += step) {
      const text = `${before}${record.slice(0, kept)}${end}`;
      if (fault(text) === undefined) accepted.push(text);
    }
    // So many at a time as to be quick, so few as to be fair to a limit of three seconds.
    for (let at = 0; at < accepted.length; at += 8) {
      const ends = await Promise.all(accepted.slice(at, at + 8).map((text) => loadOf(text)));
      for (const status of ends) expect(status).toEqual(expect.any(Number));
    }
  });

  test('a policy cut at every byte, a newline put behind', async () => {
    const [policy = ''] = linesOf('policy');
    const accepted: string[] = [];
    for (let kept = 0; kept <= policy.length; kept++) {
      const text = `${withoutPolicies()}${policy.slice(0, kept)}\n`;
      if (fault(text) === undefined) accepted.push(text);
    }
    expect(accepted.length).toBeGreaterThan(0);
    for (const text of accepted) expect(await loadOf(text)).toEqual(expect.any(Number));
  });
});

describe('first and last lines', () => {
  const princ = 'princ\t38\tx;\n';
  test.each<readonly [string, string | RegExp | undefined]>([
    ['', 'is empty'],
    ['\n', /header/],
    ['kdb5_util load_dump version 7', /header/],
    ['kdb5_util load_dump version 7\r\n', /header/],
    [`kdb5_util load_dump version 7 \n${princ}`, /header/],
    [` kdb5_util load_dump version 7\n${princ}`, /header/],
    [`kdb5_util load_dump version\n${princ}`, /header/],
    [`kdb5_edit load_dump version 3.0\n${princ}`, /header/],
    [`OpenV*Secure V1.0\t\n${princ}`, /header/],
    [`\ufeffkdb5_util load_dump version 7\n`, /header/],
    [`x\n${header}`, /header/],
    ['x'.repeat(5_000), /header/],
    [`${header}${princ}`, undefined],
    [`${header}${princ}\n`, /not a record/],
    [`${header}${princ}End\n`, undefined],
    [`${header}princ\n`, /not a record/],
    [`${header}princ\t\n`, /lacks its end/],
    [`${header}policy\n`, /not a record/],
    [`${header}policy\t\n`, /lacks fields/],
    [`${header}${princ}\0\n`, /not a record/],
    [`iprop 5 1 2\n${princ}`, undefined],
    [`ipropx 1 5 1 2\n${princ}`, undefined],
    [`ipropy 1 5 1 2\n${princ}`, /header/],
    [`iprop\n${princ}`, /header/],
  ])('%j', (text, expected) => {
    if (expected === undefined) expect(fault(text)).toBeUndefined();
    else expect(fault(text)).toMatch(expected);
  });
});

describe('files', () => {
  const check = (text: string) => {
    const path = join(folder, 'file');
    writeFileSync(path, text, 'latin1');
    return checkDump(path);
  };

  test('say whether they are loaded with -i', async () => {
    expect(await check(whole())).toBe('plain');
    expect(await check(`iprop 5 1 2\n${linesOf('princ').join('\n')}\n`)).toBe('resync');
    expect(await check(`ipropx 1 5 1 2\n${linesOf('princ').join('\n')}\n`)).toBe('resync');
  });

  test.each([1 << 20, (1 << 20) + 1, 3 << 20])(
    'a record of %i bytes is judged by its end',
    async (bytes) => {
      const long = `princ\t38\t${'x'.repeat(bytes - 11)};\n`;
      expect(await check(`${header}${long}`)).toBe('plain');
      await expect(check(`${header}${long.slice(0, -2)}\n`)).rejects.toMatchObject({
        code: 'spool.malformed',
        detail: { reason: 'ends with a principal that lacks its end' },
      });
      await expect(check(`${header}${long.slice(0, -1)}`)).rejects.toMatchObject({
        code: 'spool.malformed',
      });
    },
  );

  test('that are missing or empty are refused', async () => {
    await expect(checkDump(join(folder, 'none'))).rejects.toMatchObject({
      code: 'spool.write',
      detail: { errno: 'ENOENT' },
    });
    await expect(check('')).rejects.toMatchObject({ detail: { reason: 'is empty' } });
  });
});
