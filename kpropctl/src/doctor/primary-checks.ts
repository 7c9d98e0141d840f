import { soundConfiguration } from './configuration-check.ts';
import { dumpCheck } from './dump-check.ts';
import type { Examined } from './examined.ts';
import type { Finding } from './finding.ts';
import { ipropHere } from './iprop-check.ts';
import { ownKeyCheck } from './own-key-check.ts';
import { ownNameCheck } from './own-name-check.ts';
import { programsCheck } from './programs-check.ts';
import { roleCheck } from './role-check.ts';
import { within } from './within.ts';

/** What can be wrong with this host; the checks run side by side. */
export async function primaryChecks(o: Examined): Promise<readonly Finding[]> {
  const check = (name: string, work: (o: Examined) => Promise<readonly Finding[]>) =>
    within(limitMillis, 'here', name, () => work(o));
  const all = await Promise.all([
    [soundConfiguration(o)],
    check('role', roleCheck),
    check('name', ownNameCheck),
    check('key', ownKeyCheck),
    check('dump', dumpCheck),
    check('iprop', ipropHere),
    check('programs', programsCheck),
  ]);
  return all.flat();
}

/** For a dump of a million principals, which is read from beginning to end. */
const limitMillis = 30_000;
