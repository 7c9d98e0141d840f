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

/** Our addition: what failed, on what, and the remedy. Undefined for a bug of ours. */
export function hintLine(error: unknown, cut = asLine): string | undefined {
  return error instanceof KpropError
    ? // Shortened separately: a long name must not push the remedy out.
      `${cut(`hint: ${error.message.replace(/\.$/, '')}`)}: ${cut(error.remedy)}`
    : undefined;
}

/** The same for a sender, with the likely reasons where MIT's kpropd hangs up without a word. */
export function senderHintLine(error: unknown): string | undefined {
  const hint = hintLine(error);
  const cut = isKpropError(error, 'network.closed') || isKpropError(error, 'network.failed');
  const likely = cut && error.phase !== undefined ? silentRefusals[error.phase] : undefined;
  return likely === undefined ? hint : `${hint}; ${likely}`;
}

const silentAcl =
  "MIT's kpropd closes like this when kpropd.acl there lacks this host's principal, or when it cannot open or lock its spool file";

/** Why MIT's kpropd ends a connection without a word, by step (krb5 src/kprop/kpropd.c, doit). */
const silentRefusals: { readonly [phase in Phase]?: string } = {
  size: silentAcl,
  blocks: silentAcl,
  confirm: `${silentAcl}, and when kdb5_util load fails`,
};

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
