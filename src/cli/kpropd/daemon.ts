import { spawn } from 'node:child_process';

import { withoutInspector } from '../../host/inspector.ts';

/** Set for the child only, and taken out of its environment before anything else can inherit it. */
const marker = 'KPROPD_DAEMON_CHILD';

const daemonChild = process.env[marker] !== undefined;
delete process.env[marker];

/** What the daemon tells the process that started it. */
export type DaemonWord = 'ready' | { readonly failed: readonly string[] };

/** Whether this process is the daemon, not the command that started it. */
export function isDaemonChild(): boolean {
  return daemonChild;
}

/**
 * Starts this very program again as a daemon: in a session of its own, without a terminal. Node
 * cannot fork. Resolves with the exit status once the daemon listens, or has said why it cannot:
 * MIT's kpropd leaves before that and its caller never learns.
 */
export function startDaemon(): Promise<number> {
  return new Promise((resolve) => {
    const args = [...process.execArgv, ...withoutInspector, ...process.argv.slice(1)];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, [marker]: '1' },
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child.once('message', (word: DaemonWord) => {
      if (word !== 'ready') process.stderr.write(`${word.failed.join('\n')}\n`);
      child.disconnect();
      child.unref();
      resolve(word === 'ready' ? 0 : 1);
    });
    child.once('error', (error) => {
      process.stderr.write(`kpropd: ${error.message}\n`);
      resolve(1);
    });
    child.once('exit', (status) => resolve(status ?? 1));
  });
}

/** Tells the process that started the daemon how it went, and lets it go. */
export function tellParent(word: DaemonWord): void {
  // It may have been killed meanwhile: a second disconnect is an error that would end the daemon.
  const letGo = () => {
    if (process.connected) process.disconnect();
  };
  if (process.connected) process.send?.(word, letGo);
}
