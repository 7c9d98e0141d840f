import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import type { LabProcess } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import { axeFindings, openBrowser } from './browser.ts';
import { ControlRealm, type Replica } from './realm.ts';

// The page of the daemon in Chromium, with tickets of a real KDC: it listens on every address of this
// host, so that nothing at all is shown without one.

// A browser needs its time on a host that does much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });

let realm: ControlRealm;
let replica: Replica;
let daemon: LabProcess;
let browser: Browser;
let address: string;

beforeAll(async () => {
  realm = await ControlRealm.create();
  replica = await realm.addReplica('ours');
  await realm.addReplica('mit');
  realm.configure();
  await realm.run('run');
  for (const one of realm.replicas) await realm.startKdc(one);
  const keytab = join(realm.lab.folder, 'page.keytab');
  await realm.lab.addPrincipals(['admin', 'stranger'], 'password');
  await realm.lab.addPrincipals(['HTTP/localhost']);
  await realm.lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} HTTP/localhost`);
  const port = await freePort();
  address = `http://localhost:${port}`;
  realm.configure({
    ...{ every: '1h', backoff: '2s 2s', listen: `0.0.0.0:${port}` },
    ...{ page_keytab: keytab, page_principals: 'admin' },
  });
  daemon = realm.start('serve');
  await daemon.until(() => /generation \d+\)/.test(daemon.stdout), 'the first run');
  await kinit('admin');
  browser = await openBrowser(realm, address);
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});
afterAll(async () => {
  await browser?.close();
  await realm.close();
});

async function kinit(name: string): Promise<void> {
  const { status, stderr } = await realm.lab.run('/usr/bin/kinit', [name], { input: 'password\n' });
  if (status !== 0) throw new Error(stderr);
}

/** A page of a browser that has never been here; what the browser complains about is kept. */
async function open(path = '/', o: BrowserContextOptions = {}) {
  const context = await browser.newContext(o);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  const response = await page.goto(`${address}${path}`);
  return { page, complaints, status: response?.status() };
}

const verdict = (page: Page) => page.locator('#verdict-words');
const row = (page: Page, { host }: Replica) => page.locator('tbody', { hasText: host });
const press = (page: Page) => page.getByRole('button', { name: 'Propagate now' }).click();

/** Waits until the page says it by itself. */
const says = (page: Page, what: RegExp) => verdict(page).filter({ hasText: what }).waitFor();

describe('a reader', () => {
  test('with a ticket of a listed principal sees how the replicas stand', async () => {
    const { page, status, complaints } = await open();
    expect(status).toBe(200);
    await says(page, /Both replicas are up to date/);
    expect(await row(page, replica).textContent()).toContain('up to date');
    await page.getByText('This page is live.').waitFor();
    expect(complaints).toEqual([]);
  });

  describe('is refused', () => {
    afterAll(() => kinit('admin'));

    test('with a ticket of a principal that is not listed', async () => {
      await kinit('stranger');
      const { page, status } = await open();
      expect(status).toBe(403);
      expect(await page.textContent('main')).toContain(
        'Your principal, stranger@LAB.EXAMPLE, is not in page_principals',
      );
    });

    test('without a ticket, on every path', async () => {
      await realm.lab.run('/usr/bin/kdestroy');
      const { page } = await open();
      expect(await axeFindings(page)).toEqual([]);
      for (const path of ['/', '/status.json', '/events', `/replicas/${replica.host}`, '/none']) {
        expect((await page.goto(`${address}${path}`))?.status()).toBe(401);
        expect(await page.textContent('main')).toContain('Get a ticket: kinit');
      }
    });
  });
});

test('a replica fails and recovers, and a page that is open shows it by itself', async () => {
  const { page: watching, complaints } = await open();
  await watching.evaluate('globalThis.isSame = true');
  await replica.kpropd?.stop();
  const { page } = await open();
  await press(page);
  await says(watching, /1 of 2 replicas is failing/);
  await says(page, /1 of 2 replicas is failing/);
  expect(await row(watching, replica).textContent()).toMatch(/refused[\s\S]*Remedy/);
  expect(await watching.locator('#say').textContent()).toContain(replica.host);
  expect(daemon.stdout).toContain('a run was asked for on the page by admin@LAB.EXAMPLE');
  await realm.startKpropd(replica, 'ours');
  await says(watching, /Both replicas are up to date/);
  expect(await watching.evaluate('globalThis.isSame')).toBe(true);
  expect(complaints).toEqual([]);
});

