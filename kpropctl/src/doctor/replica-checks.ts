import type { ReplicaSettings } from '../config/settings.ts';
import { clockCheck } from './clock-check.ts';
import type { Examined } from './examined.ts';
import type { Finding } from './finding.ts';
import { generationCheck } from './generation-check.ts';
import { handshakeCheck } from './handshake-check.ts';
import { ipropAt } from './iprop-check.ts';
import { nameCheck } from './name-check.ts';
import { portCheck } from './port-check.ts';
import { within } from './within.ts';

/** What can be seen of a replica from here. Nothing is sent to it, and nothing changes there. */
export async function replicaChecks(
  replica: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  const { host } = replica;
  const check = (
    name: string,
    work: (replica: ReplicaSettings, o: Examined) => Promise<readonly Finding[]>,
  ) => within(limitMillis, host, name, () => work(replica, o));
  const all = await Promise.all([
    check('name', nameCheck),
    check('port', portCheck),
    check('clock', clockCheck),
    check('handshake', handshakeCheck),
    check('generation', generationCheck),
    check('iprop', ipropAt),
  ]);
  return all.flat();
}

const limitMillis = 20_000;
