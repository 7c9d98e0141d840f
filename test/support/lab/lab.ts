import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import type { Kpropd, KpropdOptions, KpropOptions, LabOptions, RunOptions } from './lab-options.ts';
import { freePort, type LabProcess, listens, type Outcome, ProcessTable } from './lab-process.ts';
import { type Role, Site } from './lab-site.ts';
import { packageRoot } from './package-root.ts';

export type {
  Kpropd,
  KpropdOptions,
  KpropOptions,
  LabOptions,
  LabProcess,
  Outcome,
  Role,
  RunOptions,
};
export { packageRoot, Site };

const programs = {
  kprop: '/usr/sbin/kprop',
  kpropd: '/usr/sbin/kpropd',
  kdb5Util: '/usr/sbin/kdb5_util',
  kadminLocal: '/usr/sbin/kadmin.local',
  krb5kdc: '/usr/sbin/krb5kdc',
  kinit: '/usr/bin/kinit',
};

/** A throw-away realm of MIT's programs on loopback: a primary with its KDC, and a replica that has no database yet. */
export class Lab {
  readonly folder: string;
  readonly realm: string;
  readonly enctype: string;
  readonly primary: Site;
  readonly replica: Site;
  /** Name of this host in principals, in lower case. */
  readonly host: string;
  /** Whom kprop says it is: host/<this host>@<realm>. */
  readonly client: string;
  /** Whom lab.dump() writes and kprop sends by default. */
  readonly dumpFile: string;
  readonly #processes: ProcessTable;
  readonly #kdcs = new Map<Role, LabProcess>();

  private constructor(folder: string, ports: readonly [number, number], o: LabOptions) {
    this.folder = folder;
    this.realm = o.realm ?? 'LAB.EXAMPLE';
    this.enctype = o.enctype ?? 'aes256-cts-hmac-sha1-96';
    this.host = hostname().toLowerCase().replace(/\.$/, '');
    this.client = `host/${this.host}@${this.realm}`;
    const site = (role: Role, kdcPort: number) =>
      new Site({
        role,
        kdcPort,
        folder: join(folder, role),
        realm: this.realm,
        enctype: this.enctype,
        clockskewSeconds: o.clockskewSeconds,
        krb5ConfExtra:
          (typeof o.krb5ConfExtra === 'string' ? o.krb5ConfExtra : o.krb5ConfExtra?.[role]) ?? '',
      });
    this.primary = site('primary', ports[0]);
    this.replica = site('replica', ports[1]);
    this.dumpFile = join(this.primary.folder, 'replica_datatrans');
    this.#processes = new ProcessTable(folder);
  }

