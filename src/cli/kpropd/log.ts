import type { Notice } from '../../errors/advice.ts';
import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import type { DescriptorOutlet } from '../../host/descriptor-outlet.ts';
import type { DroppedEvent } from '../../server/listen/drop-tally.ts';
import type { ServerEvent } from '../../server/serve.ts';
import { adviceLines, asLine, noticeLines, strangerLine } from '../report.ts';
import { loadedText } from './amounts.ts';
import { failureLines } from './failure-lines.ts';
import type { LineKind, LineLimit } from './line-limit.ts';
import type { LogKind, LogLevel, LogSink, LogSubject } from './log-sink.ts';
import { PollLog } from './poll-log.ts';

export interface KpropdLogOptions {
  readonly program: string;
  readonly debug: boolean;
  /** kpropd exits after the first connection. */
  readonly once: boolean;
  readonly kind: LogKind;
  readonly sink: LogSink;
  readonly stdout: DescriptorOutlet;
  readonly stderr: DescriptorOutlet;
  readonly limit: LineLimit;
}

/** An open connection. */
interface Connection {
  /** There were too many lines: these are held back until the peer proves that it may propagate. */
  quiet: boolean;
  permitted: boolean;
  readonly held: (() => void)[];
}

/**
 * What kpropd says, in MIT's words: debug lines on stderr with -d, and the log. Log watchers
 * and test suites match these (krb5 src/kprop/kpropd.c). Lines that strangers can cause are limited,
 * lines about a permitted propagation are not.
 */
export class KpropdLog {
  readonly #options: KpropdLogOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #polls: PollLog;
  #report: NodeJS.Timeout | undefined;
  /** What is being said, and what was said last of it. */
  #about: LogSubject;
  #said = '';

