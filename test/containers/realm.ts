import { randomBytes } from 'node:crypto';

import {
  GenericContainer,
  getContainerRuntimeClient,
  type StartedTestContainer,
  Wait,
} from 'testcontainers';

import type { Make } from '../support/lab/make.ts';
import { Host, type Result, untilGone } from './host.ts';

export const dumpFile = '/var/lib/krb5kdc/replica_datatrans';

/** Images by whose kpropd they have. That of ours has MIT's kprop, too, as a primary's. */
const images: Readonly<Record<Make, string>> = { ours: 'kprop/kprop', mit: 'kprop/mit-kdc' };
const programs: Readonly<Record<Make, { readonly kprop: string; readonly kpropd: string }>> = {
  ours: { kprop: '/usr/local/bin/kprop', kpropd: '/usr/local/bin/kpropd' },
  mit: { kprop: '/usr/sbin/kprop', kpropd: '/usr/sbin/kpropd' },
};

export interface KpropOptions {
  /** The host as typed; default its whole name. */
  readonly typed?: string;
  readonly env?: Record<string, string>;
  /** The dump; default the one that the realm makes. */
  readonly file?: string;
  /** Where it runs; default the primary. */
  readonly from?: string;
}

export interface ReplicaOptions {
  readonly kpropd: Make;
  /** How far its clock is off, in the words of libfaketime: +1h. */
  readonly clock?: string;
}

/**
 * A realm of hosts that are containers, each with a name, an address, keys and volumes of its own:
 * a primary, replicas, and a client box. The engine's DNS makes the names, forwards and back.
 */
export class ContainerRealm {
  readonly name = 'NET.TEST';
  readonly id = `k${randomBytes(3).toString('hex')}`;
  readonly network = `${this.id}.test`;
  readonly #hosts = new Map<string, Host>();
  readonly #volumes: string[] = [];
  #subnet = '';
  #marks = 0;

  /** The realm with its primary, and keys for the replicas, which are started one by one. */
  static async create(replicas: readonly string[], o: { clock?: string } = {}) {
    const realm = new ContainerRealm();
    try {
      await realm.#createNetwork();
      const hosts = ['kdc1', ...replicas];
      for (const host of [...hosts, 'client']) {
        realm.#volumes.push(realm.volume(host, 'etc'), realm.volume(host, 'database'));
      }
      await realm.#createDatabase(hosts);
      await realm.start('kdc1', ['kdc', 'kadmind'], o);
      await realm.start('client', ['sleep', 'infinity']);
      return realm;
    } catch (error) {
      await realm.close();
      throw error;
    }
  }

  get primary(): Host {
    return this.host('kdc1');
  }

  get client(): Host {
    return this.host('client');
  }

  host(label: string): Host {
    const host = this.#hosts.get(label);
    if (host === undefined) throw new Error(`the host ${label} was not started`);
    return host;
  }

  /** The name by which its key and the DNS know a host. */
  nameOf(label: string): string {
    return `${this.shortNameOf(label)}.${this.network}`;
  }

  shortNameOf(label: string): string {
    return `${label}-${this.id}`;
  }

  /** The name of a volume: what will be /etc/krb5kdc or /var/lib/krb5kdc of a host. */
  volume(label: string, what: 'etc' | 'database'): string {
    return `${this.shortNameOf(label)}-${what}`;
  }

  /** Makes a container that somebody else started a host of this realm. */
  adopt(label: string, container: StartedTestContainer, user?: string): Host {
    const host = new Host(this.nameOf(label), container, { network: this.network, user });
    this.#hosts.set(label, host);
    return host;
  }

  /** A replica: krb5kdc, and the kpropd of either make. */
  startReplica(label: string, o: ReplicaOptions): Promise<Host> {
    return this.start(label, ['kdc', 'kpropd'], o);
  }

  async start(
    label: string,
    parts: readonly string[],
    o: Partial<ReplicaOptions> = {},
  ): Promise<Host> {
    const ready = parts.includes('kpropd')
      ? "cat /proc/net/tcp /proc/net/tcp6 | grep -q ':02F2 .* 0A '"
      : 'kdc-healthy';
    const { kpropd = 'ours', clock } = o;
    const wrongTime: Record<string, string> =
      clock === undefined
        ? {}
        : {
            KPROPD: programs[kpropd].kpropd,
            LD_PRELOAD: '/usr/local/lib/libfaketime.so',
            FAKETIME: clock,
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
          };
    const container = await new GenericContainer(clock === undefined ? images[kpropd] : 'kprop/lab')
      .withName(this.shortNameOf(label))
      .withHostname(this.nameOf(label))
      .withNetworkMode(this.network)
      .withUser('root') // so that the lines of MIT's kpropd are seen; it runs as the user krb5
      .withBindMounts([
        { source: this.volume(label, 'etc'), target: '/etc/krb5kdc' },
        { source: this.volume(label, 'database'), target: '/var/lib/krb5kdc' },
      ])
      .withEnvironment(wrongTime)
      .withCommand([...parts])
      .withWaitStrategy(Wait.forSuccessfulCommand(ready))
      .start();
    return this.adopt(label, container);
  }

