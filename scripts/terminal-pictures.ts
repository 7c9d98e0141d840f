// Pictures of kpropctl on a real terminal, from a real run, for kpropctl/README.md:
//   node scripts/run.mjs scripts/terminal-pictures.ts
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ControlRealm } from '../kpropctl/test/realm.ts';
import { packageRoot } from '../test/support/lab/lab.ts';

const columns = 118;
const escapeSign = String.fromCharCode(0x1b);
const controlSequence = new RegExp(`^${escapeSign}\\[(\\d*)([A-Za-z])$`);
const tokens = new RegExp(`${escapeSign}\\[\\d*[A-Za-z]|[\\s\\S]`, 'gu');
const folder = join(packageRoot, 'docs/pictures');
mkdirSync(folder, { recursive: true });

const realm = await ControlRealm.create();
try {
  for (const make of ['ours', 'mit', 'ours'] as const) await realm.addReplica(make);
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
  await realm.lab.addPrincipals(['ada', 'grace']);
  writeFileSync(realm.replicas[2]?.site.acl ?? '', '');
  writePicture('run', 'kpropctl run', await onTerminal('run'));
  writePicture('status', 'kpropctl status', await onTerminal('status'));
} finally {
  await realm.close();
}

/** What a command leaves on a terminal (script(1) makes one). */
async function onTerminal(command: string): Promise<readonly string[]> {
  const program = join(packageRoot, 'kpropctl/dist/main.js');
  const line = `stty cols ${columns}; ${process.execPath} ${program} ${command} --config ${realm.config}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: { ...realm.lab.env('primary'), TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => child.on('close', resolve));
  return screen(Buffer.concat(chunks).toString('utf8'));
}

/** The lines of the screen after what was written to it: line feeds, returns, cursor up, erased lines. */
function screen(written: string): readonly string[] {
  const lines: string[] = [''];
  let row = 0;
  let column = 0;
  for (const [token] of written.matchAll(tokens)) {
    const control = controlSequence.exec(token);
    if (control !== null) {
      if (control[2] === 'A') row = Math.max(0, row - Number(control[1] || 1));
      if (control[2] === 'K') lines[row] = '';
    } else if (token === '\n') {
      row += 1;
      lines[row] ??= '';
    } else if (token === '\r') {
      column = 0;
    } else {
      const line = [...(lines[row] ?? '').padEnd(column)];
      line[column] = token;
      lines[row] = line.join('');
      column += 1;
    }
    if (token === '\n') column = 0;
  }
  return lines.map((line) => line.slice(0, columns).trimEnd());
}

function writePicture(name: string, command: string, lines: readonly string[]): void {
  const all = [`# ${command}`, ...lines].filter(
    (line, at, { length }) => line !== '' || at < length - 1,
  );
  const width = columns * 8.4 + 32;
  const height = all.length * 20 + 32;
  const texts = all
    .map((line, at) => {
      const colour =
        at === 0
          ? '#8ab4f8'
          : line.includes('✗')
            ? '#f28b82'
            : line.includes('✓')
              ? '#81c995'
              : '#e8eaed';
      return `  <text x="16" y="${at * 20 + 30}" fill="${colour}" xml:space="preserve">${escaped(line)}</text>`;
    })
    .join('\n');
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" role="img" aria-label="${command}">
  <rect width="100%" height="100%" rx="8" fill="#202124"/>
  <g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">
${texts}
  </g>
</svg>
`;
  writeFileSync(join(folder, `kpropctl-${name}.svg`), picture);
  console.log(all.join('\n'));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