  constructor(options: KpropdLogOptions) {
    this.#options = options;
    this.#polls = new PollLog({
      debugLine: (text) => this.#debugLine(text),
      log: (priority, text) => this.#log(priority, text),
      complain: (text) => this.#complain(`${options.program}: ${text}`, 'com_err'),
      failure: (error) => this.failure(error),
      say: (text) => this.#onStderr(text),
    });
  }

  /** Instead of MIT's word on stdout, where that is the log. */
  ready(): void {
    this.#options.sink.write('notice', 'ready', { kind: 'ready' });
  }

  waiting(): void {
    this.#debugLine('waiting for a kprop connection');
  }

  event(event: ServerEvent): void {
    if (event.kind === 'connected') {
      const quiet = !this.#allows('connection');
      this.#connections.set(event.connection, { quiet, permitted: false, held: [] });
    }
    const connection = this.#connections.get(event.connection);
    if (event.kind === 'receiving' && connection !== undefined) this.#permit(connection);
    const say = () => this.#say(event, connection?.permitted ?? false);
    if (connection?.quiet !== true || event.kind === 'failed' || event.kind === 'denied') say();
    else if (connection.held.length < heldLimit) connection.held.push(say);
    if (event.kind === 'closed') this.#connections.delete(event.connection);
  }

  #say(event: ServerEvent, permitted: boolean): void {
    this.#about = event;
    this.#said = '';
    this.#sayOf(event, permitted);
    this.#about = undefined;
  }

  #sayOf(event: ServerEvent, permitted: boolean): void {
    switch (event.kind) {
      case 'connected':
        this.#log('info', `Connection from ${event.address}`);
        break;
      case 'denied':
        // The debug line has the same text.
        if (!this.#allows('denied')) return;
        this.#log('warning', asLine(debugLineOf(event) ?? ''));
        break;
      case 'failed':
        this.#failure(event.error, permitted ? undefined : kindOf(event.error));
        break;
      case 'loaded':
        this.#log('info', asLine(loadedText(event)));
        break;
      case 'notice':
        this.note(asLine(event.text));
        break;
      case 'dropped':
        this.note(droppedText(event));
        break;
      case 'poll':
        this.#polls.event(event.poll);
        return;
      case 'loader-output':
        // MIT's loader inherits both. A daemon's are /dev/null, but the cause quotes the loader, too.
        if (this.#options.kind === 'json') this.#log('info', asLine(event.text.trim()));
        else this.#options[event.to].write(event.text);
        break;
      default:
    }
    const line = debugLineOf(event);
    if (line !== undefined) this.#debugLine(asLine(line));
    if (event.kind === 'closed' && !this.#options.once) this.waiting();
  }

  /** It is no longer a stranger's connection: what was held back is logged. */
  #permit(connection: Connection): void {
    connection.permitted = true;
    connection.quiet = false;
    for (const say of connection.held.splice(0)) say();
  }

  /** Logs a failure where MIT's kpropd would, followed by the remedy. */
  failure(error: unknown): void {
    this.#about ??= { kind: 'failed', error };
    this.#failure(error, undefined);
  }

  /** The same within the limit of `kind`, if it has one. */
  #failure(error: unknown, kind: LineKind | undefined): void {
    const cut = kind === undefined ? asLine : strangerLine;
    const { texts, to } = failureLines(this.#options.program, error);
    const advice = adviceLines(error, texts, cut);
    if (kind !== undefined && !this.#allows(kind, texts.length + advice.length)) return;
    for (const text of texts.map((each) => cut(each))) {
      if (to === 'stderr') this.#onStderr(text);
      else this.#complain(text, to);
    }
    // An object of the log has the remedy as a field.
    if (this.#options.kind === 'json') return;
    for (const line of advice) {
      if (this.#isWhole || !this.#options.debug || to === 'syslog') this.#log('info', line);
      this.#debugLine(line);
    }
  }

  /** An error line that goes to the log even with -d; only on stderr it begins with the program's name. */
  complain(text: string): void {
    this.#log('err', text);
    if (!this.#isWhole) this.#debugLine(`${this.#options.program}: ${text}`);
  }

  /** Something that an administrator should know, but not an error. */
  note(text: string): void {
    this.#log('notice', text);
    this.#debugLine(text);
  }

  /** The same where it is dangerous, with what to do. */
  warn(notice: Notice): void {
    for (const line of noticeLines('warning', notice)) {
      this.#log('warning', line);
      this.#debugLine(line);
    }
  }

  /** Logs how many lines were suppressed since this was last logged, if any. */
  tellSuppressed(): void {
    clearTimeout(this.#report);
    this.#report = undefined;
    const count = this.#options.limit.takeSuppressed();
    if (count > 0) this.note(`${count} lines about connections suppressed (--log-rate)`);
  }

  /** The lines of a failure for the terminal of the starter; `all`: it has not seen any of them yet. */
  linesOf(error: unknown, o: { readonly all: boolean }): readonly string[] {
    const { texts, to } = failureLines(this.#options.program, error);
    return [
      ...(to === 'stderr' && !o.all && !this.#isWhole ? [] : texts.map((each) => asLine(each))),
      ...adviceLines(error, texts),
    ];
  }

  #allows(kind: LineKind, lines?: number): boolean {
    const allowed = this.#options.limit.allows(kind, lines);
    if (!allowed) this.#report ??= setTimeout(() => this.tellSuppressed(), reportMillis).unref();
    return allowed;
  }

  #complain(text: string, to: 'syslog' | 'com_err'): void {
    if (this.#isWhole || !this.#options.debug || to === 'syslog') this.#log('err', text);
    this.#debugLine(text);
  }

  #debugLine(text: string): void {
    if (!this.#options.debug) return;
    if (!this.#isWhole) this.#options.stderr.write(`${text}\n`);
    else if (text !== this.#said) this.#log('debug', text);
  }

  /** Whether all that is said goes into the log. MIT says some things on stderr, some twice. */
  get #isWhole(): boolean {
    return this.#options.kind !== 'syslog';
  }

  #onStderr(text: string): void {
    if (this.#isWhole) this.#log('err', text);
    else this.#options.stderr.write(`${text}\n`);
  }

  #log(level: LogLevel, text: string): void {
    this.#said = text;
    this.#options.sink.write(level, text, this.#about);
  }
}

function droppedText({ count, from, fromCount, millis }: DroppedEvent): string {
  const seconds = Math.max(Math.round(millis / 1000), 1);
  return `dropped ${count} unauthenticated connections in ${seconds} s, ${fromCount} of them from ${from}`;
}

const reportMillis = 10_000;
/** A connection has three events before it is permitted: connected, authenticating, authenticated. */
const heldLimit = 3;

/** The kind of a failure that happened before the peer was permitted to propagate. */
function kindOf(error: unknown): LineKind {
  if (isKpropError(error, 'auth.denied')) return 'denied';
  const others = error instanceof KpropError && /^(peer|network)$/.test(error.fault);
  return others || isKpropError(error, 'aborted') ? 'refusal' : 'fault';
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
      return event.natively
        ? 'loading the database natively'
        : 'calling kdb5_util to load database';
    case 'loader-started':
      return `Load PID is ${event.pid}`;
    case 'closed':
      return 'Database load process for full propagation completed.';
    default:
      return undefined;
  }
}
