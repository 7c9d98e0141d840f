import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import type { LabProcess } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import { idle } from '../src/page/link.ts';
import { EventReader } from './event-reader.ts';
import { minutesAgo, PageFixture } from './page-fixture.ts';
import { ControlRealm } from './realm.ts';

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 30_000 });

describe('without a daemon', () => {
  let fixture: PageFixture;
  const readers: EventReader[] = [];
  const listen = (o: { readonly since?: string } = {}) => {
    const reader = new EventReader(fixture.url, o);
    readers.push(reader);
    return reader;
  };
  /** Once doctor, which looks because somebody does, has been told of. */
  const settled = (reader: EventReader) =>
    until(() => expect(reader.part('doctor')).toContain('Looking'));
  beforeEach(() => {
    fixture = new PageFixture();
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader.close();
    await fixture.close();
  });

  test('first everything, then what has changed, with ids', async () => {
    const page = await fixture.open();
    const reader = listen();
    await settled(reader);
    expect(Object.keys(reader.events[0]?.parts ?? {}).sort()).toEqual([
      ...['doctor', 'now', 'row-0', 'row-1', 'verdict'],
    ]);
    expect(reader.retryMillis).toBeGreaterThanOrEqual(2_000);
    page.show({ ...idle, nextAt: minutesAgo(-5) });
    await until(() => expect(Object.keys(reader.events.at(-1)?.parts ?? {})).toEqual(['now']));
    // Another process writes the state: kpropctl run, hold, release.
    const failing = { failures: 1, failingSince: minutesAgo(1), lastAttempt: minutesAgo(1) };
    fixture.writeState({ replicas: { kdc3: failing } });
    await until(() => expect(reader.part('row-1')).toContain('failing'));
    expect(reader.events.at(-1)?.said).toBe('kdc3 is failing.');
    expect(new Set(reader.events.map(({ id }) => id)).size).toBe(reader.events.length);
  });

  test('who comes back gets what he has missed, and nothing else', async () => {
    const page = await fixture.open();
    const reader = listen();
    await settled(reader);
    const { length } = reader.events;
    reader.close();
    await until(() => expect(page.readers).toBe(0));
    page.show({ ...idle, nextAt: minutesAgo(-5) });
    await sleep(100);
    reader.connect();
    await until(() => expect(reader.events).toHaveLength(length + 1));
    expect(Object.keys(reader.events[length]?.parts ?? {})).toEqual(['now']);
    // As does a page that was loaded a moment ago.
    const fresh = listen({ since: reader.lastId ?? '' });
    page.show({ ...idle, nextAt: minutesAgo(-6) });
    await until(() => expect(Object.keys(fresh.events[0]?.parts ?? {})).toEqual(['now']));
  });

  test('a server that was started again: everything anew, and a new edition if the replicas are others', async () => {
    await fixture.open();
    const reader = listen();
    await settled(reader);
    const { lastId = '' } = reader;
    await fixture.open();
    const again = listen({ since: lastId });
    await until(() => expect(Object.keys(again.events[0]?.parts ?? {})).toHaveLength(5));
    expect(again.events[0]?.edition).toBe(reader.events[0]?.edition);
    await fixture.open({ hosts: ['kdc7'] });
    const other = listen({ since: lastId });
    await settled(other);
    expect(other.events[0]?.edition).not.toBe(reader.events[0]?.edition);
  });

  test('a comment now and then, so that nobody hangs up', async () => {
    await fixture.open({ limits: { heartbeatMillis: 50 } });
    const reader = listen();
    await until(() => expect(reader.text).toMatch(/(\n\n: still here){3}/));
  });

  test('a reader that takes nothing is dropped, and nothing is piled up for it', async () => {
    const hosts = Array.from({ length: 60 }, (_, at) => `kdc${at}.example.org`);
    const page = await fixture.open({
      hosts,
      limits: { heartbeatMillis: 200, stuckMillis: 400 },
    });
    const socket = connect(fixture.port, '127.0.0.1').on('error', () => undefined);
    socket.write('GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    socket.pause();
    await until(() => expect(page.readers).toBe(1));
    const before = process.memoryUsage().rss;
    for (let at = 0; page.readers > 0 && at < 3_000; at += 1) {
      const failing = { failures: 1, lastAttempt: minutesAgo(at), failingSince: minutesAgo(at) };
      fixture.writeState({ replicas: Object.fromEntries(hosts.map((host) => [host, failing])) });
      page.show(idle);
      await sleep(5);
    }
    expect(page.readers).toBe(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(400e6);
    socket.destroy();
  });

  test('too many of one kind are refused, and told when to come back', async () => {
    const page = await fixture.open({ limits: { most: 2 } });
    listen();
    listen();
    await until(() => expect(page.readers).toBe(2));
    const late = await fixture.ask('/events');
    expect(late).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
    expect((await fixture.ask('/')).status).toBe(200);
  });
});

describe('kpropctl serve', () => {
  let realm: ControlRealm;
  let daemon: LabProcess | undefined;
  let reader: EventReader | undefined;
  let url: string;
  beforeAll(async () => {
    realm = await ControlRealm.create();
    const replica = await realm.addReplica('ours');
    await realm.addReplica('mit');
    const listen = `127.0.0.1:${await freePort()}`;
    url = `http://${listen}`;
    realm.configure({ every: '1h', listen });
    await realm.run('run');
    await realm.startKdc(replica);
  });
  afterEach(async () => {
    reader?.close();
    await daemon?.stop();
  });
  afterAll(() => realm.close());

  async function serve(): Promise<LabProcess> {
    const started = realm.start('serve');
    daemon = started;
    await started.until(() => /generation \d+\)/.test(started.stdout), 'the first run');
    return started;
  }

  test('a run is seen live, from its reason to its outcome', async () => {
    const started = await serve();
    const live = new EventReader(url);
    reader = live;
    await until(() => expect(live.part('now')).toContain('The next run begins'));
    started.signal('SIGUSR1');
    await until(() => expect(live.text).toMatch(/has been under way .*asked for by a signal/));
    await until(() => expect(live.part('now')).toContain('Nothing is under way'));
    expect(live.part('row-0')).toContain('up to date');
    expect(live.part('row-1')).toContain('up to date');
  });

  test('a page survives the end of its process, and of the daemon', async () => {
    const started = await serve();
    const live = new EventReader(url);
    reader = live;
    await until(() => expect(live.events.length).toBeGreaterThan(0));
    const processOf = (id: string) => id.split('-')[0];
    const before = processOf(live.lastId ?? '');
    process.kill(pageProcessOf(started.pid), 'SIGKILL');
    await until(() => expect(live.isOpen).toBe(false));
    await started.until(() => started.stdout.includes('again in 1 s'), 'the notice');
    await comeBack(live);
    expect(processOf(live.lastId ?? '')).not.toBe(before);
    // All of it, for the new process does not know what was seen.
    const first = live.events.find(({ id }) => processOf(id) !== before);
    expect(Object.keys(first?.parts ?? {}).length).toBeGreaterThanOrEqual(5);
    await started.stop();
    await until(() => expect(live.isOpen).toBe(false));
    await serve();
    await comeBack(live);
    await until(() => expect(live.part('now')).toContain('The next run begins'));
  });

  test('an address that another process has is told as what it is', async () => {
    await serve();
    const { status, stderr } = await realm.run('serve');
    expect(status).toBe(78);
    expect(stderr).toContain('cannot be opened (listen EADDRINUSE');
    expect(stderr).toContain('ss -ltnp shows which process has that address');
  });

  async function comeBack(live: EventReader): Promise<void> {
    const seen = live.events.length;
    await vi.waitFor(
      () => {
        if (!live.isOpen) live.connect();
        expect(live.events.length).toBeGreaterThan(seen);
      },
      { timeout: 30_000, interval: 500 },
    );
  }
});

function pageProcessOf(daemon: number): number {
  const pid = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      return (
        parent === `${daemon}` &&
        readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('page-process')
      );
    } catch {
      return false;
    }
  });
  return Number(pid);
}