  static async create(o: LabOptions = {}): Promise<Lab> {
    const folder = mkdtempSync(join(tmpdir(), 'kprop-lab-'));
    const lab = new Lab(folder, [await freePort(), await freePort()], o);
    try {
      await lab.#populate(o.principals ?? 0);
      await lab.startKdc('primary');
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  site(role: Role): Site {
    return role === 'primary' ? this.primary : this.replica;
  }

  env(role: Role): NodeJS.ProcessEnv {
    return this.site(role).env();
  }

  /** Runs a program to its end, for the primary unless told otherwise. A bad exit is no exception. */
  run(program: string, args: readonly string[] = [], o: RunOptions = {}): Promise<Outcome> {
    return this.#processes.run(program, args, this.#spawnSettings(o));
  }

  /** Starts a program that lives until it ends by itself, is stopped, or the lab closes. */
  start(program: string, args: readonly string[] = [], o: RunOptions = {}): LabProcess {
    return this.#processes.start(program, args, this.#spawnSettings(o));
  }

  /** One query of kadmin.local, as after its -q. */
  kadminLocal(role: Role, query: string): Promise<Outcome> {
    return this.run(programs.kadminLocal, ['-q', query], { role });
  }

  /** Adds principals to the primary, with this password, or with random keys. */
  async addPrincipals(names: readonly string[], password?: string): Promise<void> {
    const key = password === undefined ? '-randkey' : `-pw ${quoted(password)}`;
    await this.#kadmin(names.map((name) => `addprinc ${key} ${quoted(name)}`));
  }

  async setPassword(name: string, password: string): Promise<void> {
    await this.#kadmin([`cpw -pw ${quoted(password)} ${quoted(name)}`]);
  }

  /** Dumps the primary's database and says where. */
  async dump(path: string = this.dumpFile): Promise<string> {
    await this.#must(programs.kdb5Util, ['dump', path]);
    return path;
  }

  /** The text of a dump of the replica's database. */
  async replicaDump(): Promise<string> {
    const path = join(this.replica.folder, 'tmp', 'dump-to-compare');
    await this.#must(programs.kdb5Util, ['dump', path], { role: 'replica' });
    const text = readFileSync(path, 'latin1');
    rmSync(path);
    rmSync(`${path}.dump_ok`, { force: true });
    return text;
  }

  /** Loads a dump with kdb5_util, as an administrator does on a new replica. */
  async load(path: string, role: Role = 'replica'): Promise<void> {
    await this.#must(programs.kdb5Util, ['load', path], { role });
  }

  /** Starts krb5kdc of a site and waits until it serves. The replica's needs a database first. */
  async startKdc(role: Role): Promise<LabProcess> {
    const kdc = this.start(programs.krb5kdc, ['-n'], { role });
    await kdc.until(() => kdc.stderr.includes('starting...'), `the ${role} KDC`);
    this.#kdcs.set(role, kdc);
    return kdc;
  }

  startReplicaKdc(): Promise<LabProcess> {
    return this.startKdc('replica');
  }

  async stopKdc(role: Role): Promise<void> {
    await this.#kdcs.get(role)?.stop();
    this.#kdcs.delete(role);
  }

  /** What krb5kdc of a site logged: one line for each request, with enctypes. */
  kdcLog(role: Role): string {
    return readFileSync(this.site(role).kdcLog, 'utf8');
  }

  /** Asks the KDC of a site, and no other, for a ticket. */
  async kinit(role: Role, principal: string, password: string) {
    const args = ['-c', 'MEMORY:lab', principal];
    const outcome = await this.run(programs.kinit, args, { role, input: `${password}\n` });
    return { ok: outcome.status === 0, error: outcome.stderr.trim(), millis: outcome.millis };
  }

  /** MIT's kprop, from the primary. */
  mitKprop(o: KpropOptions): Promise<Outcome> {
    return this.run(programs.kprop, this.kpropArgs(o), { argv0: 'kprop', ...o });
  }

  /** Our kprop as built into dist/, from the primary. */
  ourKprop(o: KpropOptions): Promise<Outcome> {
    return this.run(process.execPath, [ourProgram('kprop'), ...this.kpropArgs(o)], o);
  }

  /** MIT's kpropd -d on the replica, listening. */
  startMitKpropd(o: KpropdOptions = {}): Promise<Kpropd> {
    return this.#listen(programs.kpropd, [], { argv0: 'kpropd', ...o });
  }

  /** Our kpropd -d as built into dist/ on the replica, listening. */
  startOurKpropd(o: KpropdOptions = {}): Promise<Kpropd> {
    return this.#listen(process.execPath, [ourProgram('kpropd')], o);
  }

  /** The arguments that the lab gives to either kprop. */
  kpropArgs(o: KpropOptions): string[] {
    const file = o.file ?? this.dumpFile;
    return ['-P', String(o.port), '-f', file, ...(o.args ?? []), o.host ?? '127.0.0.1'];
  }

  /** An executable shell script in the replica's folder, for kpropd -p. */
  loaderStub(script: string, name = 'loader'): string {
    const path = join(this.replica.folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return path;
  }

  /** Ends every process and removes the folder. More than once does no harm. */
  async close(): Promise<void> {
    await this.#processes.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #listen(program: string, before: string[], o: KpropdOptions): Promise<Kpropd> {
    const port = o.port ?? (await freePort());
    const { acl, fromMaster } = this.replica;
    const args = [...before, '-d', '-P', String(port), '-a', o.acl ?? acl];
    args.push('-f', o.file ?? fromMaster, ...(o.loader ? ['-p', o.loader] : []), ...(o.args ?? []));
    const started = this.start(program, args, { role: 'replica', ...o });
    await started.until(() => listens(port), `${basename(before[0] ?? program)} on port ${port}`);
    return {
      port,
      process: started,
      get stderr() {
        return started.stderr;
      },
      stop: (signal) => started.stop(signal),
    };
  }

  #spawnSettings(o: RunOptions) {
    const site = this.site(o.role ?? 'primary');
    const { input, limitMillis, argv0 } = o;
    return { env: { ...site.env(), ...o.env }, cwd: site.folder, input, limitMillis, argv0 };
  }

  async #populate(users: number): Promise<void> {
    await this.#must(programs.kdb5Util, ['create', '-s', '-P', 'master']);
    const hosts = [...new Set([this.host, 'localhost', '127.0.0.1', '::1'])];
    const services = hosts.map((host) => `host/${host}`);
    await this.#kadmin([
      ...services.map((name) => `addprinc -randkey ${name}`),
      `ktadd -norandkey -k ${this.primary.keytab} host/${this.host}`,
      `ktadd -norandkey -k ${this.replica.keytab} ${services.join(' ')}`,
      ...Array.from({ length: users }, (_, index) => `addprinc -randkey user${index + 1}`),
    ]);
    copyFileSync(this.primary.stash, this.replica.stash);
    for (const site of [this.primary, this.replica]) writeFileSync(site.acl, `${this.client}\n`);
  }

  // In batch mode kadmin.local exits with 0 whatever happened: what it says on stderr decides.
  async #kadmin(queries: readonly string[]): Promise<void> {
    const input = `${queries.join('\n')}\n`;
    const { stderr } = await this.#must(programs.kadminLocal, [], { input });
    const complaints = stderr
      .split('\n')
      .filter((line) => line !== '' && !/No policy specified|^Authenticating/.test(line));
    if (complaints.length > 0) throw new Error(`kadmin.local: ${complaints.join('\n')}`);
  }

  async #must(program: string, args: readonly string[], o?: RunOptions): Promise<Outcome> {
    const outcome = await this.run(program, args, o);
    if (outcome.status === 0) return outcome;
    const said = `${outcome.stdout}${outcome.stderr}`;
    throw new Error(`${basename(program)} ${args.join(' ')}: status ${outcome.status}\n${said}`);
  }
}

/** A dump's text in a form that two databases of the same contents share: kdb5_util writes records in hash order. */
export function comparable(dump: string): string {
  const [header, ...records] = dump.trimEnd().split('\n');
  return [header, ...records.sort(), ''].join('\n');
}

/** A program of ours as it is installed: one file in dist/bin. */
export function ourProgram(name: 'kprop' | 'kpropd' | 'kproplog'): string {
  return join(packageRoot, 'dist', 'bin', `${name}.js`);
}

function quoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}
