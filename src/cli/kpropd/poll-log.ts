import { isKpropError, KpropError, unreachable } from '../../errors/kprop-error.ts';
import type { SyslogPriority } from '../../host/syslog.ts';
import { updateStatuses } from '../../protocol/iprop/updates.ts';
import type { FollowCall } from '../../server/poll/follow-updates.ts';
import type { PollEvent } from '../../server/poll/poller.ts';
import { adviceLines, asLine } from '../report.ts';

export interface PollLogOptions {
  /** Printed with -d. */
  readonly debugLine: (text: string) => void;
  readonly log: (priority: SyslogPriority, text: string) => void;
  /** As com_err: to stderr with -d, else to the log. */
  readonly complain: (text: string) => void;
  /** An error with its remedy. */
  readonly failure: (error: unknown) => void;
  /** To stderr always. */
  readonly say: (text: string) => void;
}

/** What kpropd says about polling its primary, in MIT's words (krb5 src/kprop/kpropd.c, do_iprop). */
export class PollLog {
  readonly #o: PollLogOptions;
  /** What was said last about a failure: the same is not said at every poll. */
  #trouble: string | undefined;

  constructor(o: PollLogOptions) {
    this.#o = o;
  }

  event(event: PollEvent): void {
    const { debugLine, log } = this.#o;
    switch (event.kind) {
      case 'begun':
        debugLine('Incremental propagation enabled');
        break;
      case 'connecting':
        debugLine(`Initializing kadm5 as client ${event.client}`);
        break;
      case 'connected':
        debugLine('kadm5 initialization succeeded');
        break;
      case 'unreachable':
        debugLine('kadm5 initialization failed!');
        this.#unreachable(event.error);
        debugLine(
          `Sleeping ${event.retrySeconds} seconds to re-initialize kadm5 (${isRpc(event.error) ? 'RPC ERROR' : 'krb5kdc not running?'})`,
        );
        break;
      case 'no-position':
        if (!this.#isNew(`no position: ${textOf(event.error)}`)) break;
        this.#o.complain(`${asLine(textOf(event.error))} reading update log header`);
        this.#advise(event.error);
        break;
      case 'asking': {
        const { serial, seconds, micros } = event.last;
        debugLine(`Calling iprop_get_updates_1 (sno=${serial} sec=${seconds} usec=${micros})`);
        break;
      }
      case 'call-failed':
        this.#callFailed(event.error, event.call);
        break;
      case 'updates': {
        const { serial, seconds, micros } = event.last;
        debugLine(`Got incremental updates (sno=${serial} sec=${seconds} usec=${micros})`);
        break;
      }
      case 'synchronized':
        this.#trouble = undefined;
        debugLine('KDC is synchronized with primary.');
        break;
      case 'resync-awaited':
        debugLine('Still waiting for full resync');
        break;
      case 'resync-needed':
        debugLine('Full resync needed');
        log('info', 'kpropd: Full resync needed.');
        break;
      case 'resync-answered':
        this.#answered(resyncWords, event.status);
        break;
      case 'refused':
        this.#answered(updateWords, event.status);
        break;
      case 'waiting':
        debugLine(
          event.busy
            ? `Busy signal received from primary, backoff for ${event.seconds} secs`
            : `Waiting for ${event.seconds} seconds before checking for updates again`,
        );
        break;
      case 'applied':
        this.#applied(event);
        break;
      case 'not-applied': {
        const text = event.error instanceof KpropError ? event.error.comErrText : undefined;
        const words = `ulog_replay failed (${asLine(text ?? 'unknown error')}), updates not registered`;
        debugLine(words);
        log('err', `${words}.`);
        this.#advise(event.error);
        break;
      }
      case 'not-begun':
        if (this.#isNew(`not begun: ${textOf(event.error)}`)) this.#o.failure(event.error);
        break;
      case 'given-up':
        this.#o.failure(event.error);
        break;
      case 'done':
        break;
      default:
        unreachable(event);
    }
  }

  #applied({ last, count, micros }: PollEvent & { readonly kind: 'applied' }): void {
    this.#trouble = undefined;
    const text = `Incremental updates: ${count} updates / ${micros} us`;
    this.#o.debugLine(text);
    this.#o.log('info', `${text} (serial ${last.serial}, ${Math.round(micros / 1000)} ms)`);
  }

  #unreachable(error: unknown): void {
    const reason = textOf(error);
    if (!this.#isNew(`unreachable: ${reason}`)) return;
    this.#o.complain(
      isRpc(error)
        ? 'Communication failure with server while attempting to connect to primary KDC ... retrying'
        : `${asLine(reason)} while initializing kpropd interface, retrying`,
    );
    this.#advise(error);
  }

