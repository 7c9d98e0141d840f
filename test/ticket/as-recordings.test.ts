import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { expect, test } from 'vitest';

import { decode } from '../../src/protocol/der/schema.ts';
import { enctypeName } from '../../src/protocol/krb5/crypto/profiles.ts';
import { Krb5Config } from '../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../src/protocol/krb5/formats/profile.ts';
import { asReq, paEncTsEnc } from '../../src/protocol/krb5/messages/as.ts';
import { readKrbError } from '../../src/protocol/krb5/messages/error.ts';
import { encryptedData } from '../../src/protocol/krb5/messages/parts.ts';
import { nameTypes, Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { openPart } from '../../src/protocol/krb5/session/enc-part.ts';
import { requestServiceTicket } from '../../src/ticket/as-exchange.ts';
import { fixedAmbient } from '../support/wire/fixed-ambient.ts';
import {
  confounderOf,
  loadTranscript,
  openHandshake,
  type Transcript,
  transcriptNames,
  uint32Bytes,
} from '../support/wire/transcripts.ts';

test.each(transcriptNames)(
  'the AS exchange of MIT krb5, %s, is repeated byte for byte',
  async (name) => {
    const transcript = loadTranscript(name);
    const heard: Uint8Array[] = [];
    const kdc = createSocket('udp4');
    kdc.on('message', (request, from) => {
      const { reply } = transcript.kdcExchanges[heard.length]!;
      heard.push(new Uint8Array(request));
      kdc.send(reply, from.port, from.address);
    });
    kdc.bind(0, '127.0.0.1');
    await once(kdc, 'listening');
    try {
      const { components, realm } = transcript.principal;
      const ambient = ambientOf(transcript);
      const credential = await requestServiceTicket({
        client: Principal.of(realm, components, nameTypes.srvHst),
        server: Principal.of(realm, components, nameTypes.principal),
        keytab: transcript.keytab,
        config: configOf(transcript, kdc.address().port),
        ambient,
      });
      const wanted = transcript.kdcExchanges.map(({ request }) => request);
      expect(heard).toEqual(wanted);
      expect(ambient.left).toBe(0);
      const recorded = openHandshake(transcript).credential;
      expect(credential.ticket).toEqual(recorded.ticket);
      expect(credential.sessionKey.bytes).toEqual(recorded.sessionKey.bytes);
      expect(credential.endTime).toBe(recorded.endTime);
    } finally {
      kdc.close();
    }
  },
);

/** The clock and the randomness of the recorded client, from what it sent. */
function ambientOf({ kdcExchanges, longTermKey }: Transcript) {
  const [first, second] = kdcExchanges.map(({ request }) => decode(asReq, request));
  const sealed = decode(encryptedData, second!.padata![1]!.padataValue);
  const stamp = openPart(paEncTsEnc, sealed, longTermKey, 1);
  const { stime, susec } = readKrbError(kdcExchanges[0]!.reply).message;
  const started = (first!.reqBody.till - 86_400) * 1e6;
  const elapsed = (stamp.patimestamp - stime) * 1e6 + (stamp.pausec ?? 0) - susec;
  // The request is dated twice; then the error comes; what is stamped then is so much later.
  return fixedAmbient(
    [started, started, started, started + elapsed],
    [
      uint32Bytes(first!.reqBody.nonce),
      confounderOf(longTermKey, 1, sealed.cipher),
      uint32Bytes(second!.reqBody.nonce),
    ],
  );
}

function configOf({ principal, enctype }: Transcript, port: number): Krb5Config {
  const text = [
    '[libdefaults]',
    'dns_lookup_kdc = false',
    'allow_weak_crypto = true',
    `permitted_enctypes = ${enctypeName(enctype)}`,
    '[realms]',
    `${principal.realm} = {`,
    `kdc = 127.0.0.1:${port}`,
    '}',
  ];
  return new Krb5Config([parseProfile(text.join('\n'), 'krb5.conf', () => [])], ['krb5.conf']);
}
