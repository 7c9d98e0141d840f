import { expect, test } from 'vitest';

import { readRecord, writeRecord } from '../../../src/protocol/channel/record-mark.ts';
import { channelPair } from '../../support/wire/channel-pair.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

const read = async (hex: string, limitBytes = 100) => {
  const { client: sender, server: receiver } = channelPair();
  await sender.write(fromHex(hex));
  void sender.close({ lingerMillis: 100, lingerBytes: 0 });
  return toHex(await readRecord(receiver, 'record', limitBytes));
};

test('a record is written as one fragment, whose mark has the highest bit', async () => {
  const { client: sender, server: receiver } = channelPair();
  await writeRecord(sender, fromHex('aabbcc'));
  expect(toHex(await receiver.read(7))).toBe('80000003aabbcc');
});

test.each([
  ['one fragment', '80000003aabbcc', 'aabbcc'],
  ['three fragments', '00000001aa00000001bb80000001cc', 'aabbcc'],
  ['an empty last fragment, as MIT sends it after a full one', '00000001aa80000000', 'aa'],
  ['nothing', '80000000', ''],
])('%s', async (_, hex, expected) => {
  expect(await read(hex)).toBe(expected);
});

test.each([
  ['a fragment of 2 GB', 'ffffffffaa'],
  ['fragments that are too long together', `00000040${'aa'.repeat(64)}80000040${'aa'.repeat(64)}`],
  ['empty fragments for ever', '000000000000000000000000'],
])('%s: refused', async (_, hex) => {
  await expect(read(hex)).rejects.toMatchObject({ code: 'message.too-long' });
});

test.each([
  ['mark', '8000'],
  ['fragment', '80000003aa'],
  ['next mark', '00000001aa00'],
])('an end in the %s', async (_, hex) => {
  await expect(read(hex)).rejects.toMatchObject({ code: 'network.closed' });
});
