import { describe, expect, test } from 'vitest';

import { getopt } from '../../src/cli/getopt.ts';

const known = [
  ...['r', 'f', 'P', 's', 'ccache'].map((name) => ({ name, value: 'text', about: '' })),
  ...['d', 'gss', 'help', 'version'].map((name) => ({ name, about: '' })),
];
const read = (...args: string[]) => getopt(args, known);
const option = (name: string, value?: string) => ({ name, value });

describe('short options', () => {
  test.each([
    [['-P', '754', 'host'], [option('P', '754')]],
    [['-P754', 'host'], [option('P', '754')]],
    [
      ['-dP', '754', 'host'],
      [option('d'), option('P', '754')],
    ],
    [
      ['-dP754', 'host'],
      [option('d'), option('P', '754')],
    ],
    [
      ['-ddd', 'host'],
      [option('d'), option('d'), option('d')],
    ],
    [
      ['host', '-P', '754', '-d'],
      [option('P', '754'), option('d')],
    ],
    [['-P', '-d', 'host'], [option('P', '-d')]],
    [['-P', '--', 'host'], [option('P', '--')]],
    [['-f', '', 'host'], [option('f', '')]],
    [['-P=754', 'host'], [option('P', '=754')]],
  ])('%j', (args, options) => {
    expect(read(...args)).toEqual({ options, operands: ['host'], complaints: [] });
  });

  test.each([
    [['-x', 'host'], ["invalid option -- 'x'"]],
    [['-dxd', 'host'], ["invalid option -- 'x'"]],
    [['-:', 'host'], ["invalid option -- ':'"]],
    [
      ['-x', '-y', 'host'],
      ["invalid option -- 'x'", "invalid option -- 'y'"],
    ],
    [['host', '-P'], ["option requires an argument -- 'P'"]],
    [['host', '-dP'], ["option requires an argument -- 'P'"]],
  ])('%j is complained of', (args, complaints) => {
    expect(read(...args)).toMatchObject({ operands: ['host'], complaints });
  });

  test('a lone hyphen is an operand, and so is all behind --', () => {
    expect(read('-', 'x')).toMatchObject({ options: [], operands: ['-', 'x'] });
    expect(read('-d', '--', '-P', '--', 'x').operands).toEqual(['-P', '--', 'x']);
    expect(read('a', '--', '-d')).toMatchObject({ options: [], operands: ['a', '-d'] });
  });
});

describe('long options', () => {
  test.each([
    [['--ccache', 'FILE:/x'], [option('ccache', 'FILE:/x')]],
    [['--ccache=FILE:/x=y'], [option('ccache', 'FILE:/x=y')]],
    [['--ccache='], [option('ccache', '')]],
    [['--cc=x'], [option('ccache', 'x')]],
    [['--ver'], [option('version')]],
    [['host', '--gss'], [option('gss')]],
  ])('%j', (args, options) => {
    expect(read(...args)).toMatchObject({ options, complaints: [] });
  });

  test.each([
    ['--nonsense', "unrecognized option '--nonsense'"],
    ['--nonsense=x', "unrecognized option '--nonsense=x'"],
    ['--gss=yes', "option '--gss' doesn't allow an argument"],
    ['--ccache', "option '--ccache' requires an argument"],
  ])('%s', (arg, complaint) => {
    expect(read(arg).complaints).toEqual([complaint]);
  });

  test('cut so short that two fit, or written out although another begins with it', () => {
    const like = ['pid-file', 'pid', 'pid-folder'].map((name) => ({ name, about: '' }));
    const ambiguous = getopt(['--pid-f=x'], like);
    expect(ambiguous.complaints).toEqual([
      "option '--pid-f=x' is ambiguous; possibilities: '--pid-file' '--pid-folder'",
    ]);
    expect(getopt(['--pid'], like)).toMatchObject({ options: [option('pid')], complaints: [] });
  });
});
