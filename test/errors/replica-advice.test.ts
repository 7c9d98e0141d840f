import { describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';

const elsewhere = 'on the replica, run `journalctl -t kpropd`: kpropd says more there';

const remedyFor = (text: string, number = 60) =>
  new KpropError('peer.refused', { peer: 'replica.example port 754', number, text }).remedy;

describe('the remedy for what a replica says', () => {
  test.each([
    ['host/a.example@EXAMPLE is not authorized to propagate to this host', /kpropd\.acl/],
    ['No space left on device while writing database block starting at offset 32768', /make room/],
    ['the spool file is locked by another propagation', /^wait for it to end/],
    [
      "the spool file is locked by another propagation while trying to lock '/var/lib/x'",
      /^wait for it to end/,
    ],
    ['Encryption type not permitted', /permitted_enctypes/],
    ['/opt/oracle/kdb5_util returned a bad exit status (1)', /journalctl -t kpropd`$/],
    ['No such file or directory while trying to exec kdb5_util', /apt-get install krb5-kdc/],
    ['Permission denied while trying to exec kdb5_util', /names the file/],
    ['kdb5_util load terminated by SIGKILL', /dmesg/],
    ['the propagation did not end within 300 s', /--timeout=1200/],
    [
      'host/a@E is not authorized to propagate to this host: its line 3 lacks the realm',
      /write `host\/a@E` as line 3 of/,
    ],
  ])('%s', (text, remedy) => {
    expect(remedyFor(text)).toMatch(remedy);
  });

  test.each([
    'Database module not initialized while opening database',
    'cannot open /var/locker/from_master',
    'cannot write /srv/not in use/from_master',
    'look: No space left on device',
    'unauthorized ACL access is not permitted by the block device',
  ])('no word inside free text is taken for a reason: %s', (text) => {
    expect(remedyFor(text)).toBe(elsewhere);
  });

  // Of two keys the one with the higher version is used; that of a principal made anew is lower.
  test.each([31, 44])('number %i: old keys go before the new one comes', (number) => {
    expect(remedyFor('', number)).toMatch(
      /`kadmin -q "ktremove \S+ all"`, then `kadmin -q "ktadd /,
    );
  });

  test('a number of its own says what to do, whatever the text', () => {
    expect(remedyFor('Clock skew too great in /opt/oracle', 37)).toMatch(/timedatectl/);
  });
});
