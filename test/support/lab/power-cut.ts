import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** One system call on the files of a folder, or on a connection. */
interface Step {
  readonly call: string;
  /** Of the file that is written or synced; of the first name. */
  readonly path: string;
  readonly to: string;
  readonly offset: number;
  readonly data: Buffer;
  readonly line: string;
}

interface File {
  /** What is on the disk for certain. */
  content: Buffer;
  /** What the kernel may have written by now, or not. */
  pending: { readonly offset: number; readonly data: Buffer }[];
}
type Names = Map<string, File>;

/** What strace is to be told for a log that this file can read. */
export const powerCutTrace = [
  ...['-f', '-qq', '-yy', '-xx', '-s', '1048576', '-e', 'signal=none', '-e'],
  'trace=openat,lseek,write,pwrite64,writev,sendmsg,sendto,fsync,fdatasync,rename,link,unlink',
];

/**
 * The states in which a power cut may leave a folder, from the log of what was done to it: of what was
 * written since the last fsync of a file any part may be missing; of what was done to names since the
 * last fsync of their folder the last part, for file systems keep names in their order.
 */
export class PowerCuts {
  readonly steps: readonly Step[];
  readonly #folder: string;
  readonly #before: ReadonlyMap<string, Buffer>;

  constructor(log: string, folder: string, before: ReadonlyMap<string, Buffer>) {
    this.#folder = folder;
    this.#before = before;
    this.steps = stepsOf(readFileSync(log, 'latin1'), folder);
  }

  /** Where the last word to the peer was given. */
  get lastSent(): number {
    return this.steps.findLastIndex(({ path }) => path.startsWith('TCP'));
  }

  /** Writes what is there after a cut behind that many steps into another folder. */
  cut(steps: number, into: string, random: () => number): void {
    const durable: Names = new Map();
    for (const [name, content] of this.#before) durable.set(name, { content, pending: [] });
    let names: Names = new Map(durable);
    const unsynced: ((on: Names) => void)[] = [];
    const change = (how: (on: Names) => void) => {
      how(names);
      unsynced.push(how);
    };
    for (const { call, path, to, offset, data } of this.steps.slice(0, steps)) {
      const name = basename(path);
      const file = names.get(name);
      if (call === 'openat' && file === undefined) {
        const made: File = { content: Buffer.alloc(0), pending: [] };
        change((on) => on.set(name, made));
      } else if (call === 'write') file?.pending.push({ offset, data });
      else if (call === 'rename' || call === 'link') {
        if (file === undefined) continue;
        change((on) => {
          on.set(basename(to), file);
          if (call === 'rename') on.delete(name);
        });
      } else if (call === 'unlink') change((on) => on.delete(name));
      else if (call.endsWith('sync')) {
        if (path === this.#folder) {
          for (const how of unsynced.splice(0)) how(durable);
        } else if (file !== undefined) {
          for (const each of file.pending.splice(0)) file.content = written(file.content, each);
        }
      }
    }
    names = durable;
    for (const how of unsynced.slice(0, Math.floor(random() * (unsynced.length + 1)))) how(names);
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into);
    const made = new Map<File, Buffer>();
    for (const [name, file] of names) {
      const likely = random();
      const content =
        made.get(file) ??
        file.pending.filter(() => random() < likely).reduce(written, file.content);
      made.set(file, content);
      writeFileSync(join(into, name), content, { mode: 0o600 });
    }
  }
}

function written(content: Buffer, o: { readonly offset: number; readonly data: Buffer }): Buffer {
  const result = Buffer.alloc(Math.max(content.length, o.offset + o.data.length));
  content.copy(result);
  o.data.copy(result, o.offset);
  return result;
}

function stepsOf(log: string, folder: string): readonly Step[] {
  const positions = new Map<string, number>();
  const unfinished = new Map<string, string>();
  const steps: Step[] = [];
  for (const raw of log.split('\n')) {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(raw) ?? [];
    // Calls of several threads overlap in the log; a call has happened when it returns.
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(pid, text.slice(0, -'<unfinished ...>'.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const line = resumed ? `${unfinished.get(pid) ?? ''}${resumed[1]}` : text;
    const [, name = '', rest = ''] = /^(\w+)\((.*)\) += \d+/.exec(line) ?? [];
    const placed = name === 'pwrite64';
    const call = placed ? 'write' : name;
    const strings = [...rest.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
      Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
    );
    const opened = rest.match(/^\d+<([^>]*)>/)?.[1] ?? '';
    const decoded = opened.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    const named = ['rename', 'link', 'unlink', 'openat'].includes(call);
    const path = named ? `${strings[0] ?? ''}` : decoded;
    const sent = path.startsWith('TCP');
    if (!sent && dirname(path) !== folder && path !== folder) continue;
    if (call === 'openat') {
      if (!rest.includes('O_CREAT')) continue;
      positions.set(path, 0);
    }
    if (call === 'lseek') {
      positions.set(path, Number(/, (\d+), SEEK_SET/.exec(rest)?.[1] ?? 0));
      continue;
    }
    const data = strings[0] ?? Buffer.alloc(0);
    const offset = placed ? Number(/, (\d+)$/.exec(rest)?.[1]) : (positions.get(path) ?? 0);
    if (name === 'write') positions.set(path, offset + data.length);
    steps.push({ call, path, to: `${strings[1] ?? ''}`, offset, data, line });
  }
  return steps;
}
