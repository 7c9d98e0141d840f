import { lookup, reverse } from 'node:dns/promises';
import { connect, isIP } from 'node:net';

import { isKpropError, type Krb5Config, probe } from 'kprop';

import type { ReplicaSettings, Settings } from '../config/settings.ts';
import { Canary } from '../run/canary.ts';
import { isSameHost } from '../run/same-host.ts';
import type { State } from '../state/state.ts';
import { type Finding, failed, failure, ok, unknown, warning } from './finding.ts';

const connectMillis = 3_000;

interface ReplicaChecksOptions {
  readonly settings: Settings;
  readonly krb5: Krb5Config;
  readonly state: State;
  readonly environment: NodeJS.ProcessEnv;
}

/** What can be seen of a replica from here. Nothing is sent to it, and nothing changes there. */
export async function replicaChecks(
  replica: ReplicaSettings,
  o: ReplicaChecksOptions,
): Promise<readonly Finding[]> {
  const [names, asked, generation] = await Promise.all([
    nameAndPort(replica),
    handshake(replica, o.settings, o.krb5),
    served(replica, o),
  ]);
  return [...names, ...asked, generation];
}

/** The name both ways, and each of its addresses by itself. */
async function nameAndPort({ host, port }: ReplicaSettings): Promise<readonly Finding[]> {
  let addresses: readonly string[];
  try {
    addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return [
      failure(
        host,
        'name',
        `${host} does not resolve (${code})`,
        `/etc/hosts, or DNS: getent hosts ${host}`,
      ),
    ];
  }
  const backs = await Promise.all(addresses.map((address) => reverse(address).catch(() => [])));
  const back = backs.flat();
  const same =
    isIP(host) !== 0 ||
    back.length === 0 ||
    back.some((name) => isSameHost(name.toLowerCase(), host.toLowerCase()));
  const name = `name: ${addresses.join(', ')}${back.length === 0 ? '' : `, back to ${back.join(', ')}`}`;
  const found = same
    ? ok(host, 'name', name)
    : warning(
        host,
        'name',
        name,
        'with rdns = true in krb5.conf the ticket is asked for the name that the address leads back to',
      );
  const number = Number(port ?? 754);
  const ports = await Promise.all(addresses.map((address) => portAt(host, address, number)));
  return [found, ...ports];
}

function portAt(host: string, address: string, port: number): Promise<Finding> {
  const started = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (finding: Finding) => {
      socket.destroy();
      resolve(finding);
    };
    const timer = setTimeout(
      () =>
        end(
          failure(
            host,
            'port',
            `${address} port ${port} does not answer within 3 s`,
            'a firewall, or a route: kprop would wait two minutes for this address',
          ),
        ),
      connectMillis,
    );
    socket.once('connect', () => {
      clearTimeout(timer);
      end(
        ok(
          host,
          'port',
          `${address} port ${port} answers in ${(performance.now() - started).toFixed(1)} ms`,
        ),
      );
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      end(
        failure(
          host,
          'port',
          `${address} port ${port}: ${error.code}`,
          `start kpropd on ${host}, on that port`,
        ),
      );
    });
  });
}

/** All that a propagation does before the first byte. */
async function handshake(
  { host, port }: ReplicaSettings,
  { realm, keytab }: Settings,
  krb5: Krb5Config,
): Promise<readonly Finding[]> {
  try {
    const { server, enctype, clockOffsetMillis } = await probe({
      ...{ host, port, realm, config: krb5, connectMillis },
      credential: { kind: 'keytab', name: keytab },
    });
    const seconds = Math.abs(clockOffsetMillis) / 1000;
    return [
      ok(host, 'principal', `${server} exists, and the replica's keytab has its key`),
      ok(host, 'ACL', `kpropd takes dumps from this host, protected with ${enctype}`),
      seconds > 60
        ? warning(
            host,
            'clock',
            `this host's clock and the KDC's are ${seconds.toFixed(0)} s apart`,
            'chronyc tracking, on both',
          )
        : ok(host, 'clock', `clock: ${seconds.toFixed(2)} s from the KDC's`),
    ];
  } catch (error) {
    // The port has said it already.
    if (isKpropError(error, 'network.unreachable') || isKpropError(error, 'network.unresolved'))
      return [];
    const check = isKpropError(error) && error.code.startsWith('peer.') ? 'ACL' : 'principal';
    return [failed(host, check, error)];
  }
}

/** Which generation its own KDC has. */
async function served(
  replica: ReplicaSettings,
  { settings, krb5, state, environment }: ReplicaChecksOptions,
): Promise<Finding> {
  const { host, kdc } = replica;
  if (settings.proof === undefined)
    return unknown(host, 'generation', 'proof = none: what its KDC serves is not known');
  try {
    const canary = new Canary(settings, krb5, environment);
    const { generation, proved } = await canary.generationAt(replica, state);
    const wanted = state.dump?.generation ?? 0;
    if (!proved) {
      return failure(
        host,
        'generation',
        `its KDC has a key of ${settings.proof} that this host never made`,
        'somebody else is its primary, or the keytab of the canary was lost: kpropctl run',
      );
    }
    if (generation < wanted) {
      return failure(
        host,
        'generation',
        `its KDC answers, and has generation ${generation} instead of ${wanted}`,
        `kpropctl run ${host}`,
      );
    }
    return ok(host, 'generation', `its KDC answers, and has generation ${generation}`);
  } catch (error) {
    const { message } = error as Error;
    return unknown(host, 'generation', `its KDC (${kdc}) could not be asked: ${message}`);
  }
}
