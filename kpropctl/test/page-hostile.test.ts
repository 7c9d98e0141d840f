import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import type { LabProcess } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import { securityHeaders } from '../src/page/headers.ts';
import { EventReader } from './event-reader.ts';
import { error, minutesAgo, PageFixture, replicaReport } from './page-fixture.ts';
import { ControlRealm } from './realm.ts';

let fixture: PageFixture;
const sockets: Socket[] = [];
beforeEach(() => {
  fixture = new PageFixture();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await fixture.close();
});

/** A connection, and all that comes over it. */
function open(port: number) {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  const seen = { text: '', isClosed: false };
  socket.setEncoding('latin1').on('data', (more: string) => {
    seen.text += more;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    seen.isClosed = true;
  });
  return { socket, seen };
}

const closed = (seen: { readonly isClosed: boolean }) =>
  vi.waitFor(() => expect(seen.isClosed).toBe(true), { timeout: 40_000 });

describe('names and texts that an attacker has chosen', () => {
  const script = '<script>alert(1)</script>';
  const evil = `"'><img src=x onerror=alert(1)>${script}\n\r\u202eabc\u2028&amp; \u0000`;
  const note = { ...error, code: evil, message: evil, remedy: evil + 'x'.repeat(100_000) };

  test('are shown as text, in one line, and cut, everywhere', async () => {
    const at = { lastAttempt: minutesAgo(1), failures: 3, failingSince: minutesAgo(9) };
    fixture.writeState({
      replicas: { kdc2: { ...at, error: note }, [evil]: at },
      holds: { kdc3: { until: null, reason: evil, since: minutesAgo(9) } },
    });
    fixture.writeJournal([
      {
        replicas: [
          replicaReport('kdc2', { state: 'failed', error: note }),
          replicaReport(evil, { state: 'failed', error: note }),
        ],
      },
      { refused: note },
    ]);
    const finding = { on: evil, check: evil, state: 'failure', what: evil, fix: evil } as const;
    const page = await fixture.open({
      diagnose: async () => ({
        ...{ schema: 'kpropctl.doctor/1', at: evil, exit: 2, findings: [finding] },
      }),
    });
    const replica = { doing: evil, bytes: 1, total: 2, attempt: 3, trouble: evil };
    page.show({
      run: {
        ...{ since: evil, reason: evil, by: evil, generation: null, doing: 'sending', records: 0 },
        replicas: { [evil]: replica },
      },
      asked: { by: evil, at: evil },
      nextAt: evil,
    });
    const reader = new EventReader(fixture.url);
    await vi.waitFor(() => expect(reader.events.length).toBeGreaterThan(0));
    page.show({ run: null, asked: null, nextAt: null });
    await vi.waitFor(async () => expect((await fixture.ask('/')).text).toContain('(failure)'));
    const texts = [
      (await fixture.ask('/')).text,
      (await fixture.ask('/replicas/kdc2')).text,
      ...reader.events.flatMap(({ parts }) => Object.values(parts)),
    ];
    reader.close();
    for (const text of texts) {
      expect(text).not.toMatch(/<script>|<img|\u202e|\u2028/);
      expect(text).not.toContain('\0');
      expect(text.length).toBeLessThan(30_000);
    }
    expect(texts.join('')).toContain('&lt;script&gt;');
  });

  test('a journal and a state of any shape are survived', async () => {
    fixture.writeJournal([
      { replicas: [null, 'x', { host: 7 }, { host: 'kdc2', state: '<b>' }] as never },
      { replicas: [{ host: 'kdc2', state: 'failed', millis: 'x', error: [] }] as never },
      { replicas: [{ host: 'kdc2', state: 'current', millis: -1, bytes: null }] as never },
      { generation: {} as never, refused: 'x' as never },
    ]);
    const odd = { lastSuccess: 'yesterday', lastAttempt: 7, failures: 1, failingSince: {} };
    fixture.writeState({ replicas: { kdc2: odd as never } });
    await fixture.open();
    for (const path of ['/', '/replicas/kdc2', '/status.json']) {
      expect([path, (await fixture.ask(path)).status]).toEqual([path, 200]);
    }
    expect(fixture.logged).toEqual([]);
  });
});

test('every answer has the headers that keep a browser from doing what it need not', async () => {
  await fixture.open();
  for (const path of ['/', '/replicas/kdc2', '/metrics', '/page.js', '/nothing', '/run']) {
    expect((await fixture.ask(path)).headers).toMatchObject(securityHeaders);
  }
  const policy = securityHeaders['content-security-policy'];
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  const html = (await fixture.ask('/')).text;
  expect(html).not.toMatch(/ style=| on\w+=|<style|<script(?! src="\/page\.js")/);
  expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
});

test.each([
  ['PUT', '/', 405],
  ['POST', '/', 405],
  ['DELETE', '/status.json', 405],
  ['OPTIONS', '/events', 405],
  ['PROPFIND', '/', 405],
  ['TRACE', '/', 405],
  ['GET', '/run', 405],
  ['HEAD', '/', 200],
  ['GET', '/nothing', 404],
  ['GET', '/page.css/', 404],
  ['GET', '/replicas/', 404],
  ['GET', '/replicas/kdc2/x', 404],
  ['GET', '/replicas/%00', 404],
  ['GET', '/replicas/%ff%fe', 404],
  ['GET', '/replicas/%', 404],
  ['GET', '/replicas/__proto__', 404],
  ['GET', '/../assets/page.css', 404],
  ['GET', '/%2e%2e/%2e%2e/etc/passwd', 404],
  ['GET', '/..%2f..%2fetc%2fpasswd', 404],
  ['GET', '//etc/passwd', 404],
  ['GET', `/${'x'.repeat(9_000)}`, 404],
  ['GET', '/events?since=__proto__-99999999999999999999', 200],
])('%s %s: %d', async (method, path, status) => {
  await fixture.open();
  const { port } = fixture;
  const { socket, seen } = open(port);
  socket.write(
    `${method} ${path} HTTP/1.1\r\nhost: localhost:${port}\r\nconnection: close\r\n\r\n`,
  );
  await vi.waitFor(() => expect(seen.text).toMatch(/^HTTP\/1\.1 \d/));
  expect(Number(seen.text.slice(9, 12))).toBe(status);
  expect(seen.text).not.toContain('root:');
});

