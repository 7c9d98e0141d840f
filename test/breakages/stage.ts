import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import { krb5Conf, type Twins } from '../differential/realm.ts';
import type { Role, World } from '../differential/world.ts';
import type { LabProcess } from '../support/lab/lab-process.ts';
import type { Make } from '../support/lab/make.ts';
import { type Breakage, dump, type How, replica } from './breakage.ts';
import { type Changes, environment, firstWay, follow } from './follow.ts';

/** What a row of the document says. */
export interface Told {
  readonly name: string;
  readonly mit: readonly string[];
  readonly ours: readonly string[];
  /** What was followed, word for word. */
  readonly followed: string;
  /** Whether the next propagation passed. */
  readonly mended: boolean;
  /** What it said if it did not. */
  readonly output: string;
}

/** Breaks something, notes what MIT's programs and ours say, follows our fix, and propagates. */
export async function play(breakage: Breakage, twins: Twins): Promise<Told> {
  await twins.restore();
  const { mit, ours } = twins.worlds;
  await Promise.all([mit, ours].map((world) => prepare(world, breakage)));
  const [mitSaid, oursSaid] = await Promise.all([
    attempt(breakage, mit, 'mit'),
    attempt(breakage, ours, 'ours'),
  ]);
  const where = breakage.read ?? 'kprop';
  const fix = adviceIn(oursSaid[where]).at(-1) ?? '';
  let way = breakage.choose?.(fix.replace(/^fix: /, '')) ?? firstWay(fix);
  let changes = await follow(way, ours, where === 'kprop' ? 'primary' : 'replica');
  if (changes.readLog) {
    const logged = firstWay(adviceIn(oursSaid.kpropd).at(-1) ?? '');
    way += `, which says: ${logged}`;
    changes = await follow(logged, ours, 'replica');
  }
  const again = await attempt(breakage, ours, 'ours', changes);
  return {
    name: breakage.name,
    mit: linesOf(where === 'kprop' ? mitSaid.kprop : mitSaid.kpropd)
      .filter(isFailure)
      .map(normal),
    ours: adviceIn(oursSaid[where]).map(normal),
    followed: normal(way),
    mended: again.status === 0,
    output: `${again.kprop}\n${again.kpropd}`,
  };
}

interface Said {
  readonly status: number | null;
  readonly kprop: string;
  readonly kpropd: string;
}

async function attempt(
  breakage: Breakage,
  world: World,
  make: Make,
  changes?: Changes,
): Promise<Said> {
  const kpropd = await startKpropd(breakage, world, make, changes);
  const how = breakage.kprop ?? {};
  const args = [
    ...(how.args ?? []).filter((arg) => make === 'ours' || !arg.startsWith('--')),
    ...(changes?.options.kprop ?? []),
  ];
  const target = changes?.host ?? how.host ?? replica;
  const operands = changes === undefined ? (how.operands ?? [target]) : [target];
  const sent = await world.run({
    program: `${make} kprop`,
    role: 'primary',
    ...run(how, 'primary', world, changes),
    args: ['-f', dump, ...args, ...operands],
  });
  // What is said about a connection comes after the answer to it.
  const until = performance.now() + 3_000;
  const isOver = () =>
    !/Connection from/.test(kpropd?.stderr ?? '') ||
    /Database load process/.test(kpropd?.stderr ?? '');
  while (kpropd?.running && make === 'ours' && !isOver() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const ended = await kpropd?.stop('SIGKILL');
  return { status: sent.status, kprop: sent.stderr, kpropd: ended?.stderr ?? '' };
}

async function startKpropd(
  { kpropd = {} }: Breakage,
  world: World,
  make: Make,
  changes: Changes | undefined,
): Promise<LabProcess | undefined> {
  if (kpropd === 'none' && changes === undefined) return undefined;
  const how = kpropd === 'none' ? {} : kpropd;
  const args = [
    ...(how.args ?? []).filter((arg) => make === 'ours' || !arg.startsWith('--')),
    ...(changes?.options.kpropd ?? []),
  ];
  const started = world.start({
    program: `${make} kpropd`,
    role: 'replica',
    ...run(how, 'replica', world, changes),
    args: ['-d', ...args],
  });
  // One that does not start ends.
  const until = performance.now() + 15_000;
  while (started.running && !/ready|waiting for a kprop/.test(started.stderr + started.stdout)) {
    if (performance.now() > until) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return started;
}

function run(how: How, role: Role, world: World, changes: Changes | undefined) {
  const unset = Object.fromEntries([...(changes?.unset ?? [])].map((name) => [name, undefined]));
  const renamed = changes && textOf(world.path(`/srv/run/hostname-${role}`)).trim();
  return {
    ...how,
    env: { ...environment(role), ...how.env, ...unset },
    hostname: renamed || how.hostname,
  };
}

/** The replica keeps its files where Debian has them; the primary's are those of its environment. */
async function prepare(world: World, breakage: Breakage): Promise<void> {
  const at = (path: string) => world.path(path);
  copyFileSync(at('/srv/replica/krb5.keytab'), at('/etc/krb5.keytab'));
  copyFileSync(at('/srv/replica/kpropd.acl'), at('/etc/krb5kdc/kpropd.acl'));
  chmodSync(at('/etc/krb5.keytab'), 0o600);
  writeFileSync(at('/etc/krb5.conf'), krb5Conf());
  const conf = readFileSync(at('/srv/replica/kdc.conf'), 'utf8');
  writeFileSync(
    at('/etc/krb5kdc/kdc.conf'),
    conf.replace('/srv/replica/principal', '/var/lib/krb5kdc/principal'),
  );
  mkdirSync(at('/srv/run/bin'), { recursive: true });
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(at(`/srv/run/bin/${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  rmSync(at('/srv/kdc/hosts-before'), { force: true });
  await world.must({ program: '/srv/run/bin/kdb5_util', args: ['load', dump] });
  await breakage.break?.(world);
}

const onKdc = 'KRB5_CONFIG=/srv/kdc/krb5.conf KRB5_KDC_PROFILE=/srv/kdc/kdc.conf';
/** What an administrator types, for a world without systemd and without kadmind. */
const commands: Readonly<Record<string, string>> = {
  kadmin: `exec env ${onKdc} /usr/sbin/kadmin.local "$@"`,
  kdb5_util: `exec env ${onKdc} /usr/sbin/kdb5_util "$@"`,
  hostnamectl:
    'case $(hostname) in replica*) r=replica;; *) r=primary;; esac; echo "$2" > /srv/run/hostname-$r',
  // The stage starts kpropd itself.
  systemctl: 'true',
};

const adviceIn = (text: string) =>
  linesOf(text).filter((line) => /^(cause|fix|warning): /.test(line));
const linesOf = (text: string) => text.split('\n').filter((line) => line.trim() !== '');

/** Leaves out what MIT's kpropd says of its progress. */
const isFailure = (line: string) =>
  !/^(waiting for|Connection from|krb5_recvauth\(|authenticated client|ready|calling kdb5|Load PID|Database load|Full propagation transfer)/.test(
    line,
  );

/** Without what differs from run to run. */
const normal = (text: string) =>
  text
    .replace(/process \d+/g, 'process N')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    // At which step kprop notices that MIT's kpropd has hung up is a matter of chance.
    .replace(
      /(Broken pipe|Connection reset by peer|Software caused connection abort) while (sending database (size|block starting at \d+)|reading response from server)$/,
      'Broken pipe while sending database block starting at 0',
    );

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
