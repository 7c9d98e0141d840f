import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { Result } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

import type { ControlRealm } from './realm.ts';

/**
 * Debian's Chromium, which sends the tickets of the primary's credential cache to this host, and to no
 * other. `address` is a page that such a ticket opens.
 */
export async function openBrowser(realm: ControlRealm, address: string): Promise<Browser> {
  const home = join(realm.lab.folder, 'browser');
  mkdirSync(home, { recursive: true });
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--auth-server-allowlist=localhost',
    ],
    env: environmentOf(realm, home),
  });
  // Chromium loads libgssapi when it is first challenged, and refuses that challenge: the first page of
  // a new browser is always refused.
  const page = await browser.newPage();
  for (let visits = 0; visits < 10; visits += 1) {
    if ((await page.goto(address))?.ok() === true) break;
  }
  await page.close();
  return browser;
}

function environmentOf(realm: ControlRealm, home: string): Record<string, string> {
  const all = { ...realm.lab.env('primary'), HOME: home };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** What axe finds on a page as it is now: accessibility by WCAG and good practice. */
export async function axeFindings(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      readonly axe: { run(): Promise<{ readonly violations: readonly Result[] }> };
    };
    return (await axe.run()).violations;
  });
  return violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
  );
}

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
  'utf8',
);
