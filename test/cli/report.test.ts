import { describe, expect, test } from 'vitest';

import {
  adviceLines,
  asLine,
  mitLines,
  mitText,
  noticeLines,
  senderAdviceLines,
  wrapped,
} from '../../src/cli/report.ts';
import { KpropError, type Phase } from '../../src/errors/kprop-error.ts';

const refusal = (number: number, text: string, phase: Phase) =>
  new KpropError('peer.refused', { peer: 'replica port 754', number, text }, { phase });
const closed = (phase?: Phase) =>
  new KpropError('network.closed', { peer: 'replica port 754', while: 'testing' }).during(
    phase ?? 'connect',
    'while testing',
  );

describe("MIT's lines", () => {
  test("are com_err's: program, text of the error, step", () => {
    const error = new KpropError('keytab.missing', { path: '/k', errno: 'EACCES' });
    error.during('credentials', 'while getting initial credentials');
    expect(mitLines('kprop', error)).toEqual([
      'kprop: Permission denied while getting initial credentials',
    ]);
  });

  test('are the step alone where MIT prints no error text', () => {
    const error = new KpropError('dump.locked', { path: '/d' }).during('dump', 'database locked');
    expect(mitText(error)).toBe('database locked');
  });

  test('are our own words where no step is known', () => {
    const error = new KpropError('dump.not-ready', { path: '/d', okPath: '/d.dump_ok' });
    expect(mitText(error)).toBe("'/d' more recent than '/d.dump_ok'.");
  });

  test('name a host that does not resolve, without a step', () => {
    const error = new KpropError('network.unresolved', { host: 'nosuch', reason: 'ENOTFOUND' });
    error.during('connect', 'while connecting to server');
    expect(mitLines('kprop', error)).toEqual(['kprop: nosuch: Name or service not known']);
  });

  // krb5 src/kprop/kprop.c: the two places where a KRB-ERROR may come, and its three kinds.
  const rejected =
    'kprop: Server rejected authentication (during sendauth exchange) while authenticating to server';
  test.each<[string, KpropError, string[]]>([
    [
      '60 with a text',
      refusal(60, 'No space left', 'confirm'),
      ['Generic remote error: No space left'],
    ],
    ['60 without', refusal(60, '', 'confirm'), []],
    ['0', refusal(0, 'whatever', 'confirm'), []],
    [
      'another number with a text',
      refusal(31, 'Decrypt integrity check failed', 'blocks'),
      [
        'kprop: Decrypt integrity check failed signalled from server',
        'Error text from server: Decrypt integrity check failed',
      ],
    ],
    [
      'another number without',
      refusal(37, '', 'confirm'),
      ['kprop: Clock skew too great signalled from server'],
    ],
    [
      'a number that no table knows',
      refusal(99, '', 'confirm'),
      ['kprop: KRB5 error code 99 signalled from server'],
    ],
    [
      '60 in the handshake',
      refusal(60, 'oops', 'authenticate'),
      [rejected, 'Generic remote error: oops'],
    ],
    ['0 in the handshake', refusal(0, 'oops', 'authenticate'), [rejected]],
    [
      '45 in the handshake',
      refusal(45, 'Service key not available', 'authenticate'),
      [
        rejected,
        'kprop: Service key not available signalled from server',
        'Error text from server: Service key not available',
      ],
    ],
  ])('of a KRB-ERROR with number %s', (_, error, lines) => {
    expect(mitLines('kprop', error)).toEqual(lines);
  });

  test('of a bug of ours are its stack', () => {
    const lines = mitLines('kprop', new TypeError('x is not a function'));
    expect(lines.join('\n')).toMatch(
      /^kprop: internal error: TypeError: x is not a function\n +at /,
    );
    expect(mitLines('kprop', 'thrown')).toEqual(['kprop: internal error: thrown']);
  });
});

