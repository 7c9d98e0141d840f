import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { type Lab, packageRoot } from './lab.ts';
import { freePort, type LabProcess, listens } from './lab-process.ts';

export type SuperServerName = 'inetd' | 'xinetd';

export interface SuperServer {
  readonly port: number;
  /** How the servers that it started have ended, in order. */
  readonly exits: readonly number[];
  stop(): Promise<unknown>;
}

export interface ServerLine {
  /** In place of /usr/bin/kpropd. */
  readonly program: string;
  readonly args: readonly string[];
  /** Use the line of inetd.conf that names node. */
  readonly byNode?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** One of Debian's super-servers with the line that packaging/ has for it: other paths and port. */
export async function startSuperServer(
  lab: Lab,
  name: SuperServerName,
  line: ServerLine,
): Promise<SuperServer> {
  const port = await freePort();
  const conf = join(lab.replica.folder, `${name}-${port}.conf`);
  const log = `${conf}.log`;
  writeFileSync(log, '');
  const started =
    name === 'inetd'
      ? startInetd(lab, conf, inetdConf(port, line), line)
      : startXinetd(lab, conf, log, xinetdConf(port, lab, line));
  await started.until(() => listens(port), `${name} on port ${port}`);
  return {
    port,
    get exits() {
      const said = name === 'inetd' ? started.stderr + started.stdout : readFileSync(log, 'utf8');
      const exit = name === 'inetd' ? /reaped, status (\S+)/g : /EXIT: krb5_prop status=(\d+)/g;
      return [...said.matchAll(exit)].map((found) => exitStatus(found[1] ?? '', name));
    },
    stop: () => started.stop(),
  };
}

/** The folder of a package that scripts/prepare.mjs has unpacked. */
function unpacked(debianPackage: string): string {
  const folder = join(packageRoot, 'node_modules/.cache/kprop/super-servers', debianPackage);
  if (existsSync(folder)) return folder;
  throw new Error(`${debianPackage} is not unpacked: run "npm run setup"`);
}

/** For the libraries that came with it. */
function withLibraries(folder: string): NodeJS.ProcessEnv {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const libraries = files.filter((file) => /\.so(\.|$)/.test(file));
  const folders = new Set(libraries.map((file) => join(folder, dirname(file))));
  return { LD_LIBRARY_PATH: [...folders].join(':') };
}

function inetdConf(port: number, { program, args, byNode = false }: ServerLine): string {
  const lines = readFileSync(join(packageRoot, 'packaging/inetd/inetd.conf'), 'utf8').split('\n');
  const line = lines.find((one) => one.startsWith(byNode ? '#krb5_prop' : 'krb5_prop'));
  if (line === undefined) throw new Error('inetd.conf has no such line');
  const here = line
    .replace(/^#?krb5_prop/, String(port))
    .replace('/usr/local/bin/node', process.execPath)
    .replace(/\/usr\/(local\/)?bin\/kpropd/, program);
  return `${here} ${args.join(' ')}\n`;
}

function startInetd(lab: Lab, conf: string, text: string, { env }: ServerLine): LabProcess {
  writeFileSync(conf, text);
  const folder = unpacked('openbsd-inetd');
  // -E keeps PATH: only where the kpropd line could not find node otherwise.
  const nodeIsFound = ['/bin/node', '/usr/bin/node'].some((path) => existsSync(path));
  const args = ['-d', ...(nodeIsFound ? [] : ['-E']), conf];
  return lab.start(join(folder, 'usr/sbin/inetd'), args, {
    role: 'replica',
    env: { ...withLibraries(folder), ...env },
  });
}

function xinetdConf(port: number, lab: Lab, { program, args, env }: ServerLine): string {
  const text = readFileSync(join(packageRoot, 'packaging/inetd/xinetd-kpropd'), 'utf8');
  const environment = Object.entries({ ...lab.env('replica'), ...env })
    .filter(([name]) => name.startsWith('KRB5'))
    .map(([name, value]) => `${name}=${value}`);
  return text
    .replace(/^#(\s*type .*)$/m, '$1')
    .replace(/^#(\s*port\s*=).*$/m, `$1 ${port}`)
    .replace('/usr/bin/kpropd', program)
    .replace(/^#(\s*server_args\s*=).*$/m, `$1 ${args.join(' ')}`)
    .replace(/^#(\s*env\s*=).*$/m, `$1 ${environment.join(' ')}`);
}

function startXinetd(lab: Lab, conf: string, log: string, text: string): LabProcess {
  const defaults = `defaults\n{\n\tlog_type = FILE ${log}\n\tlog_on_success = EXIT\n}\n`;
  writeFileSync(conf, defaults + text);
  const folder = unpacked('xinetd');
  const none = Object.keys(lab.env('replica')).filter((name) => name.startsWith('KRB5'));
  const args = ['-dontfork', '-f', conf, '-filelog', `${log}-own`, '-pidfile', `${conf}.pid`];
  return lab.start(join(folder, 'usr/sbin/xinetd'), args, {
    role: 'replica',
    env: {
      ...Object.fromEntries(none.map((name) => [name, undefined])),
      ...withLibraries(folder),
    },
  });
}

/** inetd prints what wait(2) gave, in base 16; xinetd the exit status. */
function exitStatus(text: string, name: SuperServerName): number {
  return name === 'inetd' ? Number.parseInt(text, 16) >> 8 : Number(text);
}
