import { getPriority, setPriority } from 'node:os';

import { noteOf } from '../run/report.ts';
import type { FromPage, ToPage } from './link.ts';
import { openPage, type Page } from './page.ts';

// The process of the page, which the daemon starts and keeps. @see ../serve/page-keeper.ts

const tell = (message: FromPage, onTold?: () => void) => {
  if (process.connected) process.send?.(message, undefined, undefined, onTold);
  else onTold?.();
};
const end = () => process.exit(0);

// Whoever looks can wait; a propagation must not. A priority that is lower already may not be raised.
setPriority(Math.max(10, getPriority()));
process.on('disconnect', end);
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, end);
// Otherwise Node opens its debugger.
process.on('SIGUSR1', () => undefined);

let page: Page | undefined;
process.on('message', (message: ToPage) => {
  switch (message.kind) {
    case 'open':
      openPage({
        settings: message.settings,
        environment: process.env,
        onRun: (by) => tell({ kind: 'run', by }),
        onLog: (text) => tell({ kind: 'log', text }),
      }).then(
        (opened) => {
          page = opened;
          tell({ kind: 'listening' });
        },
        (error: unknown) => {
          const { listen } = message.settings;
          const { message: why } = noteOf(error);
          const advice = `ss -ltnp shows which process has that address: end it, or change listen`;
          const problem = `listen = ${listen} cannot be opened (${why})`;
          // The daemon starts it again: a process without a page would be there for nothing.
          tell({ kind: 'failed', problem, advice }, () => process.exit(1));
        },
      );
      return;
    case 'live':
      page?.show(message.live);
  }
});
