import { readFileSync } from 'node:fs';

import type { Lab } from './lab.ts';
import type { LabProcess } from './lab-process.ts';

/** A socket like /dev/log that reads only while it is told to; Node has none of this family. */
export interface LogSocket {
  readonly process: LabProcess;
  /** What it has read, a message a line. */
  lines(): readonly string[];
  /** From now on it reads. */
  read(): void;
}

const script = `
import os, signal, socket, sys
path, log, kind = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
listener = socket.socket(socket.AF_UNIX, getattr(socket, kind))
if os.path.exists(path): os.remove(path)
listener.bind(path); os.chmod(path, 0o666)
if kind == 'SOCK_STREAM': listener.listen(1)
print('bound', flush=True)
signal.sigwait({signal.SIGUSR1})
if kind == 'SOCK_STREAM': listener = listener.accept()[0]
with open(log, 'ab', buffering=0) as lines:
    while True: lines.write(listener.recv(65536).replace(b'\\0', b'\\n').rstrip(b'\\n') + b'\\n')
`;

export async function startLogSocket(
  lab: Pick<Lab, 'start'>,
  path: string,
  kind: 'SOCK_DGRAM' | 'SOCK_STREAM' = 'SOCK_DGRAM',
): Promise<LogSocket> {
  const log = `${path}.read`;
  const process = lab.start('python3', ['-S', '-c', script, path, log, kind]);
  await process.until(() => process.stdout.includes('bound'), 'a log socket');
  return {
    process,
    lines: () => {
      try {
        return readFileSync(log, 'utf8').split('\n').slice(0, -1);
      } catch {
        return []; // nothing yet
      }
    },
    read: () => process.signal('SIGUSR1'),
  };
}
