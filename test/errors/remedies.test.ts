import { describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';

const elsewhere = "look at the replica's syslog (journalctl -t kpropd): kpropd says more there";

const remedyFor = (text: string, number = 60) =>
  new KpropError('peer.refused', { peer: 'replica.example port 754', number, text }).remedy;

describe('the remedy for what a replica says', () => {
  test.each([
    ['host/a.example@EXAMPLE is not authorized to propagate to this host', /kpropd\.acl/],
    ['No space left on device while writing database block starting at offset 32768', /make room/],
    ['the spool file is locked by another propagation', /still running/],
    [
      "the spool file is locked by another propagation while trying to lock '/var/lib/x'",
      /still running/,
    ],
    ['Encryption type not permitted', /permitted_enctypes/],
  ])('%s', (text, remedy) => {
    expect(remedyFor(text)).toMatch(remedy);
  });

  test.each([
    '/opt/oracle/kdb5_util returned a bad exit status (1)',
    'Database module not initialized while opening database',
    'cannot open /var/locker/from_master',
    'cannot write /srv/not in use/from_master',
    'look: No space left on device',
    'unauthorized ACL access is not permitted by the block device',
  ])('no word inside free text is taken for a reason: %s', (text) => {
    expect(remedyFor(text)).toBe(elsewhere);
  });

  test('a number of its own says what to do, whatever the text', () => {
    expect(remedyFor('Clock skew too great in /opt/oracle', 37)).toMatch(/NTP/);
  });
});
