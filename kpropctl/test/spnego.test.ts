import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { loadKrb5Config } from '../../src/host/config-files.ts';
import { Lab, packageRoot } from '../../test/support/lab/lab.ts';
import { settingsOf } from '../src/config/settings.ts';
import { type Guard, openGuard } from '../src/serve/guard.ts';
import { RefusalTally } from '../src/serve/refusal-tally.ts';
import { childrenRunning } from './children.ts';

// The guard of the page, with tickets of a real KDC.

const principals = ['admin', 'nobody', 'HTTP/localhost'];
let lab: Lab;
let keytab: string;
let guard: Guard;
let server: Server;
let url: string;
const troubles: string[] = [];

beforeAll(async () => {
  lab = await Lab.create();
  keytab = join(lab.folder, 'http.keytab');
  await lab.addPrincipals(principals.slice(0, 2), 'password');
  await lab.addPrincipals(principals.slice(2));
  await writeKeytab();
  guard = await open();
  await kinit('admin');
  server = createServer(async ({ headers: { authorization } }, response) => {
    const admission = await guard.authenticate({ authorization });
    const isAdmitted = admission.kind === 'admitted';
    const challenge = isAdmitted ? admission.reply : admission.challenge;
    if (challenge !== undefined) response.setHeader('www-authenticate', challenge);
    response.writeHead(isAdmitted ? 200 : admission.status);
    response.end(isAdmitted ? admission.principal : admission.reason);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://localhost:${(server.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  server.close();
  await guard.close();
  await lab.close();
});

// One guard tells a kind of refusal once in a minute: each test has one of its own.
afterEach(async () => {
  await guard.close();
  guard = await open();
  troubles.length = 0;
});

function open(): Promise<Guard> {
  const environment = lab.env('primary');
  const krb5 = loadKrb5Config({ krb5ConfFiles: lab.primary.krb5Conf });
  const text = `[kpropctl]
    state = ${join(lab.folder, 'kpropctl')}
    page_keytab = ${keytab}
    page_principals = other@ELSEWHERE admin
`;
  const settings = settingsOf(text, { file: 'kpropctl.conf', krb5 });
  return openGuard(settings, { environment, onTrouble: (trouble) => troubles.push(trouble) });
}

async function writeKeytab(): Promise<void> {
  rmSync(keytab, { force: true });
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} HTTP/localhost`);
}

async function kinit(name: string): Promise<void> {
  const { status, stderr } = await lab.run('/usr/bin/kinit', [name], { input: 'password\n' });
  if (status !== 0) throw new Error(stderr);
}

/** What the initiator says: a token, or the answer at a URL. */
async function initiator(...args: readonly string[]): Promise<string> {
  const program = join(packageRoot, 'test/support/lab/gss-initiator.mjs');
  const { status, stdout, stderr } = await lab.run(process.execPath, [program, ...args]);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

const token = (mechanism = 'spnego', service = 'HTTP@localhost') => initiator(service, mechanism);

function show(sent: string) {
  return guard.authenticate({ authorization: `Negotiate ${sent}` });
}

const negotiating = ['--negotiate', '--user', ':'];
const asksForTicket = /^HTTP\/1.1 401 [\s\S]*www-authenticate: Negotiate(\r\n|$)/i;

async function curl(...args: readonly string[]) {
  const { stdout } = await lab.run('/usr/bin/curl', ['-si', ...args, url]);
  const [head, text] = stdout.split('\r\n\r\n').slice(-2);
  return { head, text };
}

/** The processes of the guard: children of this one. */
function workers(): readonly number[] {
  return childrenRunning(process.pid, 'spnego-worker');
}

/** Opens files until this process may open no more; what comes back closes them again. */
function exhaustDescriptors(): () => void {
  const limit = (soft: number | string) =>
    execFileSync('/usr/bin/prlimit', ['--pid', `${process.pid}`, `--nofile=${soft}:`]);
  const usual =
    /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '';
  limit(Math.max(...readdirSync('/proc/self/fd').map(Number)) + 20);
  const opened: number[] = [];
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'));
  } catch (error) {
    expect(error).toMatchObject({ code: 'EMFILE' });
  }
  return () => {
    for (const one of opened) closeSync(one);
    limit(usual);
  };
}

describe('a principal of page_principals', () => {
  test('is asked for a ticket, and admitted with it', async () => {
    expect((await curl()).head).toMatch(asksForTicket);
    const { head, text } = await curl(...negotiating);
    expect(head).toMatch(/^HTTP\/1.1 200 /);
    expect(text).toBe('admin@LAB.EXAMPLE');
    expect(troubles).toEqual([]);
  });

  test('gets proof that the server has the key of the service', async () => {
    expect(JSON.parse(await initiator('HTTP@localhost', 'spnego', url))).toEqual({
      ...{ status: 200, text: 'admin@LAB.EXAMPLE', contextComplete: true },
    });
  });
});

describe('refused is', () => {
  afterAll(() => kinit('admin'));

  test('a principal that is not listed, whatever ticket it has', async () => {
    await kinit('nobody');
    const { head, text } = await curl(...negotiating);
    expect(head).toMatch(/^HTTP\/1.1 403 /);
    expect(head).not.toMatch(/www-authenticate/i);
    expect(text).toBe(
      'your principal, nobody@LAB.EXAMPLE, is not in page_principals of kpropctl.conf',
    );
    expect(troubles).toEqual([
      'the page refused nobody@LAB.EXAMPLE, which is not in page_principals',
    ]);
  });

  test('who has no ticket', async () => {
    await lab.run('/usr/bin/kdestroy');
    const { head, text } = await curl(...negotiating);
    expect(head).toMatch(asksForTicket);
    expect(text).toBe('this needs a Kerberos ticket: run kinit');
  });
});

describe('a token is refused before libkrb5 sees it if it is', () => {
  const spnego = Buffer.from('600a06062b06010505020000', 'hex').toString('base64');
  test.each([
    ['of another scheme', 'Basic YWRtaW46cGFzc3dvcmQ=', 'has no Negotiate token'],
    ['missing', 'Negotiate ', 'has no Negotiate token'],
    ['not base64', 'Negotiate ****', 'not base64'],
    ['base64 that is not whole', `Negotiate ${spnego.slice(0, -1)}`, 'not base64'],
    ['base64 with an end in the middle', `Negotiate ${'YQ=='.repeat(2)}`, 'not base64'],
    ['of NTLM', 'Negotiate TlRMTVNTUAABAAAAl4II4gAAAAA=', 'a token of NTLM'],
    ['empty', 'Negotiate YQ==', 'not of SPNEGO'],
    ['the second token of SPNEGO', 'Negotiate oQcwBaADCgEB', 'not of SPNEGO'],
    ['huge', `Negotiate ${spnego.repeat(5000)}`, 'a token of 80000 characters'],
  ])('%s', async (_, authorization, fault) => {
    const admission = await guard.authenticate({ authorization });
    expect(admission).toMatchObject({ kind: 'refused', status: 401, challenge: 'Negotiate' });
    expect('reason' in admission && admission.reason).toContain(fault);
    expect(troubles).toEqual([expect.stringContaining(fault)]);
  });

  test('a raw Kerberos token, though it is a good one', async () => {
    expect(await show(await token('krb5'))).toMatchObject({
      ...{ status: 401, reason: expect.stringContaining('not of SPNEGO') },
    });
  });
});

describe('what is refused again and again', () => {
  const floods: readonly (readonly [string, (nth: number) => string])[] = [
    ['not base64', (nth) => `Negotiate *${nth}`],
    ['of a length that nobody needs', (nth) => `Negotiate ${'A'.repeat(70_000 + nth)}`],
    ['nothing that libkrb5 knows', (nth) => `Negotiate ${spnegoOf(nth)}`],
  ];
  test.each(floods)('is told once, and counted: %s', async (_, header) => {
    for (let nth = 0; nth < 200; nth += 1) {
      const admission = await guard.authenticate({ authorization: header(nth) });
      expect(admission).toMatchObject({ kind: 'refused', status: 401 });
    }
    expect(troubles).toHaveLength(1);
    await guard.close();
    expect(troubles).toHaveLength(2);
    expect(troubles[1]).toMatch(/^the page refused a .* \(199 more times in the last \d+ s\)$/);
  });

  test('hides no refusal of another kind', async () => {
    for (let nth = 0; nth < 3; nth += 1) {
      await guard.authenticate({ authorization: 'Basic YWRtaW46cGFzc3dvcmQ=' });
      await guard.authenticate({ authorization: 'Negotiate YQ==' });
    }
    expect(troubles).toEqual([
      expect.stringContaining('has no Negotiate token'),
      'the page refused a token that is not of SPNEGO',
    ]);
  });

  describe('by the clock', () => {
    afterEach(() => {
      vi.useRealTimers();
    });

    function tally() {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      const lines: string[] = [];
      return { lines, refusals: new RefusalTally((line) => lines.push(line)) };
    }

    test('is counted for a minute, told in one line, and new after a minute without', () => {
      const { lines, refusals } = tally();
      refusals.add('kind', 'first');
      vi.advanceTimersByTime(30_000);
      refusals.add('kind', 'second');
      refusals.add('kind', 'third');
      expect(lines).toEqual(['first']);
      vi.advanceTimersByTime(30_000);
      expect(lines.splice(0)).toEqual(['first', 'third (2 more times in the last 60 s)']);
      refusals.add('kind', 'fourth');
      vi.advanceTimersByTime(60_000);
      expect(lines.splice(0)).toEqual(['fourth (1 more time in the last 60 s)']);
      vi.advanceTimersByTime(60_000);
      expect(lines).toEqual([]);
      refusals.add('kind', 'fifth');
      refusals.close();
      expect(lines).toEqual(['fifth']);
      expect(vi.getTimerCount()).toBe(0);
    });

    test('is told apart from others, as long as there are few kinds', () => {
      const { lines, refusals } = tally();
      for (let nth = 0; nth < 10_000; nth += 1) refusals.add(`user${nth}`, `no user${nth}`);
      expect(lines.length).toBeLessThanOrEqual(65);
      refusals.close();
      expect(lines.at(-1)).toMatch(/^no user9999 \(\d+ more times/);
    });
  });

  /** Its mechanisms are told in a text of its own. */
  function spnegoOf(nth: number): string {
    return Buffer.from(
      `600a06062b060105050200${(nth % 256).toString(16).padStart(2, '0')}`,
      'hex',
    ).toString('base64');
  }
});

describe('a token is refused by libkrb5 if it is', () => {
  test('used twice, even after a restart of the daemon', async () => {
    const sent = await token();
    expect(await show(sent)).toMatchObject({ kind: 'admitted' });
    const replayed = {
      ...{ kind: 'refused', status: 401 },
      reason: 'this request was already used once: load the page again',
    };
    expect(await show(sent)).toMatchObject(replayed);
    await guard.close();
    guard = await open();
    expect(await show(sent)).toMatchObject(replayed);
  });

  test('for another service', async () => {
    const made = await token('spnego', 'host@localhost');
    expect(await show(made)).toMatchObject({ kind: 'refused', status: 401 });
  });

  test('cut, or changed by one bit, anywhere', async () => {
    const good = Buffer.from(await token(), 'base64');
    const at = (step: number) =>
      Array.from({ length: Math.floor(good.length / step) }, (_, n) => n * step);
    for (const bytes of at(31).map((length) => good.subarray(0, length))) {
      expect(await show(bytes.toString('base64'))).toMatchObject({ kind: 'refused' });
    }
    for (const index of at(17)) {
      const changed = Buffer.from(good);
      changed[index] = (changed[index] ?? 0) ^ 0x10;
      const admission = await show(changed.toString('base64'));
      // Some bits mean nothing, such as those of SPNEGO's flags; nobody else is admitted by them.
      if (admission.kind === 'admitted') expect(admission.principal).toBe('admin@LAB.EXAMPLE');
    }
    expect(await show(good.toString('base64'))).toBeDefined();
    expect(await show(await token())).toMatchObject({ kind: 'admitted' });
  });
});

describe('the keytab of the page', () => {
  afterEach(async () => {
    await writeKeytab();
  });

  test('that is missing is told at the start, and at each request; then it is made', async () => {
    await guard.close();
    rmSync(keytab);
    guard = await open();
    expect(troubles).toEqual([
      `kpropctl.conf: page_keytab = ${keytab} cannot be used (No credentials were supplied, or the credentials were unavailable or inaccessible: Key table file '${keytab}' not found): kadmin: ktadd -k ${keytab} HTTP/HOST, with the name of this host in its address`,
    ]);
    expect(await show(await token())).toEqual({
      ...{ kind: 'refused', status: 503, challenge: undefined },
      reason: 'tickets cannot be looked at now; the log of kpropctl serve says why',
    });
    expect(troubles).toHaveLength(2);
    await writeKeytab();
    expect(await show(await token())).toMatchObject({ kind: 'admitted' });
  });

  test('that has no key for HTTP', async () => {
    copyFileSync(lab.primary.keytab, keytab);
    expect(await show(await token())).toMatchObject({ status: 503 });
    expect(troubles).toEqual([expect.stringContaining('No key table entry found matching HTTP/')]);
  });

  test('that is no keytab', async () => {
    writeFileSync(keytab, 'nonsense');
    expect(await show(await token())).toMatchObject({ status: 503 });
    expect(troubles).toEqual([expect.stringContaining(`page_keytab = ${keytab} cannot be used`)]);
  });

  test('that is older than the key of the KDC', async () => {
    await lab.kadminLocal('primary', 'cpw -randkey HTTP/localhost');
    await kinit('admin');
    const admission = await show(await token());
    expect(admission).toMatchObject({
      status: 401,
      reason: expect.stringContaining("this server's key is not the one that the KDC uses for it"),
    });
    expect(troubles).toEqual([
      expect.stringMatching(
        /keytab is likely out of date: .* ktadd -k \S+\/http\.keytab HTTP\/HOST$/,
      ),
    ]);
  });

  test('that is newer than the ticket', async () => {
    await writeKeytab();
    const sent = await token();
    await lab.kadminLocal('primary', 'cpw -randkey HTTP/localhost');
    await writeKeytab();
    expect(await show(sent)).toMatchObject({
      status: 401,
      reason: "your ticket is older than this server's key: run kdestroy and kinit",
    });
  });

  test('that has another key of the same version', async () => {
    await lab.kadminLocal('primary', 'delprinc -force HTTP/localhost');
    await lab.addPrincipals(['HTTP/localhost']);
    await kinit('admin');
    const kvno = / vno (\d+)/.exec(
      (await lab.kadminLocal('primary', 'getprinc HTTP/localhost')).stdout,
    );
    expect(kvno?.[1]).toBe('1');
    await writeKeytab();
    const other = readFileSync(keytab);
    await lab.kadminLocal('primary', 'delprinc -force HTTP/localhost');
    await lab.addPrincipals(['HTTP/localhost']);
    await kinit('admin');
    writeFileSync(keytab, other);
    expect(await show(await token())).toMatchObject({ status: 401 });
    expect(troubles).toEqual([expect.stringContaining('cannot decrypt ticket: ')]);
  });
});

describe('the process that looks at tickets', () => {
  test('is started again when it was killed', async () => {
    expect(await show(await token())).toMatchObject({ kind: 'admitted' });
    for (const pid of workers()) process.kill(pid, 'SIGKILL');
    expect(await show(await token())).toMatchObject({ kind: 'admitted' });
  });

  test('is killed in the middle of its work: that one is refused, the next is not', async () => {
    const tokens = [await token(), await token()];
    await show(await token());
    for (const pid of workers()) process.kill(pid, 'SIGSTOP');
    const answers = tokens.map((one) => show(one));
    for (const pid of workers()) process.kill(pid, 'SIGKILL');
    expect(await answers[0]).toMatchObject({ kind: 'refused', status: 503 });
    expect(await answers[1]).toMatchObject({ kind: 'admitted' });
    expect(troubles.at(-1)).toContain('the process that looks at tickets ended (SIGKILL)');
  });

  test('takes too long, and is replaced; nobody waits in a line without end', async () => {
    const sent = await token();
    await show(await token());
    for (const pid of workers()) process.kill(pid, 'SIGSTOP');
    const answers = Array.from({ length: 70 }, () => show(sent));
    const busy = await Promise.all(answers.slice(64));
    for (const one of busy) expect(one).toMatchObject({ kind: 'refused', status: 503 });
    expect(troubles[0]).toContain('64 tickets wait to be looked at');
    expect(await answers[0]).toMatchObject({ kind: 'refused', status: 503 });
    expect(troubles.at(-1)).toContain('no answer within 10 s');
    expect(await answers[1]).toMatchObject({ kind: 'admitted' });
  });

  test('cannot be started, for want of descriptors: that one is refused, the next is not', async () => {
    const sent = await token();
    for (const pid of workers()) process.kill(pid, 'SIGKILL');
    await expect.poll(() => workers()).toEqual([]);
    const release = exhaustDescriptors();
    try {
      for (let times = 0; times < 2; times += 1) {
        expect(await show(sent)).toMatchObject({ kind: 'refused', status: 503 });
      }
    } finally {
      release();
    }
    expect(troubles).toEqual([expect.stringMatching(/cannot be started \(.*EMFILE/)]);
    expect(await show(sent)).toMatchObject({ kind: 'admitted' });
  });

  test('ends with the guard', async () => {
    await show(await token());
    expect(workers()).toHaveLength(1);
    await guard.close();
    await expect.poll(() => workers()).toEqual([]);
  });
});
