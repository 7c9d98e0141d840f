import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LabProcess, Outcome } from '../support/lab/lab-process.ts';
import type { Make } from '../support/lab/make.ts';
import { dumpPath } from './realm.ts';
import type { Run, World } from './world.ts';

/** One situation, in which MIT's program and ours have to do the same. */
export interface Scenario {
  readonly name: string;
  /** Makes the situation; the world is as new before. */
  readonly prepare?: ((world: World) => void | Promise<void>) | undefined;
  /** Runs the program under test and those at its other end. */
  readonly act: (stage: Stage) => Promise<void>;
}

/** The parent of MIT's kpropd writes it while its child writes, too: its place is chance. */
export const fromParent = 'waiting for a kprop connection';

/** All that anyone could notice of a run. */
export interface Observation {
  /** Exit status, or the signal that ended it. */
  end: string;
  stdout: string;
  stderr: string;
  /** What the programs at the other end, MIT's, said and how they ended. */
  peers: string;
  syslog: string;
  /** What the KDC was asked for. */
  kdc: string;
  /** Path → kind, mode, and size and contents where they mean something. */
  files: string;
}

/** Where one scenario is played with the programs of one make. */
export class Stage {
  readonly world: World;
  readonly make: Make;
  /** Of the program under test. */
  outcome: Outcome | undefined;
  readonly #peers: string[] = [];
  readonly #listening: LabProcess[] = [];

  constructor(world: World, make: Make) {
    this.world = world;
    this.make = make;
  }

  /** The program under test, to its end. */
  async run(program: 'kprop' | 'kpropd', o: Partial<Run> = {}): Promise<Outcome> {
    this.outcome = await this.world.run({ ...o, program: `${this.make} ${program}` });
    return this.outcome;
  }

  /** The kpropd under test, once it listens. */
  async serve(o: Partial<Run> & { readonly port?: number } = {}): Promise<LabProcess> {
    const { world } = this;
    const args = kpropdArgs(o.args);
    const server = world.start({ role: 'replica', ...o, args, program: `${this.make} kpropd` });
    await server.until(() => world.listens(o.port ?? 754), 'kpropd');
    return server;
  }

  /** Something at the other end that kprop connects to; what it says counts when the scenario ends. */
  async listen(o: Run, port = 754): Promise<LabProcess> {
    const peer = this.world.start(o);
    await peer.until(() => this.world.listens(port), o.program);
    this.#listening.push(peer);
    return peer;
  }

  /** MIT's kprop, to the kpropd under test. */
  async send(o: Partial<Run> = {}): Promise<Outcome> {
    const args = ['-f', dumpPath, ...(o.args ?? []), 'replica.lab.example'];
    const sent = await this.world.run({ ...o, args, program: 'mit kprop' });
    this.#peers.push(said('kprop', sent));
    return sent;
  }

  note(text: string): void {
    this.#peers.push(text);
  }

  /** Waits until nothing of a server runs but itself, then ends it. */
  async finish(server: LabProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await idle(server.pid);
    server.signal(signal);
    await Promise.race([server.ended, sleep(1000)]);
    this.outcome = await server.stop('SIGKILL');
  }

  async observe(kdcBefore: number, syslogBefore: number): Promise<Observation> {
    for (const peer of this.#listening) {
      await idle(peer.pid);
      this.#peers.push(said('peer', await peer.stop()));
    }
    const { outcome, world } = this;
    if (outcome === undefined) throw new Error('the scenario ran no program');
    await sleep(15); // the last lines of the system log
    return {
      end: outcome.signal ?? `${outcome.status}`,
      stdout: normal(outcome.stdout),
      stderr: normal(outcome.stderr),
      peers: this.#peers.map(normal).join('---\n'),
      syslog: normal(world.syslog().slice(syslogBefore).join('\n')),
      kdc: requests(world.kdcLog().slice(kdcBefore)),
      files: filesOf(world),
    };
  }
}

