import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { openDescriptorOutlet } from '../../host/descriptor-outlet.ts';
import { openSyslog, type SyslogPriority } from '../../host/syslog.ts';
import type { ServerEvent } from '../../server/serve.ts';

export const logKinds = ['stderr', 'syslog', 'json'] as const;
/** Where the log goes: plain lines on stderr, the system log, or an object a line on stdout. */
export type LogKind = (typeof logKinds)[number];

export type LogLevel = SyslogPriority | 'debug';

/** What a line is about; undefined for what is of no event. */
export type LogSubject =
  | ServerEvent
  | { readonly kind: string; readonly error?: unknown }
  | undefined;

/** Takes the lines of the log, and never waits. */
export interface LogSink {
  write(level: LogLevel, text: string, about: LogSubject): void;
}

export function openLogSink(kind: LogKind, program: string, now = () => new Date()): LogSink {
  if (kind === 'syslog') {
    const syslog = openSyslog(program, 'daemon');
    return {
      // Debug lines have their place on stderr.
      write: (level, text) => (level === 'debug' ? undefined : syslog.log(level, text)),
    };
  }
  const line =
    kind === 'json'
      ? (level: LogLevel, text: string, about: LogSubject) =>
          `${JSON.stringify(logObject(level, text, { about, time: now() }))}\n`
      : (level: LogLevel, text: string) => `${now().toISOString()} ${levelNames[level]}: ${text}\n`;
  const outlet = openDescriptorOutlet(kind === 'json' ? 1 : 2, (count) =>
    line('warning', `${count} lines of this log were lost`, undefined),
  );
  return { write: (level, text, about) => outlet.write(line(level, text, about)) };
}

/** A line of the log as an object. @see docs/log.md */
export function logObject(
  level: LogLevel,
  text: string,
  { about, time }: { readonly about: LogSubject; readonly time: Date },
): Readonly<Record<string, unknown>> {
  const head = { time: time.toISOString(), level: levelNames[level] };
  if (about === undefined) return { ...head, event: 'log', message: text };
  const { kind, error, text: _, ...fields } = flat(about);
  const failure = error === undefined ? {} : { error: errorFields(error) };
  return { ...head, event: kind, message: text, ...fields, ...failure };
}

/** The event with its fields; one of incremental propagation is called poll-connected and so on. */
function flat(about: Exclude<LogSubject, undefined>): Readonly<Record<string, unknown>> {
  if (!('poll' in about)) return { ...about };
  return { ...about.poll, kind: `poll-${about.poll.kind}` };
}

function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof KpropError)) return { message: `${error}` };
  const { code, message, remedy, phase, fault, retry } = error;
  // Whoever may not propagate shall not fill the log.
  const cut = isKpropError(error, 'auth.denied') ? message.slice(0, 300) : message;
  return { code, message: cut, remedy, phase, fault, retry };
}

const levelNames: Readonly<Record<LogLevel, string>> = {
  err: 'error',
  warning: 'warning',
  notice: 'notice',
  info: 'info',
  debug: 'debug',
};
