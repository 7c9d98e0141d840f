import { spawn } from 'node:child_process';

import type { Settings } from '../config/settings.ts';
import { exits, type RunReport } from '../run/report.ts';

/** What a hook may say is kept for its error message; the rest is read and dropped. */
const keptBytes = 2_000;

/** Runs the commands that an outcome has. What goes wrong with them is told, and stops nothing. */
export async function runHooks(
  settings: Settings,
  report: RunReport,
  wasFailing: boolean,
  onTrouble: (text: string) => void,
): Promise<void> {
  const failed = report.exit !== exits.allCurrent && report.exit !== exits.otherRun;
  const { failure, recovery, success } = settings.hooks;
  const commands = failed ? [failure] : [wasFailing ? recovery : undefined, success];
  for (const command of commands) {
    if (command !== undefined) await runHook(command, settings, report, onTrouble);
  }
}

function runHook(
  command: string,
  { hookSeconds, realm }: Settings,
  report: RunReport,
  onTrouble: (text: string) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const failed = report.replicas
      .filter(({ state }) => state === 'failed')
      .map(({ host }) => host);
    const child = spawn('/bin/sh', ['-c', command], {
      // A group of its own, so that what it starts ends with it.
      detached: true,
      env: {
        ...process.env,
        KPROPCTL_REALM: realm,
        KPROPCTL_EXIT: `${report.exit}`,
        KPROPCTL_GENERATION: `${report.generation}`,
        KPROPCTL_FAILED: failed.join(' '),
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        if (said.length < keptBytes) said += chunk.toString('utf8', 0, keptBytes - said.length);
      });
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }, hookSeconds * 1000);
    const end = (how: string | undefined) => {
      clearTimeout(timer);
      if (late) onTrouble(`the hook ${command} took longer than ${hookSeconds} s, and was killed`);
      else if (how !== undefined) onTrouble(`the hook ${command} ${how}: ${said.trim()}`);
      resolve();
    };
    child.on('error', (error) => end(`cannot be run (${error.message})`));
    // Not 'close': what it left in the background may hold its output open.
    child.on('exit', (status, signal) =>
      end(status === 0 ? undefined : `ended with ${status ?? signal}`),
    );
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${JSON.stringify(report)}\n`);
  });
}
