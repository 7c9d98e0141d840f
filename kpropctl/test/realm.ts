import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  comparable,
  Lab,
  type LabProcess,
  type Outcome,
  ourProgram,
  packageRoot,
  Site,
} from '../../test/support/lab/lab.ts';
import { freePort, listens } from '../../test/support/lab/lab-process.ts';
import type { Make } from '../../test/support/lab/make.ts';

/** A replica of the realm: an address of its own on loopback, its kpropd, its KDC. */
export interface Replica {
  /** 127.0.0.N, or a name of it. */
  readonly host: string;
  readonly site: Site;
  readonly kpropPort: number;
  readonly kdcPort: number;
  kpropd: LabProcess | undefined;
  kdc: LabProcess | undefined;
}

/** A realm with several replicas, and kpropctl on its primary. */
export class ControlRealm {
  readonly lab: Lab;
  readonly replicas: Replica[] = [];
  readonly state: string;
  readonly config: string;
  readonly adminPort: number;
  kadmind: LabProcess | undefined;

  private constructor(lab: Lab, adminPort: number) {
    this.lab = lab;
    this.adminPort = adminPort;
    this.state = join(lab.folder, 'kpropctl');
    this.config = join(lab.folder, 'kpropctl.conf');
  }

  static async create(
    o: { readonly realm?: string; readonly principals?: number } = {},
  ): Promise<ControlRealm> {
    const { realm: name = 'LAB.EXAMPLE', principals = 5 } = o;
    const ports = [await freePort(), await freePort()] as const;
    const krb5ConfExtra = `[realms]
  ${name} = {
    kadmind_port = ${ports[0]}
    kpasswd_port = ${ports[1]}
  }`;
    const lab = await Lab.create({ realm: name, principals, krb5ConfExtra });
    await lab.addPrincipals(['root/admin'], adminPassword);
    const realm = new ControlRealm(lab, ports[0]);
    await realm.startKadmind();
    return realm;
  }

  async startKadmind(): Promise<void> {
    writeFileSync(join(this.lab.primary.folder, 'kadm5.acl'), 'root/admin *\n');
    this.kadmind = this.lab.start('/usr/sbin/kadmind', ['-nofork']);
    await this.kadmind.until(() => /starting/.test(this.kadmind?.stderr ?? ''), 'kadmind');
  }

  /** kadmin.local's queries, on the primary. */
  async kadminLocal(queries: readonly string[]): Promise<void> {
    await this.lab.run('/usr/sbin/kadmin.local', [], { input: `${queries.join('\n')}\n` });
  }

  /** `host` is a name of 127.0.0.N, if the resolver of this host knows one. */
  async addReplica(
    make: Make,
    o: { readonly args?: readonly string[]; readonly host?: string } = {},
  ): Promise<Replica> {
    const { lab } = this;
    const { host = `127.0.0.${this.replicas.length + 11}` } = o;
    const kdcPort = await freePort();
    const site = new Site({
      role: 'replica',
      folder: join(lab.folder, host),
      realm: lab.realm,
      enctype: lab.enctype,
      kdcPort,
      clockskewSeconds: undefined,
      krb5ConfExtra: `[realms]
  ${lab.realm} = {
    admin_server = 127.0.0.1:${this.adminPort}
  }`,
    });
    await lab.addPrincipals([`host/${host}`]);
    await lab.kadminLocal('primary', `ktadd -norandkey -k ${site.keytab} host/${host}`);
    copyFileSync(lab.primary.stash, site.stash);
    writeFileSync(site.acl, `${lab.client}\n`);
    const kpropPort = await freePort();
    const replica: Replica = { host, site, kpropPort, kdcPort, kpropd: undefined, kdc: undefined };
    this.replicas.push(replica);
    await this.startKpropd(replica, make, o.args);
    return replica;
  }

