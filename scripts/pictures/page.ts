import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Browser, Page } from 'playwright-core';

import { openBrowser } from '../../kpropctl/test/browser.ts';
import { type ControlRealm, program } from '../../kpropctl/test/realm.ts';
import { smallerPng } from './smaller-png.ts';

/** The page in both schemes, on a narrow screen, and the history of one replica. */
export async function takePagePictures(
  realm: ControlRealm,
  o: { readonly folder: string; readonly address: string; readonly host: string },
): Promise<void> {
  // With the configuration in /etc, as an administrator starts it.
  const daemon = realm.lab.start(process.execPath, [program, 'serve'], {
    env: { KRB5_CONFIG: undefined, KRB5_KDC_PROFILE: undefined },
  });
  await daemon.until(() => /generation \d+\)/.test(daemon.stdout), 'the first run');
  const browser = await openBrowser(realm, o.address);
  try {
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open(browser, { scheme, widthPixels: 1080 });
      await page.goto(o.address);
      // Doctor looks when somebody looks at the page.
      await page.getByText('found nothing wrong').waitFor({ timeout: 120_000 });
      await take(page, join(o.folder, `kpropctl-page-${scheme}.png`));
    }
    const history = await open(browser, { scheme: 'light', widthPixels: 1080 });
    await history.goto(`${o.address}/replicas/${o.host}`);
    await take(history, join(o.folder, 'kpropctl-history.png'), 760);
    const narrow = await open(browser, { scheme: 'dark', widthPixels: 390 });
    await narrow.goto(o.address);
    await narrow.getByText('This page is live.').waitFor();
    await take(narrow, join(o.folder, 'kpropctl-page-narrow.png'), 844);
  } finally {
    await browser.close();
    await daemon.stop();
  }
}

async function open(
  browser: Browser,
  o: { readonly scheme: 'light' | 'dark'; readonly widthPixels: number },
): Promise<Page> {
  const context = await browser.newContext({
    colorScheme: o.scheme,
    viewport: { width: o.widthPixels, height: 800 },
  });
  return context.newPage();
}

/** The whole page, or so much of its beginning. */
async function take(page: Page, path: string, heightPixels?: number): Promise<void> {
  const width = page.viewportSize()?.width ?? 0;
  const clip = heightPixels && { x: 0, y: 0, width, height: heightPixels };
  const picture = smallerPng(await page.screenshot({ fullPage: true, ...(clip && { clip }) }));
  writeFileSync(path, picture);
  const kilobytes = Math.round(picture.length / 1000);
  console.log(`${path}: ${kilobytes} kB`);
  if (kilobytes > mostKilobytes) throw new Error(`${path} has more than ${mostKilobytes} kB`);
}

const mostKilobytes = 150;
