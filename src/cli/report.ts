import type { Notice } from '../errors/advice.ts';
import { krb5ErrorText } from '../errors/com-err.ts';
import { isKpropError, KpropError, type Phase } from '../errors/kprop-error.ts';

/**
 * The lines that MIT's programs print for a failure: `PROG: error text while doing`. Scripts and
 * people search for them.
 */
export function mitLines(program: string, error: unknown): readonly string[] {
  if (!(error instanceof KpropError)) {
    return `${program}: internal error: ${textOf(error)}`.split('\n').map((line) => asLine(line));
  }
  if (isKpropError(error, 'peer.refused'))
    return refusalLines(program, error).map((line) => asLine(line));
  return [asLine(`${program}: ${mitText(error)}`)];
}

/**
 * The text as one line of bounded length, whatever a peer put into it: no control characters, which
 * a terminal would obey or which would forge a second line in a log.
 */
export function asLine(text: string, limitBytes = lineLimitBytes): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  const bytes = Buffer.from(line);
  if (bytes.length <= limitBytes) return line;
  // The ellipsis takes 3 bytes; what the cut left of a character is removed.
  return `${bytes.toString('utf8', 0, limitBytes - 3).replace(/\uFFFD+$/, '')}…`;
}

/** Enough for all that is kept of a loader's stderr, and for the step around it. */
const lineLimitBytes = 2_500;
/** Enough for each of our own texts: anybody in the network can cause such lines. */
const strangerLimitBytes = 300;

/** A line about a peer that has not authenticated. */
export const strangerLine = (text: string) => asLine(text, strangerLimitBytes);

/** The same without the program's name: com_err's text, then the step. */
export function mitText(error: KpropError): string {
  const { comErrText, doing } = error;
  // For a name that does not resolve kprop prints "HOST: text", without a step (krb5 kprop.c).
  if (doing === undefined || error.code === 'network.unresolved') return error.message;
  return comErrText === undefined ? doing : `${comErrText} ${doing}`;
}

/** A notice as it is printed: the text, and what to do. */
export function noticeLines(
  label: 'warning' | 'note',
  { text, remedy }: Notice,
): readonly string[] {
  return [`${label}: ${text}`, ...fixLine(remedy)];
}

export const fixLine = (remedy: string | undefined) =>
  remedy === undefined ? [] : [`fix: ${remedy}`];

/**
 * Our addition under MIT's lines: `cause: …`, unless they say it already, and `fix: …`. None for a bug
 * of ours.
 */
export function adviceLines(
  error: unknown,
  above: readonly string[],
  cut = asLine,
): readonly string[] {
  if (!(error instanceof KpropError)) return [];
  const cause = error.why ?? causeOf(error, above);
  return [...(cause === undefined ? [] : [`cause: ${cause}`]), ...fixLine(error.remedy)].map(
    (line) => cut(line),
  );
}

/** The same for a sender, with the likely reasons where MIT's kpropd hangs up without a word. */
export function senderAdviceLines(error: unknown, above: readonly string[]): readonly string[] {
  const [cause = '', ...fix] = adviceLines(error, above);
  const cut = isKpropError(error, 'network.closed') || isKpropError(error, 'network.failed');
  const likely = cut && error.phase !== undefined ? silentRefusals[error.phase] : undefined;
  if (likely === undefined || !cut) return [cause, ...fix].filter((line) => line !== '');
  return [`cause: ${asLine(error.detail.peer)} closed the connection, as ${likely}`, ...fix];
}

/** The message, unless the lines above have all of it. */
function causeOf(error: KpropError, above: readonly string[]): string | undefined {
  const message = error.message.replace(/\.$/, '');
  const news = isKpropError(error, 'peer.refused') ? error.detail.text : message;
  return above.some((line) => line.includes(news)) ? undefined : message;
}

const silentAcl =
  "MIT's kpropd does if kpropd.acl there lacks this host, or if it cannot write or lock its file";

/** Why MIT's kpropd ends a connection without a word, by step (krb5 src/kprop/kpropd.c, doit). */
const silentRefusals: { readonly [phase in Phase]?: string } = {
  size: silentAcl,
  blocks: silentAcl,
  confirm: `${silentAcl}, or if kdb5_util load fails`,
};

/**
 * The lines for a terminal of this width: broken at blanks, and indented where they go on. What stands
 * in backquotes is not broken, so that it can be copied.
 */
export function wrapped(lines: readonly string[], columns: number | undefined): readonly string[] {
  if (columns === undefined) return lines;
  return lines.flatMap((line) => (line.length <= columns ? [line] : broken(line, columns)));
}

function broken(line: string, columns: number): readonly string[] {
  const indent = ' '.repeat(/^\w+: /.exec(line)?.[0].length ?? 0);
  const rows: string[] = [];
  for (const word of line.match(/(?:`[^`]*`|[^\s`])+/g) ?? []) {
    const last = rows.at(-1);
    if (last === undefined) rows.push(word);
    else if (last.length + 1 + word.length <= columns) rows[rows.length - 1] = `${last} ${word}`;
    else rows.push(indent + word);
  }
  return rows;
}

/** What MIT's kprop prints for a KRB-ERROR (krb5 src/kprop/kprop.c). */
function refusalLines(program: string, error: KpropError<'peer.refused'>): readonly string[] {
  const { number, text } = error.detail;
  const lines =
    error.phase === 'authenticate'
      ? [`${program}: ${krb5ErrorText(207)} while authenticating to server`]
      : [];
  if (number === 60) return text ? [...lines, `Generic remote error: ${text}`] : lines;
  if (number === 0) return lines;
  lines.push(`${program}: ${krb5ErrorText(number)} signalled from server`);
  return text ? [...lines, `Error text from server: ${text}`] : lines;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
