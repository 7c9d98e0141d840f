import type { Advice } from './advice.ts';
import { catalogue } from './catalogue/catalogue.ts';
import type { Row } from './catalogue/row.ts';
import { krb5ErrorText } from './com-err.ts';

type Catalogue = typeof catalogue;

/** Every way in which this package can fail; stable across releases. */
export type ErrorCode = keyof Catalogue;

/** What a failure of one code carries. */
export type Detail<C extends ErrorCode> = Parameters<Catalogue[C]['says']>[0];

/** The steps of a propagation, in order, as both sides name them in errors and events. */
export type Phase =
  | 'configuration'
  | 'credentials'
  | 'dump'
  | 'connect'
  | 'authenticate'
  | 'authorize'
  | 'spool'
  | 'size'
  | 'blocks'
  | 'load'
  | 'confirm';

const genericNumber = 60; // KRB_ERR_GENERIC, RFC 4120 §7.5.9

/**
 * A failure with a stable `code`, typed `detail`, the `phase` it happened in, and a `remedy`.
 * Its text never holds a key or a ticket. All that it can hold of a dump is what kdb5_util quotes on
 * stderr: the first word of a line that it does not know.
 */
export class KpropError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'KpropError';
  readonly code: C;
  readonly detail: Detail<C>;
  /** Set once, by the innermost step that failed. */
  phase: Phase | undefined;
  /** MIT's words for the step ("while connecting to server"), which people search for. */
  doing: string | undefined;
  /** Whether krb5 was being initialized: MIT's kpropd has no log before that, and uses stderr. */
  initializing = false;
  readonly #row: Row<Detail<C>>;
  #advice: Advice | undefined;

  constructor(code: C, detail: Detail<C>, options?: { cause?: unknown; phase?: Phase }) {
    const row = catalogue[code] as unknown as Row<Detail<C>>;
    super(row.says(detail), options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.phase = options?.phase;
    this.#row = row;
  }

  /** Who has to act: the other side, the network between, this host, or its configuration. */
  get fault(): Row<never>['fault'] {
    return this.#row.fault;
  }

  /** What is behind it, without a full stop; undefined if nothing more is known than `message` says. */
  get why(): string | undefined {
    return this.#advice === undefined ? this.#row.why?.(this.detail) : this.#advice.why;
  }

  /**
   * What to do about it, without a full stop. What is to be typed or written stands in backquotes,
   * word for word.
   */
  get remedy(): string {
    return this.#advice?.remedy ?? this.#row.remedy(this.detail);
  }

  /** Whether the same call may succeed later with nothing changed. */
  get retry(): boolean {
    return this.#row.retry;
  }

  /** The exit status of sysexits.h that fits. kprop and kpropd do not use it: they exit as MIT's do. */
  get exitStatus(): number {
    return this.#row.exit;
  }

  /** com_err's text for it, or undefined if MIT's programs print none. */
  get comErrText(): string | undefined {
    const value = this.#comErr();
    return typeof value === 'number' ? krb5ErrorText(value) : value;
  }

  /** The same for the peer, sent unencrypted: fixed words, numbers, and the peer's own name. */
  get peerText(): string | undefined {
    return this.#row.toPeer?.(this.detail) ?? this.comErrText;
  }

  /** The error-code of a KRB-ERROR about it: 0 to 127, and 60 for all that have no such code. */
  get wireNumber(): number {
    const value = this.#comErr();
    return typeof value === 'number' && value >= 0 && value < 128 ? value : genericNumber;
  }

  /** Names the phase and MIT's words for the step, unless a deeper step already did. */
  during(phase: Phase, doing?: string): this {
    this.phase ??= phase;
    this.doing ??= doing;
    return this;
  }

  /** What JSON.stringify gives of it: all that a program may want to know, and no secret. */
  toJSON(): KpropErrorJson {
    const { code, message, phase = null, fault, retry, why = null, remedy, detail } = this;
    return { code, message, phase, fault, retry, why, remedy, detail };
  }

  /** Gives advice that a look at this host has led to, in place of what the code alone tells. */
  advise(advice: Advice | undefined): this {
    this.#advice ??= advice;
    return this;
  }

  #comErr(): number | string | undefined {
    const { comErr } = this.#row;
    return typeof comErr === 'function' ? comErr(this.detail) : comErr;
  }
}

/** An error as JSON. */
export interface KpropErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly phase: Phase | null;
  /** Who has to act. */
  readonly fault: 'peer' | 'network' | 'local' | 'config';
  /** Whether the same call may succeed later with nothing changed. */
  readonly retry: boolean;
  /** What is behind it, if more is known than `message` says. */
  readonly why: string | null;
  readonly remedy: string;
  /** The same as `detail` of the error: its shape depends on `code`. */
  readonly detail: unknown;
}

/** Whether an error is a KpropError of this code, for narrowing. */
export function isKpropError<C extends ErrorCode>(
  error: unknown,
  code?: C,
): error is KpropError<C> {
  return error instanceof KpropError && (code === undefined || error.code === code);
}

/** Runs a step. Its failure is marked with the phase and with MIT's words for the step. */
export async function inPhase<T>(
  phase: Phase,
  doing: string | undefined,
  step: () => T | Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw error instanceof KpropError ? error.during(phase, doing) : error;
  }
}

/** Initializes krb5: what fails in it is marked as such. */
export async function inInitialization<T>(step: () => T | Promise<T>): Promise<T> {
  try {
    return await inPhase('configuration', 'while initializing krb5', step);
  } catch (error) {
    if (error instanceof KpropError) error.initializing = true;
    throw error;
  }
}

/**
 * The error for an abort signal's reason: the reason itself if it is a KpropError, caller.timeout if it is
 * that of AbortSignal.timeout(), else `aborted`.
 */
export function abortError(reason: unknown): KpropError {
  if (reason instanceof KpropError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new KpropError('caller.timeout', { reason: reason.message });
  }
  return new KpropError('aborted', {
    reason: reason instanceof Error ? reason.message : `${reason}`,
  });
}

/** What an error of somebody else's code says. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}

/** Marks a branch that the types rule out. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
