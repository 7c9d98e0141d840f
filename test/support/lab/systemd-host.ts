import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { type Lab, type LabProcess, type Outcome, packageRoot, type Site } from './lab.ts';
import { printedUnits } from './printed-units.ts';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * A host with a systemd of its own, in namespaces and control groups of its own (needs root): this
 * machine's files, with our programs and units installed and the lab's replica configured where
 * Debian looks. It shares the network of the lab.
 */
export class SystemdHost {
  readonly #lab: Lab;
  readonly #unshare: LabProcess;
  readonly #group: string;
  #pid = 0;

  private constructor(lab: Lab, unshare: LabProcess, group: string) {
    this.#lab = lab;
    this.#unshare = unshare;
    this.#group = group;
  }

  /** Drop-ins are texts by file name below /etc/systemd/system. */
  static async boot(lab: Lab, dropIns: Readonly<Record<string, string>>): Promise<SystemdHost> {
    const folder = join(lab.folder, 'systemd-host');
    installPrograms(lab, join(folder, 'files'));
    installFiles(lab.replica, join(folder, 'files'), dropIns);
    return SystemdHost.#start(lab, folder, '/');
  }

  /**
   * A host that consists of another root, and on which nothing of ours is installed.
   * @param o.files contents by path
   */
  static async bootRoot(
    lab: Lab,
    o: {
      readonly root: string;
      readonly name: string;
      readonly site: Site;
      readonly files: Readonly<Record<string, string | Uint8Array>>;
    },
  ): Promise<SystemdHost> {
    const folder = join(lab.folder, o.name);
    installFiles(o.site, join(folder, 'files'), {});
    for (const [name, text] of Object.entries(o.files)) {
      putFile(join(folder, 'files'), name, text);
    }
    return SystemdHost.#start(lab, folder, o.root);
  }

  static async #start(lab: Lab, folder: string, root: string): Promise<SystemdHost> {
    const group = `kprop-systemd-${process.pid}-${basename(folder)}`;
    const script = join(here, 'systemd-host.sh');
    const unshare = lab.start('sh', [script, folder, group, process.execPath, root]);
    const host = new SystemdHost(lab, unshare, group);
    await unshare.until(() => host.#findInit() && host.#isUp(), 'systemd');
    return host;
  }

  /** Runs a program here. A bad exit is no exception. */
  run(program: string, args: readonly string[] = []): Promise<Outcome> {
    return this.#lab.run('nsenter', [...this.#inside(), program, ...args], { env: ownFiles });
  }

  /** Starts a program here that lives until it is stopped. */
  start(program: string, args: readonly string[] = []): LabProcess {
    return this.#lab.start('nsenter', [...this.#inside(), program, ...args], { env: ownFiles });
  }

  async must(program: string, args: readonly string[] = []): Promise<string> {
    const { status, stdout, stderr } = await this.run(program, args);
    if (status !== 0)
      throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Messages in the journal of one program. */
  journal(identifier: string): Promise<string> {
    return this.must('journalctl', ['-q', '--no-pager', '-o', 'cat', '-t', identifier]);
  }

  async close(): Promise<void> {
    this.#unshare.kill();
    await this.#unshare.ended;
    for (const hierarchy of ['', 'systemd', 'unified', 'memory', 'pids', 'devices']) {
      await removeGroups(join('/sys/fs/cgroup', hierarchy, this.#group));
    }
  }

  #inside(): readonly string[] {
    return ['-t', `${this.#pid}`, '--mount', '--pid', '--cgroup', '--root', '--wd'];
  }

  /** The first process of its namespace is a grandchild of ours. */
  #findInit(): boolean {
    const { pid } = this.#unshare;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
    this.#pid = Number.parseInt(children, 10) || 0;
    return this.#pid > 0;
  }

  #isUp(): boolean {
    return existsSync(`/proc/${this.#pid}/root/run/systemd/private`);
  }
}

/** A host has its files where Debian looks for them, and none of the lab. */
const ownFiles = {
  PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TMPDIR: '/tmp',
  KRB5_CONFIG: undefined,
  KRB5_KDC_PROFILE: undefined,
  KRB5_KTNAME: undefined,
  KRB5CCNAME: undefined,
  KRB5RCACHEDIR: undefined,
};

/** Our programs, as npm installs them, and the units that they print. */
function installPrograms(lab: Lab, files: string): void {
  const installed = '/usr/local/lib/node_modules/kprop';
  for (const name of ['package.json', 'dist', 'node_modules/koffi', 'node_modules/@koromix']) {
    cpSync(join(packageRoot, name), join(files, installed, name), { recursive: true });
  }
  for (const name of ['kprop', 'kpropd']) {
    const script = `#!/bin/sh\nexec ${installed}/dist/bin/${name}.js "$@"\n`;
    putFile(files, `/usr/local/bin/${name}`, script, 0o755);
  }
  // The paths of this host are those of that one.
  for (const [name, text] of Object.entries(printedUnits(lab.replica.env()))) {
    const moved = text
      .replaceAll(packageRoot, installed)
      .replaceAll(lab.replica.folder, '/var/lib/krb5kdc');
    putFile(files, `/etc/systemd/system/${name}`, moved);
  }
}

/** The units, and what the host has of a site, where Debian looks for it. */
function installFiles(site: Site, files: string, dropIns: Readonly<Record<string, string>>): void {
  const units = ['systemd-journald.service', 'systemd-journald.socket'].join(' ');
  const lone = `[Unit]\nDefaultDependencies=no\nWants=${units} systemd-journald-dev-log.socket\n`;
  putFile(files, '/etc/systemd/system/lab.target', lone);
  for (const [name, text] of Object.entries(dropIns)) {
    putFile(files, `/etc/systemd/system/${name}`, text);
  }
  const state = '/var/lib/krb5kdc';
  const moved = (path: string) => readFileSync(path, 'utf8').replaceAll(site.folder, state);
  putFile(files, '/etc/krb5.conf', moved(site.krb5Conf));
  putFile(files, '/etc/krb5kdc/kdc.conf', moved(site.kdcConf));
  if (existsSync(site.acl)) putFile(files, '/etc/krb5kdc/kpropd.acl', moved(site.acl));
  const secrets = { '/etc/krb5.keytab': site.keytab, [`${state}/stash`]: site.stash };
  for (const [place, path] of Object.entries(secrets)) {
    if (existsSync(path)) putFile(files, place, readFileSync(path), 0o600);
  }
}

function putFile(files: string, path: string, text: string | Uint8Array, mode = 0o644): void {
  const place = join(files, path);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, text, { mode });
}

/** The groups empty as the processes in them end, which have been killed. */
async function removeGroups(folder: string): Promise<void> {
  // What ends last may still hold a group for a moment (EBUSY), or take it along (ENOENT).
  const end = performance.now() + 10_000;
  while (existsSync(folder)) {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) await removeGroups(join(folder, entry.name));
      }
      rmdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      if (performance.now() > end) throw error;
      await sleep(20);
    }
  }
}