test.each([
  ['localhost', 200],
  ['LOCALHOST.:1', 200],
  ['127.0.0.1:9754', 200],
  ['[::1]:9754', 200],
  ['kdc1.example.org', 200],
  ['evil.example', 421],
  ['localhost.evil.example', 421],
  ['127.0.0.1.evil.example', 421],
])('a Host header %s: %d', async (host, status) => {
  await fixture.open();
  expect((await fixture.ask('/', { headers: { host } })).status).toBe(status);
  expect((await fixture.ask('/healthz', { headers: { host } })).status).toBe(200);
});

test.each([
  ['\u0000\u0001\u0002 TLS or what', 400],
  ['GET / HTTP/1.1\r\n\r\n', 400],
  ['GET / HTTP/1.1\r\nhost: a b<c\r\n\r\n', 400],
  ['GET http://[/ HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
  [`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
  [
    'POST /run HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
    400,
  ],
])('what is no request, or too much: %#', async (bytes, status) => {
  await fixture.open();
  const { socket, seen } = open(fixture.port);
  socket.write(bytes, 'latin1');
  await vi.waitFor(() => expect(seen.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `)), 5_000);
  expect((await fixture.ask('/')).status).toBe(200);
});

test('slow requests are hung up on: no byte, a header without an end, a body without one', async () => {
  await fixture.open();
  const silent = open(fixture.port);
  const slow = open(fixture.port);
  const body = open(fixture.port);
  slow.socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n');
  const drip = setInterval(() => slow.socket.write('x: y\r\n'), 500);
  body.socket.write(
    'POST /run HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\ntoken=',
  );
  await Promise.all([closed(silent.seen), closed(slow.seen), closed(body.seen)]);
  clearInterval(drip);
  expect(fixture.asked).toEqual([]);
});

test('thousands of connections that say nothing: others are answered, and they are hung up on', async () => {
  await fixture.open();
  const idle: ReturnType<typeof open>[] = [];
  while (idle.length < 3_000) {
    idle.push(...Array.from({ length: 200 }, () => open(fixture.port)));
    // It comes after them: then all of them were accepted.
    expect((await fixture.ask('/')).status).toBe(200);
  }
  for (const { seen } of idle) await closed(seen);
});

test('bad tokens from many connections: each is refused, and the log is not filled', async () => {
  await fixture.open({
    relations: `  page_keytab = ${fixture.folder}/keytab\n  page_principals = admin/admin\n`,
  });
  const headers = {
    origin: fixture.url,
    'content-type': 'application/x-www-form-urlencoded',
    authorization: 'Negotiate ****',
  };
  const attackers = Array.from({ length: 16 }, async () => {
    for (let times = 0; times < 50; times += 1) {
      expect((await fixture.ask('/run', { method: 'POST', headers })).status).toBe(401);
    }
  });
  await Promise.all(attackers);
  expect(fixture.logged.filter((line) => line.includes('not base64'))).toHaveLength(1);
  await fixture.page?.close();
  expect(fixture.logged.at(-1)).toMatch(/a token that is not base64 \(799 more times in the last/);
});

describe('a propagation', () => {
  let realm: ControlRealm;
  let daemon: LabProcess;
  let port: number;
  beforeAll(async () => {
    realm = await ControlRealm.create();
    const replica = await realm.addReplica('ours');
    port = await freePort();
    realm.configure({ every: '1s', max_age: '1s', listen: `127.0.0.1:${port}` });
    await realm.run('run');
    await realm.startKdc(replica);
    daemon = realm.start('serve');
    await daemon.until(() => daemon.stdout.includes('(start, '), 'the first run');
  });
  afterAll(async () => {
    await daemon.stop();
    await realm.close();
  });

  test('goes on as if nothing were, whatever is done to the port', async () => {
    const attack = new AbortController();
    const attackers = Array.from({ length: 8 }, async () => {
      while (!attack.signal.aborted) {
        const { socket } = open(port);
        socket.write('GET /status.json HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(20));
        socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(50_000)}`);
        await sleep(10);
        socket.destroy();
      }
    });
    const runs = () => daemon.stdout.match(/1 of 1 replicas are up to date/g)?.length ?? 0;
    const before = runs();
    await daemon.until(() => runs() >= before + 3, 'three more runs', 60_000);
    attack.abort();
    await Promise.all(attackers);
    expect(daemon.stdout).not.toContain('the process of the page ended');
    expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).text()).toBe('ok\n');
    // The process of the page gives way to others.
    const [page = ''] = readFileSync(
      `/proc/${daemon.pid}/task/${daemon.pid}/children`,
      'utf8',
    ).split(' ');
    const nice = readFileSync(`/proc/${page}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')[16];
    expect(Number(nice)).toBeGreaterThanOrEqual(10);
  });
});
