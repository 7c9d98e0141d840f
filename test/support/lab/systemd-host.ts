import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { type Lab, type LabProcess, type Outcome, packageRoot } from './lab.ts';
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
    installFiles(lab, join(folder, 'files'), dropIns);
    const group = `kprop-systemd-${process.pid}`;
    const script = join(here, 'systemd-host.sh');
    const unshare = lab.start('sh', [script, folder, group, process.execPath]);
    const host = new SystemdHost(lab, unshare, group);
    await unshare.until(() => host.#findInit() && host.#isUp(), 'systemd');
    return host;
  }

  /** Runs a program here. A bad exit is no exception. */
  run(program: string, args: readonly string[] = []): Promise<Outcome> {
    const inside = ['-t', `${this.#pid}`, '--mount', '--pid', '--cgroup', '--root', '--wd'];
    const env = { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', TMPDIR: '/tmp' };
    return this.#lab.run('nsenter', [...inside, program, ...args], {
      env: { ...env, KRB5_CONFIG: undefined, KRB5_KDC_PROFILE: undefined },
    });
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
    for (const hierarchy of ['', 'systemd', 'memory', 'pids', 'devices']) {
      await removeGroups(join('/sys/fs/cgroup', hierarchy, this.#group));
    }
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

function installFiles(lab: Lab, files: string, dropIns: Readonly<Record<string, string>>): void {
  const put = (path: string, text: string | Uint8Array, mode = 0o644) => {
    const place = join(files, path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text, { mode });
  };
  const installed = '/usr/local/lib/node_modules/kprop';
  for (const name of ['package.json', 'dist', 'node_modules/koffi', 'node_modules/@koromix']) {
    cpSync(join(packageRoot, name), join(files, installed, name), { recursive: true });
  }
  for (const name of ['kprop', 'kpropd']) {
    put(`/usr/local/bin/${name}`, `#!/bin/sh\nexec ${installed}/dist/bin/${name}.js "$@"\n`, 0o755);
  }
  // The paths of this host are those of that one.
  for (const [name, text] of Object.entries(printedUnits(lab.replica.env()))) {
    const moved = text
      .replaceAll(packageRoot, installed)
      .replaceAll(lab.replica.folder, '/var/lib/krb5kdc');
    put(`/etc/systemd/system/${name}`, moved);
  }
  const units = ['systemd-journald.service', 'systemd-journald.socket'].join(' ');
  const lone = `[Unit]\nDefaultDependencies=no\nWants=${units} systemd-journald-dev-log.socket\n`;
  put('/etc/systemd/system/lab.target', lone);
  for (const [name, text] of Object.entries(dropIns)) put(`/etc/systemd/system/${name}`, text);
  // Where Debian has them.
  const { replica } = lab;
  const state = '/var/lib/krb5kdc';
  const moved = (path: string) => readFileSync(path, 'utf8').replaceAll(replica.folder, state);
  put('/etc/krb5.conf', moved(replica.krb5Conf));
  put('/etc/krb5kdc/kdc.conf', moved(replica.kdcConf));
  put('/etc/krb5kdc/kpropd.acl', moved(replica.acl));
  put('/etc/krb5.keytab', readFileSync(replica.keytab), 0o600);
  put(`${state}/stash`, readFileSync(replica.stash), 0o600);
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
