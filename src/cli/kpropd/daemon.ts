import { spawn } from 'node:child_process';

import { ownProgram } from '../own-program.ts';

/** Set for the daemon only, which removes it at once, so that nothing it starts inherits it. */
const marker = 'KPROPD_DAEMON_CHILD';

const daemonChild = process.env[marker] !== undefined;
delete process.env[marker];

/** What the daemon tells the process that started it. */
export type DaemonMessage = 'ready' | { readonly failed: readonly string[] };

/** Whether this process is the daemon, not the command that started it. */
export function isDaemonChild(): boolean {
  return daemonChild;
}

/**
 * Starts this program again as a daemon, in a session of its own and without a terminal: Node cannot
 * fork. Resolves with the exit status once the daemon listens or has said why it cannot. MIT's kpropd
 * exits before that, so that its caller never learns of a failure.
 */
export function startDaemon(): Promise<number> {
  return new Promise((resolve) => {
    const [program, ...before] = ownProgram();
    const child = spawn(program, [...before, ...process.argv.slice(2)], {
      env: { ...process.env, [marker]: '1' },
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child.once('message', (message: DaemonMessage) => {
      if (message !== 'ready') process.stderr.write(`${message.failed.join('\n')}\n`);
      child.disconnect();
      child.unref();
      resolve(message === 'ready' ? 0 : 1);
    });
    child.once('error', (error) => {
      process.stderr.write(`kpropd: ${error.message}\n`);
      resolve(1);
    });
    child.once('exit', (status) => resolve(status ?? 1));
  });
}

/** Tells the process that started the daemon how it went, and disconnects from it. */
export function tellParent(message: DaemonMessage): void {
  // If the parent has been killed, the channel is closed: a second disconnect would end the daemon.
  const disconnect = () => {
    if (process.connected) process.disconnect();
  };
  if (process.connected) process.send?.(message, disconnect);
}
