import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Credential } from '../../src/protocol/krb5/session/credential.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import { labCredential, presentApReq } from '../support/rig/attacker.ts';
import { forgeApReq, type RequestFields } from '../support/wire/forge.ts';

let lab: Lab;
let credential: Credential;
let our: Kpropd;
let mit: Kpropd;
beforeAll(async () => {
  lab = await Lab.create();
  credential = await labCredential(lab);
  // One and the same request is shown to both.
  const env = { KRB5RCACHENAME: 'none:' };
  [our, mit] = await Promise.all([lab.startOurKpropd({ env }), lab.startMitKpropd({ env })]);
});
afterAll(() => lab.close());

/** The ticket with another number where tkt-vno stands. */
function withTicketVersion(version: number): Credential {
  const ticket = Buffer.from(credential.ticket);
  ticket[ticket.indexOf(Buffer.from('a003020105', 'hex')) + 4] = version;
  return { ...credential, ticket: Uint8Array.from(ticket) };
}

const unsupported = { number: 3, text: 'Requested protocol version not supported' };

test.each<readonly [string, RequestFields, number | undefined, unknown]>([
  ['of version 5 throughout', {}, undefined, 'welcome'],
  ['of version 4', { pvno: 4 }, undefined, unsupported],
  ['with a ticket of version 4', {}, 4, unsupported],
  ['with a ticket of version 6', {}, 6, unsupported],
  ['with an authenticator of version 4', { authenticatorVno: 4 }, undefined, unsupported],
])('both kpropds judge alike an AP-REQ %s', async (_title, fields, ticketVersion, answer) => {
  const shown = ticketVersion === undefined ? credential : withTicketVersion(ticketVersion);
  const request = forgeApReq(shown, { ctime: Math.floor(Date.now() / 1000), ...fields });
  expect(await presentApReq(mit.port, request)).toEqual(answer);
  expect(await presentApReq(our.port, request)).toEqual(answer);
});
