import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a program that ran to its end did. */
export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly millis: number;
}

export interface SpawnSettings {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Text or bytes for its stdin. Without it stdin is /dev/null: a pipe of Node is a socket, and kpropd takes one for inetd. */
  readonly input?: string | Uint8Array | undefined;
  /** Its name for itself; default the path of the program. */
  readonly argv0?: string | undefined;
  /** After this it is killed, with status null; 120 000 unless told otherwise. */
  readonly limitMillis?: number | undefined;
}

const outputLimitChars = 16_000_000; // one loader bug writes to stderr for ever

/** A process of the lab, leader of its own process group. */
export class LabProcess {
  readonly pid: number;
  /** Settles at its end, never rejects. */
  readonly ended: Promise<Outcome>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(program: string, args: readonly string[], o: SpawnSettings) {
    const begin = performance.now();
    this.#child = spawn(program, args, {
      cwd: o.cwd,
      env: o.env,
      detached: true,
      stdio: [o.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(o.argv0 === undefined ? {} : { argv0: o.argv0 }),
    });
    this.pid = this.#child.pid ?? -1;
    this.#child.stdin?.on('error', () => {}); // it may end without reading
    this.#child.stdin?.end(o.input);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stdout.length < outputLimitChars) this.#stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stderr.length < outputLimitChars) this.#stderr += text;
    });
    this.ended = new Promise((settle) => {
      const done = (status: number | null, signal: NodeJS.Signals | null) => {
        const millis = performance.now() - begin;
        settle({ status, signal, stdout: this.#stdout, stderr: this.#stderr, millis });
      };
      this.#child.once('error', (error) => {
        this.#stderr += `${error.message}\n`;
        done(null, null);
      });
      // A daemon's left-over children may hold its pipes open: they do not delay its end for long.
      this.#child.once('exit', (status, signal) => {
        const giveUp = setTimeout(done, 1000, status, signal);
        this.#child.once('close', () => {
          clearTimeout(giveUp);
          done(status, signal);
        });
      });
    });
  }

  /** All it printed on stdout so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** All it printed on stderr so far. */
  get stderr(): string {
    return this.#stderr;
  }

  get running(): boolean {
    return this.pid > 0 && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends a signal to this process alone. */
  signal(name: NodeJS.Signals): void {
    if (this.running) this.#child.kill(name);
  }

  /** Kills it and all that it started. */
  kill(): void {
    if (this.pid <= 0) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // nobody is left in the group
    }
  }

  /** Asks it to end, waits, then kills what is left of its group. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMillis = 5000): Promise<Outcome> {
    this.signal(signal);
    const timer = new AbortController();
    await Promise.race([
      this.ended,
      sleep(patienceMillis, undefined, { signal: timer.signal }).catch(() => {}),
    ]);
    timer.abort();
    this.kill();
    return this.ended;
  }

  /** Waits until `done` holds. @throws Error with its output when the process ends or time runs out first */
  async until(done: () => boolean, what: string, limitMillis = 20_000): Promise<void> {
    const end = performance.now() + limitMillis;
    for (let pauseMillis = 1; !done(); pauseMillis = Math.min(pauseMillis * 2, 20)) {
      if (!this.running && !done()) throw new Error(`ended before ${what}\n${this.#output()}`);
      if (performance.now() > end) throw new Error(`no sign of ${what}\n${this.#output()}`);
      await sleep(pauseMillis);
    }
  }

  #output(): string {
    return `stdout: ${this.#stdout}\nstderr: ${this.#stderr}`;
  }
}

/** Every process of one lab; they end with it, however the process that owns the lab ends. */
export class ProcessTable {
  readonly #members: string;
  readonly #processes = new Set<LabProcess>();
  readonly #guard: ChildProcess;

  constructor(folder: string) {
    this.#members = join(folder, 'processes');
    mkdirSync(this.#members);
    // Reads nothing until our end of its stdin closes, even if we die of SIGKILL; then it cleans up.
    const script = `cat >/dev/null
      cd "$1/processes" 2>/dev/null && for pid in *; do kill -s KILL -- "-$pid" 2>/dev/null; done
      cd / && rm -rf "$1"`;
    this.#guard = spawn('sh', ['-c', script, 'lab-guard', folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#guard.unref();
    (this.#guard.stdin as unknown as { unref(): void }).unref();
    this.#guard.stdin?.on('error', () => {});
  }

  start(program: string, args: readonly string[], o: SpawnSettings): LabProcess {
    const started = new LabProcess(program, args, o);
    if (started.pid < 0) return started;
    const file = join(this.#members, String(started.pid));
    writeFileSync(file, program);
    this.#processes.add(started);
    return started;
  }

  async run(program: string, args: readonly string[], o: SpawnSettings): Promise<Outcome> {
    const started = this.start(program, args, o);
    const timer = setTimeout(() => started.kill(), o.limitMillis ?? 120_000);
    const outcome = await started.ended;
    clearTimeout(timer);
    this.#forget(started);
    return outcome;
  }

  /** Kills every process and, through the guard, removes the folder. */
  async close(): Promise<void> {
    for (const one of this.#processes) one.kill();
    await Promise.all([...this.#processes].map((one) => one.ended));
    for (const one of this.#processes) this.#forget(one);
    if (this.#guard.exitCode !== null) return;
    const gone = once(this.#guard, 'exit');
    this.#guard.ref();
    this.#guard.stdin?.end();
    await gone;
  }

  #forget(one: LabProcess): void {
    rmSync(join(this.#members, String(one.pid)), { force: true });
    this.#processes.delete(one);
  }
}

/** Whether some socket of this host listens on a TCP port; asking by connecting would be served as a propagation. */
export function listens(port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((table) => {
    let text = '';
    try {
      text = readFileSync(table, 'latin1');
    } catch {
      return false; // no IPv6 here
    }
    return text.split('\n').some((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      return state === '0A' && local.endsWith(suffix);
    });
  });
}

/**
 * A port free for TCP and UDP, below those that the kernel hands out to clients. It is this process's until
 * that ends, though nobody may listen there yet: other tests run at the same time.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (reserve(port) && (await bindsTcp(port)) && (await bindsUdp(port))) return port;
  }
}

const reservations = join(tmpdir(), 'kprop-test-ports');
const reserved = new Set<string>();

function reserve(port: number): boolean {
  mkdirSync(reservations, { recursive: true });
  const path = join(reservations, String(port));
  if (reserved.size === 0) {
    process.once('exit', () => {
      for (const one of reserved) rmSync(one, { force: true });
    });
  }
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    reserved.add(path);
    return true;
  } catch {
    // Whoever is gone has left it.
    if (!isAlive(holderOf(path))) rmSync(path, { force: true });
    return false;
  }
}

function holderOf(path: string): number {
  try {
    // Empty while it is being written.
    return Number(readFileSync(path, 'utf8')) || process.pid;
  } catch {
    return process.pid;
  }
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

function bindsTcp(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen({ port, exclusive: true }, () => server.close(() => settle(true)));
  });
}

function bindsUdp(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = createSocket('udp4');
    socket.once('error', () => socket.close(() => settle(false)));
    socket.bind({ port, exclusive: true }, () => socket.close(() => settle(true)));
  });
}