describe('what a peer puts into its names', () => {
  test('is neither obeyed by a terminal nor taken for another line', () => {
    expect(asLine('a\u001b[2Jb\nc\u202ed\u2028e\u009bf\u200b ä')).toBe('a?[2Jb?c?d?e?f? ä');
  });

  test('fills no log, and does not cost the remedy', () => {
    const error = new KpropError('dump.locked', { path: 'x'.repeat(65_536) });
    expect(Buffer.byteLength(asLine(error.message))).toBe(2_500);
    expect(asLine(asLine(error.message))).toBe(asLine(error.message));
    const [cause, fix] = adviceLines(
      new KpropError('spool.write', { path: 'x'.repeat(9_999), errno: 'EIO' }),
      [],
    );
    expect(cause?.length).toBeLessThan(2_500);
    expect(fix).toMatch(/^fix: let kpropd write/);
  });
});

describe('the advice', () => {
  const error = new KpropError('keytab.missing', { path: '/k', errno: 'EACCES' });
  const advice = (of: unknown, ...above: string[]) => adviceLines(of, above);

  test('says what is behind the failure and what to do, on a line each', () => {
    expect(advice(error, 'kprop: Permission denied while getting initial credentials')).toEqual([
      'cause: cannot read the keytab /k: Permission denied',
      'fix: run this as root',
    ]);
    expect(advice(new TypeError('a bug'))).toEqual([]);
    expect(senderAdviceLines(new TypeError('a bug'), [])).toEqual([]);
  });

  test('does not repeat the line above', () => {
    const unresolved = new KpropError('network.unresolved', {
      host: 'nosuch',
      reason: 'ENOTFOUND',
    });
    expect(advice(unresolved, ...mitLines('kprop', unresolved))).toEqual([
      expect.stringMatching(/^fix: /),
    ]);
    const told = refusal(60, 'oops', 'confirm');
    expect(advice(told, ...mitLines('kprop', told))).toEqual([expect.stringMatching(/^fix: /)]);
  });

  test('that was found on this host replaces that of the code', () => {
    const found = new KpropError('keytab.missing', { path: '/k', errno: 'ENOENT' });
    found.advise(undefined).advise({ why: 'a reason', remedy: 'do this' }).advise({ remedy: 'no' });
    expect(advice(found)).toEqual(['cause: a reason', 'fix: do this']);
  });

  test.each<[Phase, RegExp]>([
    ['size', /^cause: replica port 754 closed .* if kpropd\.acl there lacks .* its file$/],
    ['blocks', /^cause: replica port 754 closed .* if kpropd\.acl there lacks .* its file$/],
    ['confirm', /its file, or if kdb5_util load fails$/],
  ])("knows why MIT's kpropd hangs up in phase %s", (phase, reason) => {
    expect(senderAdviceLines(closed(phase), [])[0]).toMatch(reason);
    // A replica does not say of its primary that it is one of MIT's replicas.
    expect(advice(closed(phase)).join()).not.toMatch(/MIT's kpropd/);
  });

  test('does not guess where there is another reason', () => {
    const early = closed('authenticate');
    expect(senderAdviceLines(early, [])).toEqual(advice(early));
    const told = refusal(60, 'oops', 'confirm');
    expect(senderAdviceLines(told, [])).toEqual(advice(told));
  });

  test('of a warning is a line of its own', () => {
    expect(noticeLines('warning', { text: 'odd', remedy: 'do this' })).toEqual([
      'warning: odd',
      'fix: do this',
    ]);
    expect(noticeLines('note', { text: 'odd' })).toEqual(['note: odd']);
  });
});

describe('on a terminal', () => {
  const line = 'fix: on the replica, run `kadmin -q "ktadd host/a"`, then do something else';

  test('lines are broken at blanks, but not within what is to be copied', () => {
    expect(wrapped([line], 40)).toEqual([
      'fix: on the replica, run',
      '     `kadmin -q "ktadd host/a"`, then do',
      '     something else',
    ]);
    // Longer than the terminal is wide: that is left to the terminal.
    expect(wrapped([line], 20)).toContain('     `kadmin -q "ktadd host/a"`,');
  });

  test('short lines stay, and without a terminal all do', () => {
    expect(wrapped([line], 80)).toEqual([line]);
    expect(wrapped([line], undefined)).toEqual([line]);
  });
});
