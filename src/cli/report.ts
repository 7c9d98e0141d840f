import { krb5ErrorText } from '../errors/com-err.ts';
import { isKpropError, KpropError, type Phase } from '../errors/kprop-error.ts';

/**
 * A failure in MIT's words, a line each, as its programs print it: `PROG: error text while doing`.
 * Scripts and people look for these.
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
 * One line, whatever a peer put into its names and texts: nothing that a terminal obeys, that looks
 * like a line of ours in a log, or that fills one.
 */
export function asLine(text: string, limitBytes = lineLimitBytes): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  const bytes = Buffer.from(line);
  if (bytes.length <= limitBytes) return line;
  // The ellipsis is 3 bytes long; half a character at the cut goes with the rest.
  return `${bytes.toString('utf8', 0, limitBytes - 3).replace(/\uFFFD+$/, '')}…`;
}

/** Room for all that is kept of a loader's words, and for the step around them. */
const lineLimitBytes = 2_500;
/** Enough for every text of ours, for lines that anybody in the network can cause. */
const strangerLimitBytes = 300;

/** The lines of a failure for which somebody is to blame who has not proved who he is. */
export const strangerLine = (text: string) => asLine(text, strangerLimitBytes);

/** The same without the program's name, on one line: com_err's text, then the step. */
export function mitText(error: KpropError): string {
  const { comErrText, doing } = error;
  // kprop prints "HOST: text" of a name that does not resolve, without a step (krb5 kprop.c).
  if (doing === undefined || error.code === 'network.unresolved') return error.message;
  return comErrText === undefined ? doing : `${comErrText} ${doing}`;
}

/** Our addition: what failed, on what, and what to do. Undefined for a bug of ours. */
export function hintLine(error: unknown, cut = asLine): string | undefined {
  return error instanceof KpropError
    ? // Cut by themselves: a long name must not cost the remedy.
      `${cut(`hint: ${error.message.replace(/\.$/, '')}`)}: ${cut(error.remedy)}`
    : undefined;
}

/** The same for a sender, whom MIT's kpropd does not tell why it hangs up. */
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

/** What kprop prints of a KRB-ERROR (krb5 src/kprop/kprop.c, print of the error's text). */
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
