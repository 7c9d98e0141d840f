import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';

import { systemAmbient } from 'kprop';

import { kitExits, Refused, refused } from './refused.ts';

const groups = 5;
const groupChars = 5;
/** 32 characters, none of which is taken for another one (Crockford's base 32). */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const leastChars = 20;

/** A new one of 125 bits: too many to try. */
export function newPassphrase(): string {
  const random = systemAmbient().random(groups * groupChars);
  const chars = Array.from(random, (byte) => alphabet.charAt(byte % alphabet.length)).join('');
  return chars.replace(/.{5}(?=.)/g, '$&-');
}

/**
 * The first line of a file or descriptor (/dev/fd/3), for scripts. `forNew` refuses one that can be
 * guessed. @throws Refused
 */
export function passphraseFrom(path: string, o: { readonly forNew: boolean }): string {
  const descriptor = /^\/dev\/fd\/(\d{1,6})$/.exec(path)?.[1];
  let text: string;
  try {
    text = readFileSync(descriptor === undefined ? path : Number(descriptor), 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw refused(
      `the passphrase cannot be read from ${path} (${code})`,
      'name a file, or a descriptor such as /dev/fd/3',
      error,
    );
  }
  const [line = ''] = text.split('\n');
  const passphrase = line.replace(/\r$/, '');
  if (passphrase === '' || (o.forNew && passphrase.length < leastChars)) {
    throw refused(
      `the passphrase in ${path} has ${passphrase.length} characters`,
      o.forNew
        ? `a kit holds keys: use at least ${leastChars}, or leave the option out and get one`
        : 'write it into the first line',
    );
  }
  return passphrase;
}

/** Whoever may see a passphrase: a terminal, and nothing else. @throws Refused if there is none */
export function terminalFor(error: {
  readonly isTTY?: boolean | undefined;
}): (text: string) => void {
  let fd: number;
  try {
    fd = error.isTTY === true ? 2 : openSync('/dev/tty', 'w');
  } catch {
    throw new Refused(
      kitExits.usage,
      'there is no terminal to show the passphrase on, and it belongs into no log',
      'write one into a file that only root can read, and name it with --passphrase-file',
    );
  }
  return (text) => {
    writeSync(fd, text);
    if (fd !== 2) closeSync(fd);
  };
}

/** Asks on the terminal of this process, without an echo. @throws Refused */
export async function askPassphrase(question: string, signal: AbortSignal): Promise<string> {
  return onTerminal(question, signal, { echo: false });
}

/** A line typed on the terminal of this process. @throws Refused if there is none */
export async function ask(question: string, signal: AbortSignal): Promise<string> {
  return onTerminal(question, signal, { echo: true });
}

async function onTerminal(
  question: string,
  signal: AbortSignal,
  o: { readonly echo: boolean },
): Promise<string> {
  let fd: number;
  try {
    fd = openSync('/dev/tty', 'r+');
  } catch {
    throw new Refused(
      kitExits.usage,
      'there is no terminal to ask on',
      'for scripts: kpropctl join KIT --passphrase-file FILE --yes',
    );
  }
  const stream = new ReadStream(fd);
  // A raw terminal echoes nothing; each key comes by itself. First that, then the question.
  stream.setRawMode(!o.echo);
  writeSync(fd, question);
  try {
    return await readLine(stream, signal);
  } finally {
    stream.setRawMode(false);
    if (!o.echo) writeSync(fd, '\n');
    stream.destroy();
  }
}

const enough = 1024;

function readLine(stream: ReadStream, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const stopped = () => reject(refused('stopped; nothing was written', 'start join again'));
    if (signal.aborted) stopped();
    signal.addEventListener('abort', stopped, { once: true });
    stream.setEncoding('utf8');
    stream.once('end', stopped);
    stream.on('data', (text: string) => {
      for (const char of text) {
        if (char === '\r' || char === '\n') return resolve(line);
        // In raw mode the keys that would be signals are characters.
        if (char === '\u0003' || char === '\u0004' || line.length > enough) return stopped();
        line = char === '\u007f' || char === '\b' ? line.slice(0, -1) : line + char;
      }
    });
  });
}
