import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat, utf8 } from '../../../../src/protocol/bytes.ts';
import { framed, readFrame } from '../../../../src/protocol/channel/frame.ts';
import { decode } from '../../../../src/protocol/der/schema.ts';
import { apRep, encApRepPart } from '../../../../src/protocol/krb5/messages/ap.ts';
import { keyOf } from '../../../../src/protocol/krb5/session/ap-exchange.ts';
import { openPart } from '../../../../src/protocol/krb5/session/enc-part.ts';
import { recvauth, sendauth } from '../../../../src/protocol/krb5/session/sendauth.ts';
import { Session } from '../../../../src/protocol/krb5/session/session.ts';
import { channelPair, clientAddress, serverAddress } from '../../../support/wire/channel-pair.ts';
import { someBytes } from '../../../support/wire/conversation.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { seededAmbient } from '../../../support/wire/fixed-ambient.ts';
import {
  acceptor,
  forgeApReq,
  forgeCredential,
  nowMicros,
  primaryName,
  replicaName,
  someKey,
} from '../../../support/wire/forge.ts';

const application = 'kprop5_01';
const ambient = seededAmbient(nowMicros, 4);
const goodVersions = concat(
  ...framed(utf8('KRB5_SENDAUTH_V1.0\0')),
  ...framed(utf8('kprop5_01\0')),
);

function pair() {
  const both = channelPair();
  both.client.during('authenticating', 1_000);
  both.server.during('authenticating', 1_000);
  return both;
}

describe.each(enctypes)('both, with enctype %i', (enctype) => {
  test('share a session: each reads what the other writes', async () => {
    const { client, server } = pair();
    const [near, far] = await Promise.all([
      sendauth(client, { application, credential: forgeCredential({ enctype }), ambient }),
      recvauth(server, { ...acceptor(), application }),
    ]);
    expect(far.session.readSafe(near.makeSafe(someBytes(4)))).toEqual(someBytes(4));
    expect(near.readSafe(far.session.makeSafe(someBytes(5)))).toEqual(someBytes(5));
    expect(far).toMatchObject({ ticketEnctype: enctype });
    expect(far.client.equals(primaryName) && far.server.equals(replicaName)).toBe(true);
  });

  test('with a subkey in the authenticator, it protects both directions', async () => {
    const { client, server } = pair();
    const own = forgeCredential({ enctype });
    const subkey = { keytype: enctype, keyvalue: someKey(enctype, 99).bytes };
    const request = forgeApReq(own, { subkey, seqNumber: 41 });
    await client.write(goodVersions, ...framed(request));
    const options = { ...acceptor({ subkey: 'as-client' }), application };
    const { session } = await recvauth(server, options);
    await client.read(1 + 4);
    const reply = decode(apRep, await readFrame(client, 'AP-REP', 65_536));
    const { seqNumber = 0 } = openPart(encApRepPart, reply.encPart, own.sessionKey, 12);
    const near = (key = keyOf(subkey)) =>
      new Session({
        client: primaryName,
        server: replicaName,
        key,
        localAddress: clientAddress,
        sendSequence: 41,
        receiveSequence: seqNumber,
        ambient,
      });
    expect(near().readSafe(session.makeSafe(someBytes(5)))).toEqual(someBytes(5));
    const withSessionKey = near(own.sessionKey).makeSafe(someBytes(4));
    expect(() => session.readSafe(withSessionKey)).toThrow(KpropError);
    const writer = near();
    expect(session.readSafe(writer.makeSafe(someBytes(4)))).toEqual(someBytes(4));
    const block = concat(...writer.sealer()(someBytes(1000)).flat());
    expect(session.opener()(block)).toEqual(someBytes(1000));
    expect(server.ends.local).toEqual(serverAddress);
  });
});
