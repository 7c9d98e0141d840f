import { expect, test } from 'vitest';

import { nameBytes, nameText, Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { Acl } from '../../src/server/acl.ts';

// What fuzzing has found, one test for each: the seed is gone, the case stays.

test('the ACL knows a principal of which one part is UTF-8 and another is not', () => {
  const latin1 = nameText(Uint8Array.of(0x52, 0xe9));
  const client = Principal.of(latin1, ['host', 'é']);
  const acl = Acl.parse(nameBytes(`${client}\n`), 'acl');
  expect(acl.permits(client, 18)).toBe(true);
  expect(acl.permits(Principal.of('Ré', ['host', 'é']), 18)).toBe(false);
});
