import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

import { parseProfile } from 'kprop';

import type { Settings } from '../config/settings.ts';
import { notPrimary } from '../run/primary.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok } from './finding.ts';
import { run, writeLine } from './fix.ts';

/** Whether this host is the primary. */
export async function roleCheck({ settings, platform }: Examined): Promise<readonly Finding[]> {
  const fault = notPrimary(settings);
  const { primary } = settings;
  if (fault === undefined) {
    const named = primary === undefined ? '' : ', and `primary` names this host';
    return [ok('here', 'role', `primary: kadmind runs here${named}`)];
  }
  if (fault.code === 'kpropctl.no-kadmind') {
    const fix = run(`systemctl start ${platform.kadmindUnit}`);
    return [failure('here', 'role', 'kadmind does not run here, so this is no primary', fix)];
  }
  const place = placeOfPrimary(settings);
  const what = `${fault.message}: kpropctl sends nothing from here`;
  const fix =
    place === undefined
      ? `run on ${primary}:   kpropctl run`
      : writeLine(place, `    primary = ${hostname()}`);
  return [failure('here', 'role', what, fix)];
}

/** Where the configuration names the primary. */
function placeOfPrimary({ file }: Settings): { file: string; line: number } | undefined {
  if (file === undefined) return undefined;
  const root = parseProfile(readFileSync(file, 'utf8'), file, () => []);
  for (const section of root.children) {
    if (section.kind !== 'section' || section.name !== 'kpropctl') continue;
    const found = section.children.find(({ name }) => name === 'primary');
    if (found !== undefined) return { file, line: found.line };
  }
  return undefined;
}
