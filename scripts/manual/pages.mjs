// Manual pages: the pages of man/, with the options of each program inserted from its table.

import { basename } from 'node:path';

/** The line of a page that the options replace. */
const place = '.\\" options\n';

/**
 * A page with its options.
 * @param text the page, in mdoc(7)
 * @param file its path
 * @param programs what programs.mjs gives
 */
export function manualPage(text, file, programs) {
  if (!text.includes(place)) return text;
  const program = programs.find(({ name }) => name === basename(file).replace(/\.\d$/, ''));
  if (program === undefined) throw new Error(`${file}: no program has its name`);
  return text.replace(place, () => program.options.map(entry).join(''));
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
