import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A process that holds a lock on a whole file. */
export interface LockHolder {
  /** Ends the process, and the lock with it. */
  end(): Promise<void>;
}

const takes = {
  // F_OFD_SETLK is 37 on Linux; Python has no name for it before 3.9.
  OFD: "fcntl.fcntl(f, 37, struct.pack('hhqqi4x', kind, 0, 0, 0, 0))",
  POSIX: 'fcntl.lockf(f, (fcntl.LOCK_SH if kind == 0 else fcntl.LOCK_EX) | fcntl.LOCK_NB)',
};

/** Locks a file from a process of its own, as krb5's programs do (OFD) or old ones did (POSIX). */
export async function holdLock(
  path: string,
  how: keyof typeof takes,
  o: { readonly shared?: boolean } = {},
): Promise<LockHolder> {
  const program = `
import fcntl, struct, sys, time
f = open(sys.argv[1], 'r+b')
kind = ${o.shared ? 0 : 1}
${takes[how]}
print('held', flush=True)
time.sleep(60)`;
  const child = spawn('python3', ['-c', program, path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => {
      throw new Error(`python3 could not lock ${path}`);
    }),
  ]);
  return {
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
