import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface RoleProcess {
  /** The next line that it prints. */
  line(): Promise<string>;
  /** Lets it end, and waits. */
  end(): Promise<void>;
}

/** Starts this program once more, to play another part: what is measured needs its own process. */
export function startRole(name: string, settings: unknown): RoleProcess {
  const program = process.argv[1] as string;
  const child = spawn(process.execPath, [program, `--role=${name}`, JSON.stringify(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async line() {
      const { done, value } = await lines.next();
      if (done) throw new Error(`the ${name} of the bench ended too early`);
      return value;
    },
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Until the bench has gone or wants this process to end. */
export async function untilToldToEnd(): Promise<void> {
  process.stdin.resume();
  await once(process.stdin, 'end');
}
