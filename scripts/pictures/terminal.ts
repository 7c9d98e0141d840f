import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ControlRealm } from '../../kpropctl/test/realm.ts';
import { packageRoot } from '../../test/support/lab/lab.ts';

const columns = 110;
const columnPixels = 8.43;
const linePixels = 21;
const barPixels = 34;
const marginPixels = 18;
const escapeSign = String.fromCharCode(0x1b);
const controlSequence = new RegExp(`^${escapeSign}\\[(\\d*)([A-Za-z])$`);
const tokens = new RegExp(`${escapeSign}\\[\\d*[A-Za-z]|[\\s\\S]`, 'gu');

/** Draws what a command of kpropctl leaves on a terminal. Its words are the shell's. */
export function takeTerminalPicture(
  realm: ControlRealm,
  folder: string,
  words: readonly string[],
): Promise<void> {
  const [command = '', ...rest] = words;
  const program = join(packageRoot, 'kpropctl/dist/main.js');
  return drawTerminal(join(folder, `kpropctl-${command}.svg`), {
    shown: ['kpropctl', ...words].join(' '),
    typed: [process.execPath, program, command, ...rest].join(' '),
    // As `/etc` has them.
    env: { ...realm.lab.env('primary'), KRB5_CONFIG: undefined, KRB5_KDC_PROFILE: undefined },
    cwd: realm.lab.folder,
  });
}

export interface TerminalCommand {
  /** The command as the picture shows it. */
  readonly shown: string;
  /** The same for the shell. */
  readonly typed: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** Draws what a command leaves on a terminal. */
export async function drawTerminal(path: string, command: TerminalCommand): Promise<void> {
  const lines = await onTerminal(command);
  writeFileSync(path, picture(command.shown, lines));
  console.log(`${path}:\n${lines.join('\n')}`);
}

/** What a command leaves on a terminal (script(1) makes one). */
async function onTerminal({ typed, env, cwd }: TerminalCommand): Promise<readonly string[]> {
  const child = spawn('script', ['-qec', `stty cols ${columns}; ${typed}`, '/dev/null'], {
    env: { ...env, TERM: 'xterm' },
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => child.on('close', resolve));
  return wrapped(screen(Buffer.concat(chunks).toString('utf8')));
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
  return lines.map((line) => line.trimEnd());
}

/** A terminal goes on in the next line. */
function wrapped(lines: readonly string[]): readonly string[] {
  const whole = lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? ['']);
  return whole.slice(0, whole.findLastIndex((line) => line !== '') + 1);
}

/** A window with the command and its output. Letters have places of their own, whatever font there is. */
function picture(command: string, lines: readonly string[]): string {
  const width = Math.ceil(columns * columnPixels + 2 * marginPixels);
  const height = barPixels + (lines.length + 1) * linePixels + 2 * marginPixels - 8;
  const texts = [`$ ${command}`, ...lines].map((line, at) => {
    const y = barPixels + marginPixels + at * linePixels + 8;
    return wordsOf(line)
      .map(({ text, column }) => {
        const x = (marginPixels + column * columnPixels).toFixed(1);
        const length = ([...text].length * columnPixels).toFixed(1);
        return `<text x="${x}" y="${y}" textLength="${length}" class="${classOf(text, at)}">${escaped(text)}</text>`;
      })
      .join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${command} on a terminal">
<style>
text { font: 14px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d9dde3; white-space: pre }
.command { fill: #8fb4ff; font-weight: 600 } .good { fill: #5fcb90 } .bad { fill: #ff8078 } .doubtful { fill: #f0b455 }
</style>
<rect width="${width}" height="${height}" rx="10" fill="#171a1f"/>
<g fill="#3a4048"><circle cx="22" cy="20" r="6"/><circle cx="42" cy="20" r="6"/><circle cx="62" cy="20" r="6"/></g>
${texts.filter((text) => text !== '').join('\n')}
</svg>
`;
}

/** The pieces of a line between marks and wide gaps, each with the column where it begins. */
function wordsOf(line: string): readonly { readonly text: string; readonly column: number }[] {
  return [...line.matchAll(/[✓✗!?](?= )|\S+(?: \S+)*/gu)].map((match) => ({
    text: match[0],
    column: [...line.slice(0, match.index)].length,
  }));
}

const classes: readonly (readonly [RegExp, string])[] = [
  [/^(✓|live|ok)$/, 'good'],
  [/^(✗|failed|failing)$/, 'bad'],
  [/^([!?]|held|behind)$/, 'doubtful'],
];

function classOf(text: string, at: number): string {
  if (at === 0) return 'command';
  return classes.find(([pattern]) => pattern.test(text))?.[1] ?? 'plain';
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