  async startKpropd(
    replica: Replica,
    make: Make,
    more: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    const { site, kpropPort } = replica;
    const args = ['-D', '-P', `${kpropPort}`, '-a', site.acl, '-f', site.fromMaster, ...more];
    const [program, before] =
      make === 'mit' ? ['/usr/sbin/kpropd', []] : [process.execPath, [ourProgram('kpropd')]];
    replica.kpropd = this.lab.start(program, [...before, ...args], {
      env: { ...site.env(), ...env },
    });
    await replica.kpropd.until(() => listens(kpropPort), 'kpropd');
  }

  /** The environment of a program of Node's whose clock is off by so much. */
  clockOff(millis: number): NodeJS.ProcessEnv {
    const script = join(this.lab.folder, `clock-${millis}.mjs`);
    writeFileSync(
      script,
      `const { now } = Date;
const off = ${millis};
Date.now = () => now() + off;
const Plain = Date;
globalThis.Date = class extends Plain {
  constructor(...args) {
    super(...(args.length === 0 ? [Plain.now()] : args));
  }
};
`,
    );
    return { NODE_OPTIONS: `--import=${script}` };
  }

  /** Its KDC needs a database first: after the first propagation. */
  async startKdc(replica: Replica): Promise<void> {
    const kdc = this.lab.start('/usr/sbin/krb5kdc', ['-n'], { env: replica.site.env() });
    await kdc.until(() => kdc.stderr.includes('starting...'), 'a KDC');
    replica.kdc = kdc;
  }

  /** Writes the configuration: the replicas, and these relations, of all and of one of them. */
  configure(
    relations: Readonly<Record<string, string>> = {},
    own: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
  ): void {
    const global = {
      dump: join(this.lab.primary.folder, 'to-send'),
      state: this.state,
      attempts_within: '0',
      ...relations,
    };
    const lines = Object.entries(global).map(([name, value]) => `    ${name} = ${value}\n`);
    const sections = this.replicas.map(({ host, kpropPort, kdcPort }) => {
      const places = { port: `${kpropPort}`, kdc: `127.0.0.1:${kdcPort}`, ...own[host] };
      const inner = Object.entries(places).map(([name, value]) => `        ${name} = ${value}\n`);
      return `    ${host} = {\n${inner.join('')}    }\n`;
    });
    writeFileSync(this.config, `[kpropctl]\n${lines.join('')}[replicas]\n${sections.join('')}`);
  }

  run(...args: readonly string[]): Promise<Outcome> {
    const [command = '', ...rest] = args;
    return this.lab.run(process.execPath, [program, command, '--config', this.config, ...rest]);
  }

  /** The same where no other process can be seen: no kadmind of this test or of another one. */
  runAlone(...args: readonly string[]): Promise<Outcome> {
    const [command = '', ...rest] = args;
    const alone = ['--pid', '--fork', '--mount-proc', process.execPath];
    return this.lab.run('unshare', [...alone, program, command, '--config', this.config, ...rest]);
  }

  start(command: string, ...rest: readonly (string | NodeJS.ProcessEnv)[]): LabProcess {
    const flags = rest.filter((one) => typeof one === 'string');
    const env = Object.assign({}, ...rest.filter((one) => typeof one === 'object'));
    const args = [program, command, '--config', this.config, ...flags];
    return this.lab.start(process.execPath, args, { env });
  }

  async dumpOf(site: Site): Promise<string> {
    const path = join(site.folder, 'tmp', 'compare');
    const { status, stderr } = await this.lab.run('/usr/sbin/kdb5_util', ['dump', path], {
      env: site.env(),
    });
    if (status !== 0) throw new Error(stderr);
    return comparable(readFileSync(path, 'latin1').replace(volatile, '$1'));
  }

  close(): Promise<void> {
    return this.lab.close();
  }
}

/** Of root/admin, who may do everything by kadmin. */
export const adminPassword = 'administers';
export const program = join(packageRoot, 'kpropctl', 'dist', 'main.js');
/** What each KDC notes for itself. */
const volatile = /^(princ(?:\t[^\t]*){6}(?:\t-?\d+){5})(?:\t-?\d+){3}/gm;
