import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

// One executable for all programs: the name under which it was started says which one it is.

const name = basename(process.argv0);
const script = process.argv[2] ?? '';
const rooms = join(process.execPath, '..');

// For ps, pgrep and start-stop-daemon; Node calls itself node-MainThread.
try {
  writeFileSync('/proc/self/comm', name);
} catch {
  // Then it keeps that name.
}

switch (name) {
  case 'kprop':
    start();
    void import('../../../src/cli/kprop.ts');
    break;
  case 'kpropd':
    start();
    void import('../../../src/cli/kpropd.ts');
    break;
  case 'kproplog':
    start();
    void import('../../../src/cli/kproplog.ts');
    break;
  case 'kpropd-applier':
    void import('../../../src/server/applier-process.ts');
    break;
  case 'kpropctl':
    run(join(rooms, 'kpropctl/dist/bin/main.js'));
    break;
  default:
    // As Node would: kpropctl starts its other process in this way.
    if (script.startsWith(join(rooms, 'kpropctl/'))) {
      process.argv.splice(1, 1);
      run(script);
    } else {
      process.stderr.write(
        `${process.execPath} is kprop, kpropd and kproplog; start it under one of these names\n`,
      );
      process.exitCode = 1;
    }
}

/** The programs say where they are; that is this file, whatever link led to it. */
function start(): void {
  process.argv[1] = process.execPath;
}

function run(file: string): void {
  process.argv[1] = file;
  createRequire(process.execPath)(file);
}
