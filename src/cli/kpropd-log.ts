import type { Syslog } from '../host/libc.ts';
import { errnoText } from '../protocol/com-err.ts';
import { isKpropError, KpropError } from '../protocol/errors.ts';
import type { DroppedEvent } from '../server/drop-tally.ts';
import type { ServerEvent } from '../server/serve.ts';
import { asLine, hintLine, mitLines, mitText } from './report.ts';

/**
 * What kpropd says, in MIT's words: debug lines on stderr with -d, and the system's log. Log
 * watchers and test suites match these (krb5 src/kprop/kpropd.c).
 */
export class KpropdLog {
  readonly #program: string;
  readonly #debug: boolean;
  readonly #once: boolean;
  readonly #syslog: Syslog;

  /** `once`: nothing is waited for after the first connection. */
  constructor(o: { program: string; debug: boolean; once: boolean; syslog: Syslog }) {
    this.#program = o.program;
    this.#debug = o.debug;
    this.#once = o.once;
    this.#syslog = o.syslog;
  }

  waiting(): void {
    this.#debugLine('waiting for a kprop connection');
  }

  event(event: ServerEvent): void {
    switch (event.kind) {
      case 'connected':
        this.#syslog.log('info', `Connection from ${event.address}`);
        break;
      case 'denied':
        this.#syslog.log('warning', asLine(debugLineOf(event) ?? ''));
        break;
      case 'failed':
        this.failure(event.error);
        break;
      case 'warning':
        if (event.error instanceof Error) this.note(`warning: ${asLine(event.error.message)}`);
        break;
      case 'notice':
        this.note(event.text);
        break;
      case 'dropped':
        this.note(droppedText(event));
        break;
      case 'loader-output':
        // MIT's loader inherits both. A daemon's are /dev/null; the hint has the words too.
        process[event.to].write(event.text);
        break;
      default:
    }
    const line = debugLineOf(event);
    if (line !== undefined) this.#debugLine(asLine(line));
    if (event.kind === 'closed' && !this.#once) this.waiting();
  }

  /** A failure: where MIT's kpropd would say it, with the remedy behind it. */
  failure(error: unknown): void {
    const { texts, to } = failureLines(this.#program, error);
    for (const text of texts.map(asLine)) {
      if (to === 'stderr') process.stderr.write(`${text}\n`);
      else this.#complain(text, to);
    }
    const hint = hintLine(error);
    if (hint === undefined) return;
    if (!this.#debug || to === 'syslog') this.#syslog.log('info', hint);
    this.#debugLine(hint);
  }

  /** An error line that goes to the log even with -d, and without the program's name there. */
  complain(text: string): void {
    this.#syslog.log('err', text);
    this.#debugLine(`${this.#program}: ${text}`);
  }

  /** Something that an administrator should know, and no error. */
  note(text: string): void {
    this.#syslog.log('notice', text);
    this.#debugLine(text);
  }

  /** The lines of a failure for a terminal that has not seen it yet. */
  linesOf(error: unknown, o: { readonly all: boolean }): readonly string[] {
    const { texts, to } = failureLines(this.#program, error);
    const hint = hintLine(error);
    return [
      ...(to === 'stderr' && !o.all ? [] : texts.map(asLine)),
      ...(hint === undefined ? [] : [hint]),
    ];
  }

  #complain(text: string, to: 'syslog' | 'com_err'): void {
    if (!this.#debug || to === 'syslog') this.#syslog.log('err', text);
    this.#debugLine(text);
  }

  #debugLine(text: string): void {
    if (this.#debug) process.stderr.write(`${text}\n`);
  }
}

function droppedText({ count, from, fromCount, millis }: DroppedEvent): string {
  const seconds = Math.max(Math.round(millis / 1000), 1);
  return `dropped ${count} unauthenticated connections in ${seconds} s, ${fromCount} of them from ${from}`;
}

/**
 * What MIT's kpropd says of a failure, and where: as com_err does, which is on stderr with -d and in
 * the system's log without; or always in that log; or always on stderr.
 */
function failureLines(
  program: string,
  error: unknown,
): { readonly texts: readonly string[]; readonly to: 'com_err' | 'syslog' | 'stderr' } {
  if (!(error instanceof KpropError)) return { texts: mitLines(program, error), to: 'com_err' };
  const exec = (path: string, status: number) =>
    `${program}: ${path} returned a bad exit status (${status})`;
  // It has its own line, a warning.
  if (isKpropError(error, 'auth.denied')) return { texts: [], to: 'syslog' };
  if (isKpropError(error, 'server.timeout')) {
    return { texts: ['Full propagation timed out'], to: 'stderr' };
  }
  if (error.phase === 'authenticate') {
    const text = error.comErrText ?? error.message;
    return { texts: [`Error in krb5_recvauth: ${text}`], to: 'syslog' };
  }
  if (isKpropError(error, 'network.unresolved')) {
    return { texts: [`getaddrinfo: ${error.comErrText}`], to: 'stderr' };
  }
  // Before it knows how to log.
  const to = error.doing === 'while initializing krb5' ? 'stderr' : 'com_err';
  if (isKpropError(error, 'loader.missing')) {
    const text = `${program}: ${error.comErrText}`;
    return { texts: [text, exec(error.detail.path, 1)], to };
  }
  if (isKpropError(error, 'loader.failed')) {
    return { texts: [exec(error.detail.path, error.detail.status)], to };
  }
  if (isKpropError(error, 'loader.killed')) {
    return { texts: [`${program}: ${error.detail.path} load terminated`], to };
  }
  if (isKpropError(error, 'spool.busy')) {
    return { texts: [`${program}: ${errnoText('EAGAIN')} ${error.doing}`], to };
  }
  return { texts: [`${program}: ${mitText(error)}`], to };
}

/** The line that MIT's kpropd prints with -d; the descriptor is that of the socket. */
function debugLineOf(event: ServerEvent): string | undefined {
  switch (event.kind) {
    case 'connected':
      return `Connection from ${event.address}`;
    case 'authenticating':
      return `krb5_recvauth(${event.descriptor}, kprop5_01, ${event.service}, ...)`;
    case 'authenticated':
      return `authenticated client: ${event.client} (etype == ${event.enctype})`;
    case 'denied':
      return `Rejected connection from unauthorized principal ${event.client}`;
    case 'receiving':
      return 'Full propagation transfer started.';
    case 'received':
      return 'Full propagation transfer finished.';
    case 'loading':
      return 'calling kdb5_util to load database';
    case 'loader-started':
      return `Load PID is ${event.pid}`;
    case 'closed':
      return 'Database load process for full propagation completed.';
    default:
      return undefined;
  }
}