test('the history of a replica: in a picture, in words, in a table', async () => {
  const { page } = await open();
  await page.getByRole('link', { name: replica.host }).click();
  await page.getByRole('heading', { level: 1, name: replica.host }).waitFor();
  expect(await page.locator('svg.bars desc').textContent()).toMatch(/\d+ succeeded, \d+ failed/);
  expect(await page.locator('.history > p').textContent()).toMatch(/The last failure was at 20/);
  const failed = page.locator('tr.failed').first();
  expect(await failed.textContent()).toContain('failed');
  expect(await page.locator('tr.failed + tr.why').first().textContent()).toContain('Remedy');
});

test('by the keyboard alone: to the content, to a replica and back, and the button', async () => {
  const { page } = await open();
  const focused = () => page.evaluate('document.activeElement.textContent.trim()');
  const tabTo = async (name: string) => {
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab');
      if ((await focused()) === name) return;
    }
    throw new Error(`${name} cannot be reached by Tab`);
  };
  await tabTo('Skip to the content');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('content');
  await tabTo(replica.host);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: replica.host }).waitFor();
  await tabTo('All replicas of LAB.EXAMPLE');
  await page.keyboard.press('Enter');
  await says(page, /Both replicas/);
  const generation = Number(await page.locator('dd').first().textContent());
  await tabTo('Propagate now');
  await page.keyboard.press('Enter');
  await page.locator('dd', { hasText: `${generation + 1}` }).waitFor();
});

test('what has the focus keeps it when its part of the page is replaced', async () => {
  const { page } = await open();
  const link = page.getByRole('link', { name: replica.host });
  await link.focus();
  const old = await row(page, replica).elementHandle();
  daemon.signal('SIGUSR1');
  await page.waitForFunction((element) => element?.isConnected === false, old);
  expect(await page.evaluate('document.activeElement.textContent')).toBe(replica.host);
});

test('without JavaScript it is whole, and the button works', async () => {
  const { page } = await open('/', { javaScriptEnabled: false });
  expect(await verdict(page).textContent()).toContain('replicas');
  const generation = Number(await page.locator('dd').first().textContent());
  await press(page);
  await expect
    .poll(
      async () => {
        await page.reload();
        return Number(await page.locator('dd').first().textContent());
      },
      { timeout: 30_000 },
    )
    .toBe(generation + 1);
});

describe('axe finds nothing', () => {
  const schemes = ['light', 'dark'] as const;
  test.each(schemes)('in the %s scheme', async (colorScheme) => {
    for (const path of ['/', `/replicas/${replica.host}`]) {
      const { page } = await open(path, { colorScheme });
      expect(await axeFindings(page)).toEqual([]);
    }
  });

  test.each(schemes)('in the %s scheme, while a replica fails', async (colorScheme) => {
    await replica.kpropd?.stop();
    const { page } = await open('/', { colorScheme });
    await press(page);
    await says(page, /1 of 2 replicas is failing/);
    expect(await axeFindings(page)).toEqual([]);
    await realm.startKpropd(replica, 'ours');
    await says(page, /Both replicas are up to date/);
  });
});

test('on a narrow screen nothing is cut off, and nothing has to be moved sideways', async () => {
  for (const path of ['/', `/replicas/${replica.host}`]) {
    const { page } = await open(path, { viewport: { width: 320, height: 640 } });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
  }
});

test('it is light: under 60 kB, with all that it loads', async () => {
  const { page } = await open();
  const sizes: number[] = [];
  page.on('requestfinished', async (request) => {
    const { responseBodySize, responseHeadersSize } = await request.sizes();
    sizes.push(responseBodySize + responseHeadersSize);
  });
  await page.reload();
  await page.getByText('This page is live.').waitFor();
  const bytes = sizes.reduce((sum, one) => sum + one, 0);
  console.log(`page: ${bytes} bytes in ${sizes.length} answers`);
  expect(sizes.length).toBeGreaterThanOrEqual(3);
  expect(bytes).toBeLessThan(60_000);
});

test('how soon it paints, beside a page of one word by turns', async () => {
  const bare = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>bare</title><p>word');
  });
  await once(bare.listen(0, '127.0.0.1'), 'listening');
  const { port } = bare.address() as AddressInfo;
  const { page } = await open();
  const addresses = { page: page.url(), bare: `http://localhost:${port}/` };
  const paints = { page: [] as number[], bare: [] as number[] };
  const names = ['page', 'bare'] as const;
  for (let round = 0; round < 8; round += 1) {
    for (const name of names) {
      await page.goto(addresses[name]);
      const at = await vi.waitUntil(() =>
        page.evaluate<number>('performance.getEntriesByType("paint")[0]?.startTime'),
      );
      // A browser that was just started takes its time.
      if (round > 2) paints[name].push(Math.round(at));
    }
  }
  bare.close();
  console.log('first paint, ms', paints);
  for (const name of names) expect(paints[name].every((millis) => millis > 0)).toBe(true);
});
