import {
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Attribute, update } from '../../src/protocol/iprop/updates.ts';
import { encode } from '../../src/protocol/xdr/schema.ts';
import { IpropLab } from '../support/lab/iprop-lab.ts';
import { ourProgram } from '../support/lab/lab.ts';

// The same logs before MIT's kproplog and ours: what each prints on stdout and stderr, and how it ends.

const slots = 1000;
const headerBytes = 40;
let iprop: IpropLab;
/** The log that the two are shown. */
let log: string;
/** A log of real changes. */
let real: Buffer;

beforeAll(async () => {
  iprop = await IpropLab.create();
  const { lab } = iprop;
  log = `${lab.primary.database}.ulog`;
  const kadmin = async (query: string) => lab.kadminLocal('primary', query);
  await lab.addPrincipals(['dave', 'with space', 'a/b/c', 'ümlaut'], 'secret');
  await kadmin('modprinc -maxlife "2 days 1 hour" -maxrenewlife 7d -expire 2030-01-02 dave');
  await kadmin('modprinc +requires_preauth -allow_tix +lockdown_keys +ok_as_delegate dave');
  await kadmin('setstr dave otp [{}]');
  await kadmin('delstr dave otp');
  await kadmin('cpw -keepold -pw new dave');
  await kadmin('renprinc -force dave doris');
  await kadmin('delprinc -force a/b/c');
  await kadmin('modprinc -maxlife 0 -maxrenewlife "1 day" -pwexpire never doris');
  real = readFileSync(log);
});
afterAll(() => iprop.close());