  /** Takes a host away; its volumes stay, and it can be started again. */
  async stop(label: string): Promise<void> {
    await this.#hosts.get(label)?.remove();
    this.#hosts.delete(label);
  }

  /** A change of the primary's database that can be looked for elsewhere. */
  async mark(): Promise<string> {
    const name = `mark${++this.#marks}`;
    await this.primary.kadmin(`addprinc -randkey ${name}`);
    return name;
  }

  async dump(): Promise<void> {
    await this.primary.must(['kdb5_util', 'dump', dumpFile]);
  }

  /** Runs a kprop to a host, whether that was started or not. */
  kprop(make: Make, label: string, o: KpropOptions = {}): Promise<Result> {
    const file = o.file === undefined ? [] : ['-f', o.file];
    const command = [programs[make].kprop, ...file, o.typed ?? this.nameOf(label)];
    return this.host(o.from ?? 'kdc1').run(command, o.env);
  }

  /** Changes the primary, dumps, propagates, and looks for the change on the replica. @throws Error if it is not there */
  async expectPropagates(make: Make, label: string, o: KpropOptions = {}): Promise<void> {
    const mark = await this.mark();
    await this.dump();
    const { exitCode, output } = await this.kprop(make, label, o);
    if (exitCode !== 0 || !output.endsWith(`${o.typed ?? this.nameOf(label)}: SUCCEEDED\n`)) {
      const log = (await this.host(label).log()).slice(-2000);
      throw new Error(`kprop (${make}) to ${label}: ${output}\n${label} said: …${log}`);
    }
    const there = await this.host(label).principals();
    if (!there.includes(`${mark}@${this.name}`)) throw new Error(`${label} has no ${mark}`);
  }

  /** A ticket for a user from the KDC of one host and no other. */
  kinit(label: string, user: string, password: string): Promise<Result> {
    const conf = `[libdefaults]
default_realm = ${this.name}
dns_lookup_kdc = false
dns_lookup_realm = false
[realms]
${this.name} = {
 kdc = ${this.nameOf(label)}
}
`;
    const script = 'printf %s "$CONF" >/tmp/one.conf && echo "$WORD" | kinit -c MEMORY: "$0"';
    const env = { CONF: conf, WORD: password, KRB5_CONFIG: '/tmp/one.conf' };
    return this.client.run(['sh', '-c', script, user], env);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#hosts.keys()].map((label) => this.stop(label)));
    const { container } = await getContainerRuntimeClient();
    for (const volume of this.#volumes.splice(0)) {
      await container.dockerode
        .getVolume(volume)
        .remove()
        .catch(() => {}); // not every host was started
    }
    if (this.#subnet === '') return;
    await untilGone(() => container.dockerode.getNetwork(this.network).remove());
    this.#subnet = '';
  }

  /** With a subnet that we choose: only so can a host come back with the address that it had. */
  async #createNetwork(): Promise<void> {
    const { container } = await getContainerRuntimeClient();
    for (let tries = 20; ; tries--) {
      const [high, low] = randomBytes(2);
      const subnet = `10.${high}.${low}.0/24`;
      try {
        await container.dockerode.createNetwork({
          Name: this.network,
          IPAM: { Config: [{ Subnet: subnet }] },
        });
        this.#subnet = subnet;
        return;
      } catch (error) {
        if (tries === 0 || !/overlap/i.test(String(error))) throw error;
      }
    }
  }

  async #createDatabase(labels: readonly string[]): Promise<void> {
    const names = labels.map((label) => this.nameOf(label));
    const made = await new GenericContainer('kprop/mit-kdc')
      .withUser('root')
      .withBindMounts([
        ...labels.map((label) => ({
          source: this.volume(label, 'etc'),
          target: `/hosts/${this.nameOf(label)}`,
        })),
        { source: this.volume('client', 'etc'), target: '/hosts/client' },
        { source: this.volume('kdc1', 'database'), target: '/var/lib/krb5kdc' },
      ])
      .withEnvironment({ KDC_USERS: 'alice:wonderland admin/admin:looking-glass' })
      .withCommand(['create-realm', this.name, '/hosts', ...names])
      .withWaitStrategy(Wait.forOneShotStartup())
      .start();
    await untilGone(() => made.stop({ timeout: 0 }));
  }
}
