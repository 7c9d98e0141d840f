import {
  chmodSync,
  chownSync,
  mkdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';

import type { World } from '../differential/world.ts';
import { type Breakage, dump } from './breakage.ts';

const at = (change: (path: string) => void) => (world: World) => change(world.path(dump));
const again = () => `run \`kdb5_util dump ${dump}\``;

/** Holds the dump locked, exclusively, as a program that writes it does. */
const holder = `import fcntl, time
f = open('${dump}', 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print('locked', flush=True)
time.sleep(60)`;

/** The dump on the primary. */
export const dumpBreakages: readonly Breakage[] = [
  { name: 'there is no dump', break: at((path) => rmSync(path)) },
  { name: 'there is no .dump_ok', break: at((path) => rmSync(`${path}.dump_ok`)) },
  {
    name: 'the dump is newer than its .dump_ok',
    break: at((path) => utimesSync(path, Date.now() / 1000, Date.now() / 1000)),
    choose: again,
  },
  {
    name: 'the dump is locked by a program that writes it',
    break: async (world) => {
      const held = world.start({ program: '/usr/bin/python3', args: ['-c', holder] });
      await held.until(() => held.stdout.includes('locked'), 'a lock');
      writeFileSync(world.path('/srv/run/holder'), `${held.pid}`);
    },
    // Its end is what one waits for.
    choose: (fix) => `${fix}: run \`kill $(cat /srv/run/holder)\``,
  },
  { name: 'the dump is empty', break: at((path) => writeFileSync(path, '')), choose: again },
  { name: 'the dump is cut short', break: at((path) => truncateSync(path, 5000)), choose: again },
  {
    name: 'the dump is no dump',
    break: at((path) => writeFileSync(path, 'garbage\n')),
    choose: again,
  },
  {
    name: '`-f` names a folder',
    break: (world) => {
      mkdirSync(world.path('/srv/primary/folder'));
      writeFileSync(world.path('/srv/primary/folder.dump_ok'), '');
    },
    kprop: { args: ['-f', '/srv/primary/folder'] },
    choose: () => `run kprop with \`-f ${dump}\``,
  },
  {
    name: 'the dump may not be read',
    break: at((path) => {
      chmodSync(path, 0o600);
      chownSync(path, 1, 1);
    }),
    kprop: { bounded: true },
  },
  {
    name: 'kprop gives up before the replica has answered (`--timeout`)',
    kprop: { args: ['--timeout', '1'] },
    kpropd: { args: ['--load=kdb5_util', '-p', '/srv/run/slow-loader'] },
    break: (world) =>
      writeFileSync(
        world.path('/srv/run/slow-loader'),
        '#!/bin/sh\nsleep 2\nexec /usr/sbin/kdb5_util "$@"\n',
        { mode: 0o755 },
      ),
    choose: () => 'run kprop with `--timeout 60`',
  },
];
