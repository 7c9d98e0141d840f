import type { KpropServer } from '../../server/serve.ts';
import type { KpropdLog } from './log.ts';
import { notify } from './systemd.ts';

/** What signals do to a kpropd that listens. */
export function handleSignals(server: KpropServer, log: KpropdLog, polls: boolean): void {
  let asked = false;
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      notify(process.env, 'STOPPING=1');
      // The first signal lets a propagation under way end; the second one aborts it.
      void server.close({ abort: asked }).then(() => {
        log.tellSuppressed();
        dieOf(name);
      });
      asked = true;
    });
  }
  // MIT's kpropd dies of SIGHUP, which Debian's unit sends as "reload". ACL and keytab are read for
  // every connection anyway.
  process.on('SIGHUP', () =>
    log.note('SIGHUP: the ACL and the keytab are read for every connection'),
  );
  process.on('SIGUSR1', () => {
    if (polls) server.pollNow();
    else log.note('SIGUSR1: there is no primary to poll');
  });
}

/** Ends this process by the signal itself, so that its parent sees which one it was. */
export function dieOf(name: 'SIGTERM' | 'SIGINT'): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}
