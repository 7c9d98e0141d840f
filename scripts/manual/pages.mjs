// Manual pages: the pages of man/, with the options of each program inserted from its table.

import { basename } from 'node:path';

/** The lines of a page that are replaced. */
const places = {
  '.\\" options\n': ({ options }) => options.map(entry).join(''),
  '.\\" commands\n': ({ commands }) => commands.map(section).join(''),
  '.\\" relations of kpropctl\n': ({ relations }) => relationList(relations.kpropctl),
  '.\\" relations of replicas\n': ({ relations }) => relationList(relations.replicas),
};

/**
 * A page with its options.
 * @param text the page, in mdoc(7)
 * @param file its path
 * @param programs what programs.mjs gives
 */
export function manualPage(text, file, programs) {
  const [name] = basename(file).split('.');
  const program = programs.find((one) => one.name === name);
  return Object.entries(places).reduce(
    (page, [place, make]) => page.replace(place, () => make(program)),
    text,
  );
}

/** A command: its name and operand, what it does, its options. */
function section({ name, about, options, operand }) {
  const shown = operand && `${operand.name}${operand.repeats ? ' ...' : ''}`;
  const words = shown === undefined ? '' : operand.required ? ` Ar ${shown}` : ` Op Ar ${shown}`;
  const list =
    options.length === 0 ? '' : `.Bl -tag -width Ds\n${options.map(entry).join('')}.El\n`;
  return `.It Ic ${name}${words}\n${sentences(about).map(textLine).join('')}${list}`;
}

/** What may be set, with its default. */
function relationList(relations) {
  return Object.entries(relations)
    .map(([name, { about, byDefault }]) => {
      const text = `${about.charAt(0).toUpperCase()}${about.slice(1)}.`;
      const more = byDefault === undefined ? '' : ` Default: ${byDefault}.`;
      return `.It Li ${name}\n${sentences(text + more)
        .map(textLine)
        .join('')}`;
    })
    .join('');
}

function entry(option) {
  return `.It ${flag(option)}\n${sentences(option.text).map(textLine).join('')}`;
}

/** An option in mdoc's words, such as ".It Fl -load Ns = Ns Cm auto Ns | Ns Cm native". */
function flag({ name, value, choices }) {
  const dash = name.length > 1 ? `Fl -${name}` : `Fl ${name}`;
  if (value === undefined) return dash;
  const values = choices?.map((one) => `Cm ${one}`).join(' Ns | Ns ') ?? `Ar ${value}`;
  return name.length > 1 ? `${dash} Ns = Ns ${values}` : `${dash} ${values}`;
}

/** mdoc wants each sentence on a line of its own. */
function sentences(text) {
  return text.split(/(?<=[.!?]) (?=[A-Z0-9])/).flatMap((sentence) => wrapped(sentence));
}

function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== '' && line.length + word.length >= 78) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

function textLine(text) {
  const escaped = text.replaceAll('\\', '\\e').replace(/^([.'])/, '\\&$1');
  return `${escaped}\n`;
}
