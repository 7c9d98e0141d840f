import type { Option } from './option.ts';

const columns = 80;
const indent = 8;

/** What --help prints: MIT's usage, then each option with its default, wrapped at 80 columns. */
export function helpText(usage: string, options: readonly Option[]): string {
  return `${usage.trimEnd()}\n\nOptions:\n${options.map(entry).join('')}`;
}

/** An option as it is written on a command line, such as `-f file` or `--verify=first|always`. */
export function writtenOption({ name, value, choices }: Option): string {
  const values = choices?.join('|') ?? value;
  if (name.length === 1) return values === undefined ? `-${name}` : `-${name} ${values}`;
  return values === undefined ? `--${name}` : `--${name}=${values}`;
}

/** What it does, with its default as the last sentence. */
export function aboutOption({ about, byDefault, repeats }: Option): string {
  const sentences = [
    about,
    ...(repeats ? ['May be given several times.'] : []),
    ...(byDefault === undefined ? [] : [`Default: ${byDefault}.`]),
  ];
  return sentences.join(' ');
}

function entry(option: Option): string {
  const lines = wrap(aboutOption(option), columns - indent);
  return [`  ${writtenOption(option)}`, ...lines.map((line) => ' '.repeat(indent) + line), ''].join(
    '\n',
  );
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
