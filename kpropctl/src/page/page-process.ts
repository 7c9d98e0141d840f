import { setPriority } from 'node:os';

import { noteOf } from '../run/report.ts';
import type { FromPage, ToPage } from './link.ts';
import { openPage, type Page } from './page.ts';

// The process of the page, which the daemon starts and keeps. @see ../serve/page-keeper.ts

const tell = (message: FromPage) => {
  if (process.connected) process.send?.(message);
};
const end = () => process.exit(0);

// Whoever looks can wait; a propagation must not.
setPriority(10);
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
          tell({ kind: 'failed', problem: `listen = ${listen} cannot be opened (${why})`, advice });
        },
      );
      return;
    case 'live':
      page?.show(message.live);
  }
});