  #callFailed(error: unknown, call: FollowCall): void {
    const what = call === 'get_updates' ? 'iprop_get_updates' : 'iprop_full_resync';
    this.#o.say(asLine(`${what} call failed: ${rpcText(error)}`));
    if (call === 'get_updates') {
      this.#o.debugLine('Reinitializing iprop because get updates failed');
    }
    if (this.#isNew(`call: ${rpcText(error)}`)) this.#advise(error);
  }

  #answered(words: Readonly<Record<number | 'other', Words>>, status: number): void {
    const { debug, log, priority = 'err' } = words[status] ?? words.other;
    const bad = priority === 'err';
    this.#o.debugLine(debug);
    if (log === undefined) return;
    // The status of a primary that denies is met again at every poll.
    if (!bad || this.#isNew(log)) this.#o.log(priority, log);
  }

  #advise(error: unknown): void {
    for (const line of adviceLines(error, [textOf(error)])) {
      this.#o.debugLine(line);
      this.#o.log('info', line);
    }
  }

  /** Whether this trouble was not the last one that was told. */
  #isNew(trouble: string): boolean {
    const isNew = this.#trouble !== trouble;
    this.#trouble = trouble;
    return isNew;
  }
}

interface Words {
  readonly debug: string;
  readonly log?: string;
  readonly priority?: SyslogPriority;
}

const { ok, error, busy, permissionDenied } = updateStatuses;
const resyncWords: Readonly<Record<number | 'other', Words>> = {
  [ok]: {
    debug: 'Full resync request granted',
    log: 'Full resync request granted.',
    priority: 'info',
  },
  [busy]: { debug: 'Exponential backoff' },
  [permissionDenied]: {
    debug: 'Full resync permission denied',
    log: 'Full resync, permission denied.',
  },
  [error]: {
    debug: 'Full resync error from primary',
    log: ' Full resync, error returned from primary KDC.',
  },
  other: {
    debug: 'Full resync invalid result from primary',
    log: 'Full resync, invalid return from primary KDC.',
  },
};
const updateWords: Readonly<Record<number | 'other', Words>> = {
  [busy]: { debug: 'get_updates primary busy; backoff' },
  [permissionDenied]: {
    debug: 'get_updates permission denied',
    log: 'get_updates, permission denied.',
  },
  [error]: {
    debug: 'get_updates error from primary',
    log: 'get_updates, error returned from primary KDC.',
  },
  other: {
    debug: 'get_updates invalid result from primary',
    log: 'get_updates, invalid return from primary KDC.',
  },
};

function textOf(error: unknown): string {
  return error instanceof KpropError ? (error.comErrText ?? error.message) : `${error}`;
}

/** Whether it was the connection, or what MIT's RPC library says, that failed. */
function isRpc(failure: unknown): boolean {
  if (!(failure instanceof KpropError)) return false;
  return (
    failure.phase === 'connect' ||
    /^(network\.(?!unresolved)|iprop\.unreachable)/.test(failure.code)
  );
}

function rpcText(failure: unknown): string {
  if (!(failure instanceof KpropError)) return `${failure}`;
  if (/^rpc\./.test(failure.code)) return failure.comErrText ?? failure.message;
  if (/^network\./.test(failure.code)) {
    const text = isKpropError(failure, 'network.closed')
      ? 'Connection reset by peer'
      : (failure.comErrText ?? failure.message);
    return `RPC: Unable to receive; errno = ${text}`;
  }
  return `RPC: Can't decode result`;
}