interface Shown {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function shown(make: 'mit' | 'ours', args: readonly string[]): Promise<Shown> {
  const [program, before] =
    make === 'mit' ? ['/usr/sbin/kproplog', []] : [process.execPath, [ourProgram('kproplog')]];
  const o = { ...(make === 'mit' ? { argv0: 'kproplog' } : {}), env: { TZ: 'Europe/Berlin' } };
  const { status, stdout, stderr } = await iprop.lab.run(program, [...before, ...args], o);
  return { status, stdout, stderr };
}

async function expectSame(args: readonly string[]): Promise<Shown> {
  const mit = await shown('mit', args);
  expect(await shown('ours', args), args.join(' ')).toEqual(mit);
  return mit;
}

const options = [[], ['-h'], ['-v'], ['-v', '-v'], ['-vv', '-e', '2'], ['-e', '-1'], ['-e', '999']];

describe('logs as they come', () => {
  test.each(options.map((args) => [args.join(' ') || 'no option', args] as const))(
    'real changes, %s',
    async (_, args) => {
      writeFileSync(log, real);
      const { status, stdout } = await expectSame(args);
      expect(status).toBe(0);
      expect(stdout).toContain(`Kerberos update log (${log})`);
    },
  );

  test.each(['-e0', '-e', '-x', '-h operand', '-e x'])('the command line %s', async (line) => {
    writeFileSync(log, real);
    await expectSame(line.split(' '));
  });

  test('a log that was just made, and one that was reset', async () => {
    rmSync(log);
    const { stdout } = await shown('ours', ['-R']);
    expect(stdout).toBe(`\nKerberos update log (${log})\nReinitialized the ulog.\n`);
    const made = readFileSync(log);
    await expectSame([]);
    rmSync(log);
    expect((await shown('mit', ['-R'])).stdout).toBe(stdout);
    expect(made.length).toBe(readFileSync(log).length);
    writeFileSync(log, real);
    await shown('ours', ['-R']);
    expect((await expectSame(['-v'])).stdout).toContain('Dummy entry');
  });

  test('a log that wrapped', async () => {
    writeFileSync(log, real);
    const commands = Array.from({ length: 1_010 }, (_, at) => `modprinc -maxlife ${at + 1}m doris`);
    await iprop.lab.run('/usr/sbin/kadmin.local', [], { input: `${commands.join('\n')}\n` });
    const { stdout } = await expectSame(['-v', '-v']);
    expect(Number(/First serial # : (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(1);
  });
});

describe('logs that are no good', () => {
  const lastSlot = () => headerBytes + ((real.readUInt32LE(32) - 1) % slots) * 2048;
  const faults: Readonly<Record<string, (bytes: Buffer) => void>> = {
    'header magic': (bytes) => bytes.writeUInt32LE(1, 0),
    'only zeros': (bytes) => bytes.fill(0),
    'another version': (bytes) => bytes.writeUInt16LE(2, 4),
    'state unstable': (bytes) => bytes.writeUInt16LE(2, 36),
    'state corrupt': (bytes) => bytes.writeUInt16LE(3, 36),
    'an unknown state': (bytes) => bytes.writeUInt16LE(77, 36),
    'no entries': (bytes) => bytes.writeUInt32LE(0, 8),
    'no first serial number': (bytes) => {
      bytes.writeUInt32LE(0, 8);
      bytes.writeUInt32LE(0, 28);
    },
    'no last serial number': (bytes) => bytes.writeUInt32LE(0, 32),
    'no times': (bytes) => bytes.fill(0, 12, 28),
    'no first time': (bytes) => bytes.fill(0, 12, 20),
    'the magic of the last slot': (bytes) => bytes.writeUInt32LE(1, lastSlot()),
    'a slot that is not committed': (bytes) => bytes.writeUInt32LE(0, lastSlot() + 16),
    'a slot without a time': (bytes) => bytes.writeUInt32LE(0, lastSlot() + 8),
    'an update that is cut': (bytes) => bytes.writeUInt32LE(20, lastSlot() + 20),
    'an update that is longer': (bytes) =>
      bytes.writeUInt32LE(bytes.readUInt32LE(lastSlot() + 20) + 40, lastSlot() + 20),
    'a name longer than the update': (bytes) => bytes.writeUInt32BE(4_000, lastSlot() + 24),
    'a serial number that is not its own': (bytes) => bytes.writeUInt32LE(7, lastSlot() + 4),
  };

  test.each(Object.keys(faults))('%s', async (name) => {
    const bytes = Buffer.from(real);
    faults[name]?.(bytes);
    writeFileSync(log, bytes);
    await expectSame(['-v', '-v']);
  });

  test('no log at all, or a folder', async () => {
    rmSync(log);
    await expectSame([]);
    expect(existsSync(log)).toBe(false);
  });

  test("a log that ends in the middle, on which MIT's kproplog dies of SIGBUS", async () => {
    writeFileSync(log, real);
    truncateSync(log, 20);
    expect(await shown('ours', [])).toEqual({
      status: 1,
      stdout: `\nKerberos update log (${log})\n`,
      stderr: `Unable to map log file ${log}\n\n`,
    });
    writeFileSync(log, real);
    truncateSync(log, headerBytes + 2048);
    expect(await shown('ours', [])).toMatchObject({
      status: 1,
      stderr: 'Corrupt update entry\n\n',
    });
  });

  test('-R of a file that is no log', async () => {
    const bytes = Buffer.from(real);
    bytes.writeUInt32LE(1, 0);
    writeFileSync(log, bytes);
    await expectSame(['-R']);
    expect(readFileSync(log).equals(bytes)).toBe(true);
  });

  test('a log of another size', async () => {
    const { krb5Conf } = iprop.lab.primary;
    const conf = readFileSync(krb5Conf, 'utf8');
    const kept = `${krb5Conf}.kept`;
    copyFileSync(krb5Conf, kept);
    try {
      writeFileSync(krb5Conf, conf.replace('iprop_enable', 'iprop_ulogsize = 7\n    iprop_enable'));
      writeFileSync(log, real);
      const { stderr } = await expectSame(['-v']);
      expect(stderr === '' || stderr === 'Corrupt update entry\n\n').toBe(true);
    } finally {
      copyFileSync(kept, krb5Conf);
    }
  });
});

describe('every attribute', () => {
  const data = (text: string) => Buffer.from(text, 'latin1');
  const name = {
    realm: data('R.EXAMPLE'),
    components: [{ magic: -1760647422, data: data('weird\\name') }],
    nameType: 1,
  };
  const key = {
    version: 2,
    kvno: 3,
    enctypes: [18, 4],
    contents: [data('\0\x01key'), data('salt')],
  };
  const attributes: readonly Attribute[] = [
    ...[0, 0xffffffff, 0x1234].map((value) => ({ type: 'flags', value }) as const),
    ...[0, 59, 3_600, 86_399, 86_400, 90_061, 864_000].flatMap(
      (value) =>
        [
          { type: 'maxLife', value },
          { type: 'maxRenewableLife', value },
        ] as const,
    ),
    ...[0, 1, 1_796_000_000, 0xfffffffe].flatMap(
      (value) =>
        [
          { type: 'expiration', value },
          { type: 'passwordExpiration', value },
          { type: 'lastSuccess', value },
          { type: 'lastFailed', value },
          { type: 'modified', value },
          { type: 'passwordChanged', value },
        ] as const,
    ),
    { type: 'failedCount', value: 0xffffffff },
    { type: 'historyKvno', value: 12 },
    { type: 'length', value: -2 },
    { type: 'policySwitch', value: true },
    { type: 'policy', value: data('some policy') },
    { type: 'modifiedWhere', value: data('where') },
    { type: 'principal', value: name },
    { type: 'modifier', value: { ...name, components: [] } },
    { type: 'keys', value: [key, { ...key, version: 1, enctypes: [17], contents: [data('k')] }] },
    { type: 'keys', value: [] },
    {
      type: 'typedData',
      value: [
        { type: -3, data: data('xyz') },
        { type: 8, data: data('') },
      ],
    },
    { type: 'history', value: [[key]] },
    { type: 77, value: data('unknown') },
  ];

  test.each([['-v'], ['-v', '-v']])('%s %s', async (...args) => {
    const last = real.readUInt32LE(32);
    const encoded = encode(update, {
      name: data('someone@R.EXAMPLE'),
      ...{ serial: last, seconds: 1_796_000_000, micros: 5, attributes },
      ...{ deleted: false, committed: true, seenBy: [data('kdc')], futures: data('later') },
    });
    const bytes = Buffer.from(real);
    const at = headerBytes + ((last - 1) % slots) * 2048;
    bytes.writeUInt32LE(encoded.length, at + 20);
    bytes.set(encoded, at + 24);
    writeFileSync(log, bytes);
    const { stdout, status } = await expectSame(args);
    expect(status).toBe(0);
    expect(stdout).toContain('Password history KVNO');
  });
});

describe('what is ours', () => {
  test('--json: one object a line, without a key', async () => {
    writeFileSync(log, real);
    const { stdout, status } = await shown('ours', ['--json', '-e', '3']);
    expect(status).toBe(0);
    const [head, ...entries] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(head).toMatchObject({ kind: 'log', path: log, state: 'stable', version: 1 });
    expect(entries).toHaveLength(3);
    expect(entries.at(-1)).toMatchObject({
      kind: 'update',
      operation: 'add',
      principal: 'doris@LAB.EXAMPLE',
      committed: true,
    });
    expect(stdout).not.toMatch(/contents|[0-9a-f]{24}/);
  });

  test('--follow goes on with what is added, and says when the log begins anew', async () => {
    const { lab } = iprop;
    writeFileSync(log, real);
    const follower = lab.start(process.execPath, [
      ourProgram('kproplog'),
      ...['--json', '--follow', '-e', '1'],
    ]);
    await follower.until(() => follower.stdout.split('\n').length > 2, 'the first entry');
    await lab.addPrincipals(['followed']);
    await follower.until(() => follower.stdout.includes('"followed@'), 'what was added');
    await lab.run('/usr/sbin/kproplog', ['-R']);
    await follower.until(() => follower.stderr.includes('begun anew'), 'the reset');
    expect(await follower.stop('SIGINT')).toMatchObject({ signal: 'SIGINT' });
  });

  test('--help and --version', async () => {
    const { stdout } = await shown('ours', ['--help']);
    expect(stdout).toContain('--follow');
    expect((await shown('ours', ['--version'])).stdout).toMatch(
      /^kproplog \d+\.\d+\.\d+ \(\/.*kproplog\.js\)\n$/,
    );
  });

  test('a configuration that cannot be read', async () => {
    const missing = join(iprop.lab.folder, 'none.conf');
    const run = (program: string, args: readonly string[]) =>
      iprop.lab.run(program, args, { env: { KRB5_CONFIG: missing }, argv0: 'kproplog' });
    const mit = await run('/usr/sbin/kproplog', []);
    const ours = await run(process.execPath, [ourProgram('kproplog')]);
    expect(ours.status).toBe(mit.status);
    expect(ours.stderr).toContain(mit.stderr.trim());
  });
});