/** Plays a scenario in a world that is as new. */
export async function play(scenario: Scenario, world: World, make: Make): Promise<Observation> {
  const [kdcBefore, syslogBefore] = [world.kdcLog().length, world.syslog().length];
  await scenario.prepare?.(world);
  const stage = new Stage(world, make);
  await scenario.act(stage);
  return stage.observe(kdcBefore, syslogBefore);
}

/** The arguments that each kpropd gets: what comes later wins. */
export function kpropdArgs(more: readonly string[] = ['-d']): readonly string[] {
  return ['-f', '/srv/replica/from_master', '-a', '/srv/replica/kpropd.acl', ...more];
}

function said(who: string, { status, signal, stdout, stderr }: Outcome): string {
  return `${who}: ${signal ?? status}\n${stdout}${stderr}`;
}

/** Waits until a process has no children or has ended itself, and a little while. */
async function idle(pid: number): Promise<void> {
  const limit = performance.now() + 15_000;
  while (childrenOf(pid) !== '' && performance.now() < limit) await sleep(10);
  await sleep(40);
}

/** Numbers of processes, separated by blanks. */
export function childrenOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  } catch {
    return '';
  }
}

/** Less what differs from run to run: numbers of processes and descriptors, races; and our advice. */
function normal(text: string): string {
  return (
    text
      .replace(/^(<\d+>\w+:? )?(<\d+>\w+\[\d+\]: )?(cause|fix|warning): .*(\n|$)/gm, '')
      .replace(/(<\d+>[\w./]+)\[\d+\]/g, '$1[PID]')
      .replace(/Load PID is \d+/g, 'Load PID is PID')
      .replace(/krb5_recvauth\(-?\d+,/g, 'krb5_recvauth(FD,')
      // A peer that hangs up while data is on its way: at which block that is noticed, and as which of
      // the two errors, is a race that two runs of MIT's kprop end differently, too.
      .replace(
        /(Broken pipe|Connection reset by peer) while (sending database (size|block starting at \d+)|reading response from server)$/gm,
        'HUNG UP while the database was sent',
      )
      .replace(/\n$/, (end) => (text.endsWith('\n') ? end : ''))
  );
}

function requests(log: string): string {
  return log
    .split('\n')
    .filter((line) => line.includes('AS_REQ'))
    .map((line) => line.replace(/^.*?AS_REQ/, 'AS_REQ').replace(/authtime \d+/, 'authtime TIME'))
    .join('\n');
}

const watched = ['/srv/primary', '/srv/replica', '/srv/run', '/var/lib/krb5kdc', '/var/tmp'];

function filesOf(world: World): string {
  return watched
    .flatMap((folder) => [
      `${folder} ${describe(world.path(folder), folder)}`,
      ...readdirSync(world.path(folder), { recursive: true, encoding: 'utf8' })
        .map((name) => join(folder, name))
        // docs/deviations.md, Not compared.
        .filter((path) => !/\.(state|status|load-lock)$/.test(path))
        .map((path) => `${path} ${describe(world.path(path), path)}`),
    ])
    .sort()
    .join('\n');
}

function describe(path: string, inside: string): string {
  const status = lstatSync(path);
  const mode = (status.mode & 0o7777).toString(8);
  if (status.isSymbolicLink()) return `link to ${readlinkSync(path)}`;
  if (!status.isFile()) return `${status.isDirectory() ? 'folder' : 'other'} ${mode}`;
  const owner = `${mode} ${status.uid}:${status.gid}`;
  // Where a record comes to lie in them is a matter of chance.
  if (inside.endsWith('.rcache2')) return owner;
  if (inside.includes('/principal')) return `${owner} ${status.size} bytes`;
  const bytes = readFileSync(path);
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const text = bytes.length <= 40 ? JSON.stringify(bytes.toString('latin1')) : digest;
  return `${owner} ${status.size} bytes ${/\.pid$/.test(inside) ? '' : text}`;
}
