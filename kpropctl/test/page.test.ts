import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { Finding } from '../src/doctor/finding.ts';
import { failure, ok } from '../src/doctor/finding.ts';
import { idle } from '../src/page/link.ts';
import type { Guard } from '../src/serve/guard.ts';
import { error, minutesAgo, PageFixture, replicaReport } from './page-fixture.ts';

let fixture: PageFixture;
beforeEach(() => {
  fixture = new PageFixture();
});
afterEach(() => fixture.close());

const text = async (path: string) => (await fixture.ask(path)).text;
const withoutMarkup = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

const someState = {
  generation: 4711,
  dump: {
    ...{ at: minutesAgo(2), generation: 4711, principals: 1_000_214, bytes: 341e6, digest: 'd' },
  },
  replicas: {
    kdc2: {
      ...{ lastAttempt: minutesAgo(2), lastSuccess: minutesAgo(2), millis: 3_100 },
      ...{ has: 4711, proved: true, bytes: 341e6, phases: { sending: 2_100, loading: 900 } },
      ...{ attempts: 40, failuresByCode: { 'network.unreachable': 2 } },
    },
    kdc3: {
      ...{ lastAttempt: minutesAgo(2), lastSuccess: minutesAgo(115), has: 4688, proved: true },
      ...{ failures: 24, failingSince: minutesAgo(110), error },
    },
  },
};

