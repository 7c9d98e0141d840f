import type { Syslog } from '../host/libc.ts';
import { isKpropError, KpropError } from '../protocol/errors.ts';
import type { ServerEvent } from '../server/serve.ts';
import { hintLine, mitText } from './report.ts';

/**
 * What kpropd says, in MIT's words: debug lines on stderr with -d, and the system's log. Log
 * watchers and test suites match these (krb5 src/kprop/kpropd.c).
 */
export class KpropdLog {
  readonly #program: string;
  readonly #debug: boolean;
  readonly #syslog: Syslog;

  constructor(program: string, debug: boolean, syslog: Syslog) {
    this.#program = program;
    this.#debug = debug;
    this.#syslog = syslog;
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
        this.#syslog.log('warning', debugLineOf(event) ?? '');
        break;
      case 'failed':
        this.failure(event.error);
        break;
      case 'loader-output':
        // MIT's loader inherits stderr. A daemon's is /dev/null; the failure has the words too.
        process.stderr.write(event.text);
        break;
      default:
    }
    const line = debugLineOf(event);
    if (line !== undefined) this.#debugLine(line);
    if (event.kind === 'closed') this.waiting();
  }

  /** A failure: where com_err would print it, with the remedy behind it. */
  failure(error: unknown): void {
    // It has its own line, a warning.
    if (!isKpropError(error, 'auth.denied')) this.complain(this.#text(error));
    const hint = hintLine(error);
    if (hint === undefined) return;
    this.#syslog.log('info', hint);
    this.#debugLine(hint);
  }

  /** An error line. */
  complain(text: string): void {
    this.#syslog.log('err', text);
    this.#debugLine(text);
  }

  /** Something that an administrator should know, and no error. */
  note(text: string): void {
    this.#syslog.log('notice', text);
    this.#debugLine(text);
  }

  /** The lines of a failure for a terminal. */
  linesOf(error: unknown): readonly string[] {
    const hint = hintLine(error);
    return [this.#text(error), ...(hint === undefined ? [] : [hint])];
  }

  #text(error: unknown): string {
    if (!(error instanceof KpropError)) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return `${this.#program}: internal error: ${detail}`;
    }
    if (error.phase === 'authenticate') {
      return `Error in krb5_recvauth: ${error.comErrText ?? error.message}`;
    }
    return `${this.#program}: ${mitText(error)}`;
  }

  #debugLine(text: string): void {
    if (this.#debug) process.stderr.write(`${text}\n`);
  }
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
