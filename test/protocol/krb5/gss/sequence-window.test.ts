import { expect, test } from 'vitest';

import { SequenceWindow } from '../../../../src/protocol/krb5/gss/sequence-window.ts';

const replayed = expect.objectContaining({ code: 'session.replayed' });

test('numbers in order, with gaps, and late ones are accepted, each once', () => {
  const window = new SequenceWindow();
  for (const number of [100, 101, 110, 105, 200, 137]) window.accept(number);
  for (const number of [100, 101, 110, 105, 200, 137]) {
    expect(() => window.accept(number)).toThrow(replayed);
  }
});

test('a number 64 below the highest is refused, for nobody remembers those', () => {
  const window = new SequenceWindow();
  window.accept(1_000);
  window.accept(937);
  expect(() => window.accept(936)).toThrow(replayed);
});