test('the page says it all without a script: realm, states, what to do, the last runs', async () => {
  fixture.writeState(someState);
  fixture.writeJournal([
    { replicas: [replicaReport('kdc2'), replicaReport('kdc3', { state: 'failed', error })] },
    { replicas: [replicaReport('kdc2', { state: 'skipped' })] },
  ]);
  await fixture.open();
  const html = await text('/');
  expect(html).toMatch(/^<!doctype html>\s*<html lang="en">/);
  const words = withoutMarkup(html);
  expect(words).toContain('EXAMPLE.ORG Kerberos database propagation from kdc1.example.org');
  expect(words).toContain('1 of 2 replicas is failing');
  expect(words).toContain('Generation 4711 Dumped 2 min ago Principals 1,000,214 Size 341 MB');
  expect(words).toContain('kdc2 up to date – 4711 2 min ago (3.1 s) 2 min ago');
  expect(words).toContain('kdc3 failing 1 h 55 min 4688');
  expect(words).toContain(`${error.message} · 24 times, the first 1 h 50 min ago`);
  expect(words).toContain(`Remedy ${error.remedy}`);
  expect(words).toContain('Nothing is under way.');
  expect(words).toContain('The last 2 runs of kdc2 1 succeeded, 1 had nothing to send.');
  expect(html).toMatch(/<svg class="bars" role="img" aria-labelledby="row-0-bars-title /);
  expect(html.match(/<th role="columnheader" scope="col">/g)).toHaveLength(7);
  // Nobody can press without a keytab, and then there is no need of a cookie.
  expect(html).not.toContain('<form');
  expect((await fixture.ask('/')).headers['set-cookie']).toBeUndefined();
});

test('verdicts: of everything that can be', async () => {
  const verdict = async () => /verdict-words">.*?<span>(.*?)<\/span>/.exec(await text('/'))?.[1];
  await fixture.open();
  expect(await verdict()).toBe('Both replicas have not been tried yet');
  const { kdc2 } = someState.replicas;
  fixture.writeState({ ...someState, replicas: { kdc2, kdc3: kdc2 } });
  expect(await verdict()).toBe('Both replicas are up to date');
  fixture.writeState({ ...someState, replicas: { kdc2, kdc3: { ...kdc2, has: 4710 } } });
  expect(await verdict()).toBe('1 of 2 replicas is behind');
  const hold = { until: null, reason: 'new disks', since: minutesAgo(9) };
  fixture.writeState({ ...someState, holds: { kdc3: hold } });
  expect(await verdict()).toBe('The replica is up to date');
  expect(withoutMarkup(await text('/'))).toContain('Held: new disks.');
  fixture.writeJournal([{ refused: error }]);
  expect(await verdict()).toBe('The last run sent nothing');
});

test('what is under way, and what will be', async () => {
  const page = await fixture.open();
  const now = async () => withoutMarkup((await text('/')).split('id="now"')[1] ?? '');
  page.show({ ...idle, nextAt: new Date(Date.now() + 299_000).toISOString() });
  expect(await now()).toContain('The next run begins in 4 min .');
  const run = {
    ...{ since: minutesAgo(0), reason: 'page', by: 'admin/admin@EXAMPLE.ORG', generation: 9 },
    ...({ doing: 'sending', records: 0 } as const),
    replicas: {
      kdc2: { doing: 'sending', bytes: 50e6, total: 200e6, attempt: 2, trouble: null },
      kdc3: { doing: 'waiting', bytes: 0, total: 0, attempt: 1, trouble: 'no answer' },
    },
  };
  page.show({ ...idle, run, asked: { by: 'else@EXAMPLE.ORG', at: minutesAgo(0) } });
  expect(await now()).toContain('A run of generation 9 has been under way');
  expect(await now()).toContain('asked for by admin/admin@EXAMPLE.ORG');
  expect(await now()).toContain(
    'kdc2 sending 50 MB of 200 MB, try number 2 kdc3 waiting no answer',
  );
  expect(await now()).toContain('else@EXAMPLE.ORG asked for a run now : it begins when this one');
  expect(await text('/')).toContain('max="100" value="25"');
});

test('the history of a replica: a picture, and the same as a table', async () => {
  fixture.writeState(someState);
  fixture.writeJournal(
    Array.from({ length: 150 }, (_, at) => ({
      generation: at,
      replicas: [replicaReport('kdc3', at >= 148 ? { state: 'failed', error, millis: 0 } : {})],
    })),
  );
  await fixture.open();
  const html = await text('/replicas/kdc3');
  expect(withoutMarkup(html)).toContain('The last 120 runs of kdc3 118 succeeded, 2 failed.');
  expect(html.match(/<th role="rowheader"/g)).toHaveLength(60);
  expect(withoutMarkup(html)).toContain('1 min ago 149 failed');
  // What two runs in a row have failed with is told once.
  expect(html.split(error.remedy)).toHaveLength(2);
  expect((await fixture.ask('/replicas/kdc9')).status).toBe(404);
});

test('the same numbers as JSON and as metrics', async () => {
  fixture.writeState(someState);
  await fixture.open();
  const status = JSON.parse(await text('/status.json'));
  expect(status.replicas[1]).toMatchObject({ host: 'kdc3', behindGenerations: 23, failures: 24 });
  const metrics = await text('/metrics');
  for (const line of [
    'kpropctl_up{realm="EXAMPLE.ORG"} 1',
    'kpropctl_generation{realm="EXAMPLE.ORG"} 4711',
    'kpropctl_replica_generations_behind{replica="kdc3",realm="EXAMPLE.ORG"} 23',
    'kpropctl_replica_bytes{replica="kdc2",realm="EXAMPLE.ORG"} 341000000',
    'kpropctl_replica_phase_seconds{replica="kdc2",phase="sending",realm="EXAMPLE.ORG"} 2.1',
    'kpropctl_replica_attempts_total{replica="kdc2",realm="EXAMPLE.ORG"} 40',
    'kpropctl_replica_errors_total{replica="kdc2",code="network.unreachable",realm="EXAMPLE.ORG"} 2',
  ]) {
    expect(metrics).toContain(line);
  }
  expect(metrics).toMatch(/kpropctl_replica_since_success_seconds\{replica="kdc2",.*\} 12\d/);
});

describe('doctor', () => {
  const findings: readonly Finding[] = [
    ok('here', 'role', 'this is a primary'),
    failure('kdc3', 'ACL', 'not in the ACL', 'add this line'),
  ];
  const diagnosis = { schema: 'kpropctl.doctor/1', at: minutesAgo(0), exit: 2, findings } as const;

  test('looks when somebody looks, once for all, and what it found is shown with its fix', async () => {
    const diagnose = vi.fn(async () => diagnosis);
    await fixture.open({ diagnose });
    await text('/metrics');
    expect(diagnose).not.toHaveBeenCalled();
    await text('/');
    await vi.waitFor(async () => {
      const words = withoutMarkup(await text('/'));
      expect(words).toContain('kdc3 (failure) not in the ACL Remedy add this line');
      expect(words).toContain('1 check found nothing wrong This host (ok) this is a primary');
    });
    expect(diagnose).toHaveBeenCalledTimes(1);
  });

  test('a run that begins ends it, and it looks again after that', async () => {
    const signals: AbortSignal[] = [];
    const diagnose = (signal: AbortSignal) =>
      new Promise<typeof diagnosis>((resolve, reject) => {
        signals.push(signal);
        signal.addEventListener('abort', () => reject(signal.reason));
        if (signals.length > 1) resolve(diagnosis);
      });
    const page = await fixture.open({ diagnose });
    await text('/');
    expect(await text('/')).toContain('Looking at this host and at each replica.');
    const run = { since: minutesAgo(0), reason: 'start', by: null, generation: null, records: 0 };
    page.show({ ...idle, run: { ...run, doing: 'starting', replicas: {} } });
    expect(signals[0]?.aborted).toBe(true);
    await text('/');
    expect(signals).toHaveLength(1);
    page.show(idle);
    await vi.waitFor(async () => expect(await text('/')).toContain('not in the ACL'));
    expect(signals).toHaveLength(2);
  });

  test('what keeps it from looking is told', async () => {
    await fixture.open({ diagnose: () => Promise.reject(new Error('no <file>')) });
    await text('/');
    await vi.waitFor(async () =>
      expect(await text('/')).toContain('doctor could not look: no &lt;file&gt;'),
    );
  });
});

describe('the button', () => {
  const relations = '  page_keytab = /k\n  page_principals = admin\n';
  const guard: Guard = {
    authenticate: async ({ authorization }) =>
      authorization === 'Negotiate good'
        ? { kind: 'admitted', principal: 'admin@EXAMPLE.ORG', reply: 'Negotiate mutual' }
        : { kind: 'refused', status: 401, challenge: 'Negotiate', reason: 'a ticket is needed' },
    close: async () => undefined,
  };

  /** The cookie and the token of a page, and headers as a browser sends them. */
  async function loaded() {
    const { headers, text: html } = await fixture.ask('/');
    const [cookie = ''] = headers['set-cookie'] ?? [];
    const token = /name="token" value="([\w-]+)"/.exec(html)?.[1] ?? '';
    return {
      cookie,
      token,
      body: `token=${token}`,
      headers: {
        cookie: cookie.replace(/;.*/, ''),
        authorization: 'Negotiate good',
        origin: fixture.url,
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/x-www-form-urlencoded',
      },
    };
  }

  const press = (o: { readonly headers: Record<string, string>; readonly body: string }) =>
    fixture.ask('/run', {
      method: 'POST',
      headers: { ...o.headers, 'content-length': `${o.body.length}` },
      body: o.body,
    });

  test('pressed with a ticket, on a page of ours: the daemon hears of it, and who it was', async () => {
    const page = await fixture.open({ relations, guard });
    const { cookie, headers, body } = await loaded();
    expect(cookie).toMatch(/^kpropctl=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/);
    const pressed = press({ headers, body });
    await vi.waitFor(() => expect(fixture.asked).toEqual(['admin@EXAMPLE.ORG']));
    page.show({ ...idle, asked: { by: 'admin@EXAMPLE.ORG', at: minutesAgo(0) } });
    const answer = await pressed;
    expect(answer).toMatchObject({ status: 303, headers: { location: '/' } });
    expect(answer.headers['www-authenticate']).toBe('Negotiate mutual');
    expect(withoutMarkup(await text('/'))).toContain('admin@EXAMPLE.ORG asked for a run');
  });

  test('a page that was loaded before a restart has a good token still', async () => {
    await fixture.open({ relations, guard });
    const { headers, body } = await loaded();
    await fixture.open({ relations, guard });
    const origin = { ...headers, origin: fixture.url };
    expect((await press({ headers: origin, body })).status).toBe(303);
  });

  test.each([
    ['without a ticket', { authorization: '' }, 401],
    ['from a page of another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['from another port of this host', { 'sec-fetch-site': 'same-site' }, 403],
    ['of another origin', { origin: 'http://evil.example' }, 403],
    ['of no origin', { origin: 'null' }, 403],
    ['with no cookie', { cookie: '' }, 403],
    ['with the cookie of somebody else', { cookie: `kpropctl=${'a'.repeat(32)}` }, 403],
    ['as JSON', { 'content-type': 'application/json' }, 415],
    ['as text, which a page of another site can send', { 'content-type': 'text/plain' }, 415],
  ])('refused: %s', async (_, bad, status) => {
    await fixture.open({ relations, guard });
    const { headers, body } = await loaded();
    expect((await press({ headers: { ...headers, ...bad }, body })).status).toBe(status);
    expect((await press({ headers, body: 'token=' })).status).toBe(403);
    expect((await press({ headers, body: `${body}&x=${'x'.repeat(9_999)}` })).status).toBe(413);
    expect(fixture.asked).toEqual([]);
  });

  test('where others can reach the page, all that it says needs a ticket', async () => {
    await fixture.open({ relations, guard, listen: '0.0.0.0:0' });
    for (const path of ['/', '/metrics', '/status.json', '/events', '/replicas/kdc2']) {
      const { status, headers } = await fixture.ask(path);
      expect([path, status, headers['www-authenticate']]).toEqual([path, 401, 'Negotiate']);
    }
    expect((await fixture.ask('/healthz')).text).toBe('ok\n');
    expect((await fixture.ask('/page.css')).status).toBe(200);
    const authorization = 'Negotiate good';
    const { status, headers } = await fixture.ask('/', { headers: { authorization } });
    expect([status, headers['www-authenticate']]).toEqual([200, 'Negotiate mutual']);
  });

  test('without a keytab nobody can press it', async () => {
    await fixture.open();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await press({ headers, body: 'token=x' })).status).toBe(401);
  });
});

test('all that a browser loads has less than 60 kB', async () => {
  const hosts = Array.from({ length: 5 }, (_, at) => `kdc${at}.example.org`);
  fixture.writeJournal(
    Array.from({ length: 60 }, (_, at) => ({
      replicas: hosts.map((host) => replicaReport(host, { millis: 2_000 + ((at * 977) % 3_000) })),
    })),
  );
  await fixture.open({ hosts });
  let bytes = 0;
  for (const path of ['/', '/page.css', '/page.js', '/icon.svg']) {
    bytes += Buffer.byteLength(await text(path));
  }
  expect(bytes).toBeLessThan(60_000);
});
