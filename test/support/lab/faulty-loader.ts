import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { kdb5Util } from '../rig/replica-rig.ts';
import type { Lab } from './lab.ts';

/** The system calls of a load by which files come to be what they are. */
export const fileCalls = ['write', 'fsync', 'rename', 'unlink'] as const;
export type FileCall = (typeof fileCalls)[number];

/** The real kdb5_util of a replica, of whose system calls one can be made to fail (strace(1)). */
export class FaultyLoader {
  /** To be run in place of kdb5_util. */
  readonly path: string;
  readonly #fault: string;
  readonly #log: string;

  constructor(lab: Lab, o: { readonly trace?: string } = {}) {
    const folder = join(lab.replica.folder, 'programs');
    mkdirSync(folder, { recursive: true });
    this.path = join(folder, 'kdb5_util');
    this.#fault = join(folder, 'fault');
    this.#log = join(folder, 'log');
    const trace = o.trace ?? `trace=${fileCalls.join(',')}`;
    const strace = `strace -f -qq --seccomp-bpf -o '${this.#log}' -e ${trace}`;
    const script = `exec ${strace} $(cat '${this.#fault}') ${kdb5Util} "$@"`;
    writeFileSync(this.path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    this.heal();
  }

  /** From now on this call fails each time that the loader runs; they count from 1. */
  fail(call: FileCall, number: number, errno = 'EIO'): void {
    writeFileSync(this.#fault, `-e inject=${call}:error=${errno}:when=${number}`);
  }

  heal(): void {
    writeFileSync(this.#fault, '');
  }

  /** What the last run did, a line for each call. */
  calls(): readonly string[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .map((line) => line.replace(/^\d+ +/, ''))
      .filter((line) => /^\w+\(/.test(line));
  }

  count(call: FileCall): number {
    return this.calls().filter((line) => line.startsWith(`${call}(`)).length;
  }
}
