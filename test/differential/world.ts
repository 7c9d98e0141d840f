import { cpSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ourProgram } from '../support/lab/lab.ts';
import { LabProcess, type Outcome } from '../support/lab/lab-process.ts';

export type Role = 'primary' | 'replica';

/** How a program of a world is run. */
export interface Run {
  readonly program: string;
  readonly args?: readonly string[] | undefined;
  /** Over the environment of the role; undefined removes a variable. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly role?: Role | undefined;
  readonly hostname?: string | undefined;
  /** The folder that it starts in; /srv unless given. */
  readonly folder?: string | undefined;
  /** Shell text that is run before it: redirections, umask, ulimit. */
  readonly prelude?: string | undefined;
  /** Runs it as one whom file modes bind. */
  readonly bounded?: boolean | undefined;
}

const here = dirname(fileURLToPath(import.meta.url));
const kerberosOfEtc = ['krb5.conf', 'krb5.keytab', 'krb5kdc', 'kprop.json'];
/** What each scenario starts from; the rest (KDC, logs) lives as long as the world. */
const restored = ['srv/primary', 'srv/replica', 'srv/run', 'etc', 'state', 'var-tmp'] as const;

/**
 * A small host in namespaces of its own: its /etc, its services and names, its system log, its
 * network with the same addresses and ports as any other world. Two worlds made from one template
 * differ in nothing, so that whatever two programs do differently in them is theirs.
 */
export class World {
  readonly folder: string;
  readonly #holder: LabProcess;
  readonly #processes = new Set<LabProcess>();

  private constructor(folder: string, holder: LabProcess) {
    this.folder = folder;
    this.#holder = holder;
  }

  static async create(folder: string): Promise<World> {
    for (const name of ['srv/kdc', ...restored]) mkdirSync(join(folder, name), { recursive: true });
    cpSync('/etc', join(folder, 'etc'), { recursive: true, preserveTimestamps: true });
    const flags = ['--mount', '--net', '--uts', '--propagation', 'private'];
    const listener = join(here, 'syslog-listener.py');
    const holder = new LabProcess(
      'unshare',
      [...flags, 'bash', join(here, 'world.sh'), folder, listener],
      { env: { PATH: process.env.PATH }, cwd: folder },
    );
    await holder.until(() => holder.stdout.includes('ready'), 'a world of its own (needs root)');
    return new World(folder, holder);
  }

  /** A path of the world as this process sees it. */
  path(inside: string): string {
    for (const [mount, name] of mounts) {
      if (inside.startsWith(mount)) return join(this.folder, name, inside.slice(mount.length));
    }
    throw new Error(`${inside} is not a path of the world`);
  }

  start(o: Run): LabProcess {
    const { program, args = [], env, role = 'primary', hostname, folder, prelude } = o;
    const [file = program, ...before] = commands[program] ?? [program];
    const wrapper = o.bounded === true ? 'setpriv --bounding-set=-all --inh-caps=-all' : '';
    const name = file === process.execPath ? 'node' : file.replace(/^.*\//, '');
    const host = hostname ?? `${role}.lab.example`;
    const shell = ['bash', join(here, 'run.sh'), host, folder ?? '/srv', prelude ?? '', wrapper];
    const started = new LabProcess(
      'nsenter',
      [
        ...['-t', `${this.#holder.pid}`, '-m', '-n', '-u', 'unshare', '-u'],
        ...[...shell, name, file, ...before, ...args],
      ],
      { env: { ...environmentOf(role), ...env }, cwd: '/' },
    );
    this.#processes.add(started);
    void started.ended.then(() => this.#processes.delete(started));
    return started;
  }

  async run(o: Run & { readonly limitMillis?: number }): Promise<Outcome> {
    const started = this.start(o);
    const timer = setTimeout(() => started.kill(), o.limitMillis ?? 20_000);
    const outcome = await started.ended;
    clearTimeout(timer);
    return outcome;
  }

  async must(o: Run): Promise<Outcome> {
    const outcome = await this.run(o);
    if (outcome.status === 0) return outcome;
    throw new Error(`${o.program} ${o.args?.join(' ')}: ${outcome.status}\n${outcome.stderr}`);
  }

  /** Whether something in this world listens on a TCP port. */
  listens(port: number): boolean {
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    return ['tcp', 'tcp6'].some((table) =>
      readFileSync(`/proc/${this.#holder.pid}/net/${table}`, 'latin1')
        .split('\n')
        .some((line) => {
          const [, local = '', , state] = line.trim().split(/\s+/);
          return state === '0A' && local.endsWith(suffix);
        }),
    );
  }

  /** Lines of the system log: `<priority>ident[pid]: text`, without the time. */
  syslog(): readonly string[] {
    const text = readFileSync(join(this.folder, 'syslog'), 'utf8');
    return text.split('\n').flatMap((line) => {
      const [, head, rest] = /^(<\d+>)\w+ +\d+ \d+:\d+:\d+ (.*)$/.exec(line) ?? [];
      return rest === undefined ? [] : [`${head}${rest}`];
    });
  }

  /** All that its KDC logged. */
  kdcLog(): string {
    return readFileSync(join(this.folder, 'srv/kdc/krb5kdc.log'), 'utf8');
  }

  /** Processes of this world, less the log and those that were there when the scenario began. */
  processes(): readonly number[] {
    const network = networkOf(this.#holder.pid);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== this.#holder.pid && networkOf(pid) === network);
  }

  /** Ends what a scenario left running, and puts every file back as the template has it. */
  async restore(template: string, spared: ReadonlySet<number>): Promise<void> {
    for (const pid of this.processes()) if (!spared.has(pid)) kill(pid);
    await Promise.all([...this.#processes].filter((p) => !spared.has(p.pid)).map((p) => p.ended));
    for (const name of restored) {
      const folder = join(this.folder, name);
      // The folders themselves are mounted: only what is in them goes.
      const entries = name === 'etc' ? kerberosOfEtc : readdirSync(folder);
      for (const entry of entries) rmSync(join(folder, entry), { recursive: true, force: true });
    }
    await copyTree(template, this.folder);
  }

  async close(): Promise<void> {
    for (const pid of this.processes()) kill(pid);
    this.#holder.kill();
    await this.#holder.ended;
  }
}

/** Copies what a folder has over another one, with owners, modes and times. */
export async function copyTree(from: string, to: string): Promise<void> {
  const copy = new LabProcess('cp', ['-a', `${from}/.`, to], { env: process.env, cwd: '/' });
  const { status, stderr } = await copy.ended;
  if (status !== 0) throw new Error(stderr);
}

const mounts = [
  ['/srv', 'srv'],
  ['/etc', 'etc'],
  ['/var/lib/krb5kdc', 'state'],
  ['/var/tmp', 'var-tmp'],
] as const;

const commands: Readonly<Record<string, readonly string[] | undefined>> = {
  'mit kprop': ['/usr/sbin/kprop'],
  'mit kpropd': ['/usr/sbin/kpropd'],
  'ours kprop': [process.execPath, ourProgram('kprop')],
  'ours kpropd': [process.execPath, ourProgram('kpropd')],
  'false replica': [process.execPath, join(here, 'false-replica.mjs')],
};

function environmentOf(role: Role): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: '/root',
    LC_ALL: 'C',
    KRB5_CONFIG: `/srv/${role}/krb5.conf`,
    KRB5_KDC_PROFILE: `/srv/${role}/kdc.conf`,
    KRB5_KTNAME: `/srv/${role}/krb5.keytab`,
  };
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
