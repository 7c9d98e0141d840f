import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { comparable, Lab, type LabProcess, ourProgram, type Role, Site } from './lab.ts';
import { freePort, listens } from './lab-process.ts';

export interface IpropLabOptions {
  readonly enctype?: string;
  /** iprop_ulogsize of every site. */
  readonly logSize?: number;
  readonly principals?: number;
  /** More lines for the realm's section of krb5.conf. */
  readonly extra?: string;
}

/** Another replica of the realm, in a folder of its own. */
export interface IpropReplica {
  readonly site: Site;
  /** Where its own kadmind serves the replicas below it. */
  readonly kadmindPort: number;
  /** Where its kpropd listens. */
  readonly kpropPort: number;
}

export interface PollerOptions {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A lab whose primary keeps an update log and lets its replicas poll it: iprop_enable on all sites. */
export class IpropLab {
  readonly lab: Lab;
  readonly kadmindPort: number;
  readonly #o: IpropLabOptions;

  private constructor(lab: Lab, kadmindPort: number, o: IpropLabOptions) {
    this.lab = lab;
    this.kadmindPort = kadmindPort;
    this.#o = o;
  }

  static async create(o: IpropLabOptions = {}): Promise<IpropLab> {
    const port = await freePort();
    const krb5ConfExtra = ipropConf(port, o);
    const enctype = o.enctype === undefined ? {} : { enctype: o.enctype };
    const lab = await Lab.create({
      realm,
      principals: o.principals ?? 5,
      krb5ConfExtra,
      ...enctype,
    });
    const client = `kiprop/${lab.host}`;
    await lab.addPrincipals([client, 'kiprop/localhost']);
    const { keytab } = lab.replica;
    await lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} ${client}`);
    writeFileSync(join(lab.primary.folder, 'kadm5.acl'), `${client}@${realm} p\n`);
    return new IpropLab(lab, port, o);
  }

  /** A replica that polls this port, the primary's kadmind unless told otherwise. */
  async addReplica(name: string, ipropPort = this.kadmindPort): Promise<IpropReplica> {
    const { lab } = this;
    const kadmindPort = await freePort();
    const listen = `    iprop_listen = localhost:${kadmindPort}\n`;
    const site = new Site({
      role: 'replica',
      folder: join(lab.folder, name),
      realm: lab.realm,
      enctype: lab.enctype,
      // It asks the primary's KDC for tickets.
      kdcPort: lab.primary.kdcPort,
      clockskewSeconds: undefined,
      krb5ConfExtra: ipropConf(ipropPort, { ...this.#o, extra: `${this.#o.extra ?? ''}${listen}` }),
    });
    copyFileSync(lab.replica.keytab, site.keytab);
    copyFileSync(lab.primary.stash, site.stash);
    copyFileSync(lab.replica.acl, site.acl);
    copyFileSync(join(lab.primary.folder, 'kadm5.acl'), join(site.folder, 'kadm5.acl'));
    return { site, kadmindPort, kpropPort: await freePort() };
  }

  /** kadmind, which starts this kprop for a full resynchronisation and sends it to this port. */
  startKadmind(kprop: string, kpropPort: number): Promise<LabProcess> {
    return this.#startKadmind(this.lab.primary, this.kadmindPort, kprop, kpropPort);
  }

  /** The kadmind of a replica, for those below it. */
  startKadmindOf(
    { site, kadmindPort }: IpropReplica,
    kprop: string,
    kpropPort: number,
  ): Promise<LabProcess> {
    return this.#startKadmind(site, kadmindPort, kprop, kpropPort);
  }

  /** MIT's kpropd, polling the primary; its own listener for kprop is on this port. */
  startPoller(port: number, args: readonly string[] = []): LabProcess {
    const { acl, fromMaster } = this.lab.replica;
    return this.lab.start(
      '/usr/sbin/kpropd',
      ['-d', '-P', String(port), '-a', acl, '-f', fromMaster, ...args],
      // Its own krb5.conf names the replica's KDC, which has no database yet.
      { role: 'replica', argv0: 'kpropd', env: { KRB5_CONFIG: this.lab.primary.krb5Conf } },
    );
  }

  /** The kpropd of a replica, of either make. */
  startKpropd(make: 'mit' | 'ours', replica: IpropReplica, o: PollerOptions = {}): LabProcess {
    const { site, kpropPort } = replica;
    const [program, before] =
      make === 'mit' ? ['/usr/sbin/kpropd', []] : [process.execPath, [ourProgram('kpropd')]];
    const args = ['-d', '-P', String(kpropPort), '-a', site.acl, '-f', site.fromMaster];
    return this.lab.start(program, [...before, ...args, ...(o.args ?? [])], {
      ...(make === 'mit' ? { argv0: 'kpropd' } : {}),
      env: { ...site.env(), ...o.env },
    });
  }

  /** Loads the primary's database as a resync would, and takes over where it stands. */
  async resyncByHand(...replicas: readonly IpropReplica[]): Promise<void> {
    const dump = join(this.lab.folder, 'resync-by-hand');
    await this.#must('/usr/sbin/kdb5_util', ['dump', '-i1', dump], this.lab.primary);
    for (const { site } of replicas) {
      await this.#must('/usr/sbin/kdb5_util', ['load', '-i', dump], site);
    }
  }

  /** kadmin.local's queries, on the primary unless told otherwise. */
  async kadmin(queries: readonly string[], site: Site = this.lab.primary): Promise<void> {
    await this.lab.run('/usr/sbin/kadmin.local', [], {
      input: `${queries.join('\n')}\n`,
      env: site.env(),
      limitMillis: 120_000,
    });
  }

  async dumpOf(site: Site): Promise<string> {
    const path = join(site.folder, 'tmp', 'dump-to-compare');
    await this.#must('/usr/sbin/kdb5_util', ['dump', path], site);
    const text = readFileSync(path, 'latin1');
    rmSync(path);
    return text;
  }

  /** The header and the entries of a site's update log, as kproplog prints them. */
  async updateLog(where: Role | Site, args: readonly string[] = []): Promise<string> {
    const site = typeof where === 'string' ? this.lab.site(where) : where;
    return this.#must('/usr/sbin/kproplog', args, site);
  }

  /** The number of the last update that a site knows of. */
  async lastSerial(where: Role | Site): Promise<number> {
    return Number(/Last serial # : (\d+)/.exec(await this.updateLog(where, ['-h']))?.[1]);
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  async #startKadmind(
    site: Site,
    port: number,
    kprop: string,
    kpropPort: number,
  ): Promise<LabProcess> {
    // A new file: kadmind would send the one of an earlier resync, with the updates since then to follow.
    const dump = join(site.folder, `resync-${kpropPort}`);
    const args = ['-nofork', '-proponly', '-K', kprop, '-k', String(kpropPort), '-F', dump];
    const kadmind = this.lab.start('/usr/sbin/kadmind', args, { env: site.env() });
    await kadmind.until(() => listens(port), 'kadmind');
    return kadmind;
  }

  async #must(program: string, args: readonly string[], site: Site): Promise<string> {
    const { status, stdout, stderr } = await this.lab.run(program, args, { env: site.env() });
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
    return stdout;
  }
}

/** The principals of a dump, in a form that two databases share: an update may put data in another order. */
export function principalsOf(dump: string): readonly string[][] {
  return comparable(dump)
    .split('\n')
    .filter((line) => line.startsWith('princ\t'))
    .map((line) => line.split('\t').sort());
}

const realm = 'LAB.EXAMPLE';

/** kpropd asks for kiprop/<admin_server as it stands here>, and says it is kiprop/<this host>. */
function ipropConf(port: number, { logSize, extra = '' }: IpropLabOptions): string {
  return `[realms]
  ${realm} = {
    iprop_enable = true
    iprop_port = ${port}
    iprop_replica_poll = 1
    admin_server = localhost
${logSize === undefined ? '' : `    iprop_ulogsize = ${logSize}\n`}${extra}  }`;
}
