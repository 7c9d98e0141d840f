import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { openAsReply } from '../../src/client/as-reply.ts';
import { parseUriRecords } from '../../src/client/locate-kdc.ts';
import { decode } from '../../src/protocol/asn1/schema.ts';
import { concat, utf8 } from '../../src/protocol/bytes.ts';
import { KpropError } from '../../src/protocol/errors.ts';
import { parseCcache } from '../../src/protocol/formats/ccache.ts';
import { formatKeytab, parseKeytab } from '../../src/protocol/formats/keytab.ts';
import { Krb5Config } from '../../src/protocol/formats/krb5-config.ts';
import { parseProfile } from '../../src/protocol/formats/profile.ts';
import { decodeSize } from '../../src/protocol/messages/size.ts';
import { hostAddressOf } from '../../src/protocol/messages/address.ts';
import { readKrbError } from '../../src/protocol/messages/error.ts';
import { Principal } from '../../src/protocol/messages/principal.ts';
import { openPriv, openPrivPart } from '../../src/protocol/messages/priv.ts';
import { acceptApReq } from '../../src/protocol/session/ap-exchange.ts';
import { faultOf } from '../../src/server/dump-check.ts';
import { codecs } from '../protocol/messages/codecs.ts';
import { seededRandom } from '../support/fixed-ambient.ts';
import {
  acceptor,
  allEnctypes,
  entry,
  forgeApReq,
  forgeCredential,
  replicaName,
  someKey,
} from '../support/forge.ts';
import { fromHex, loadTranscript, messagesOf, transcriptNames } from '../support/transcripts.ts';

/** The longest that one decoding may take: what is quadratic in a kilobyte takes longer. */
const limitMillis = 250;
const rounds = 400;

type Random = (limit: number) => number;

/** One way of damaging bytes; several are combined. */
const damages: readonly ((bytes: Uint8Array, random: Random) => Uint8Array)[] = [
  (bytes, random) => bytes.with(random(bytes.length), random(256)),
  (bytes, random) => flip(bytes, random(bytes.length), random(8)),
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => bytes.subarray(random(bytes.length)),
  (bytes, random) => splice(bytes, random(bytes.length), random(9), random),
  (bytes, random) => repeated(bytes, random),
  (bytes, random) => bytes.with(random(Math.min(bytes.length, 24)), edges[random(edges.length)]!),
  (bytes, random) => bytes.with(random(bytes.length), edges[random(edges.length)]!),
];
const edges = [0, 1, 2, 4, 0x1f, 0x24, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x18, 0x1b, 0x23];

interface Target {
  readonly title: string;
  readonly seeds: readonly Uint8Array[];
  readonly decode: (bytes: Uint8Array) => unknown;
}

const rows = JSON.parse(
  readFileSync(new URL('../vectors/messages-recorded.json', import.meta.url), 'utf8'),
) as readonly { readonly codec: string; readonly bytes: string }[];
const transcripts = transcriptNames.map(loadTranscript);
const messages = transcripts.map(messagesOf);
const someEntries = [18, 23].map((enctype) => entry(replicaName, someKey(enctype)));
const requests = transcripts.map(({ kdcExchanges }) => kdcExchanges[1]!.request);
const replies = transcripts.map(({ kdcExchanges }) => kdcExchanges[1]!.reply);
const sampleDump = transcripts[0]!.dump;
const samplePart = concat(
  fromHex('7c1d301ba00504030102'),
  fromHex('03a30402020080a40c300aa003020102a1030401ff'),
);
const config = `[libdefaults]
  default_realm = EXAMPLE.ORG
  permitted_enctypes = aes -aes128-cts +camellia
  clockskew = 5m 3s
[realms]
  EXAMPLE.ORG = {
    kdc = kdc.example:88
    kdc = [2001:db8::1]:88
    admin_server = "quoted \\" text" # comment
    v4_instance_convert = { a = { b = c* } }
  }
`;

const targets: readonly Target[] = [
  ...Object.entries(codecs).map(([name, codec]): Target => {
    const own = rows.filter((row) => row.codec === name).map(({ bytes }) => fromHex(bytes));
    const byHand = {
      asReq: requests,
      asRep: replies,
      krbPriv: messages.map(({ privs }) => privs[1]!),
    };
    const more = (byHand as Readonly<Record<string, readonly Uint8Array[]>>)[name] ?? [];
    const seeds = [...own, ...more];
    return {
      title: name,
      seeds: seeds.length > 0 ? seeds : [samplePart],
      decode: (bytes) => decode(codec, bytes),
    };
  }),
  {
    title: 'the flat KRB-PRIV decoder',
    seeds: messages.map(({ privs }) => privs[1]!),
    decode: openPriv,
  },
  { title: 'the flat EncKrbPrivPart decoder', seeds: [samplePart], decode: openPrivPart },
  {
    title: 'KRB-ERROR',
    seeds: transcripts.map(({ kdcExchanges }) => kdcExchanges[0]!.reply),
    decode: (bytes) => readKrbError(bytes).text,
  },
  {
    title: 'an AS-REP, with its checks',
    seeds: replies,
    decode: (bytes) => {
      const server = Principal.parse('host/vm@VECTOR.TEST');
      const sent = { message: requests[0]!, client: server, server, nonce: 1, till: 0 };
      const keyFor = (enctype: number) => someKey(enctype);
      return openAsReply(bytes, { ...sent, etypes: allEnctypes, renewAsked: false }, keyFor);
    },
  },
  {
    title: 'the size of a dump',
    seeds: [fromHex('0000a63f'), new Uint8Array(12)],
    decode: decodeSize,
  },
  {
    title: 'a keytab',
    seeds: [formatKeytab(someEntries), formatKeytab(someEntries, 1)],
    decode: (bytes) => parseKeytab(bytes, 'keytab'),
  },
  {
    title: 'a credential cache',
    seeds: ccaches(),
    decode: (bytes) => parseCcache(bytes, 'ccache'),
  },
  {
    title: 'krb5.conf',
    seeds: [utf8(config)],
    decode: (bytes) => {
      const tree = parseProfile(Buffer.from(bytes).toString('latin1'), 'krb5.conf', () => []);
      const parsed = new Krb5Config([tree], ['krb5.conf']);
      return [
        parsed.defaultRealm,
        parsed.permittedEnctypes,
        parsed.clockSkewSeconds,
        parsed.kdcs('EXAMPLE.ORG'),
      ];
    },
  },
  {
    title: 'the check of a dump',
    seeds: [sampleDump, utf8('kdb5_util load_dump version 7\nEnd\n')],
    decode: (bytes) => faultOf(bytes.subarray(0, 256), bytes.subarray(-3000), bytes.length > 3000),
  },
  {
    title: 'a principal',
    seeds: [utf8('host/a\\/b.example@EXAMPLE.ORG')],
    decode: (bytes) => Principal.parse(Buffer.from(bytes).toString('latin1')).toString(),
  },
  {
    title: 'an address',
    seeds: [utf8('2001:db8::ffff:192.0.2.1%eth0'), utf8('192.0.2.1')],
    decode: (bytes) => hostAddressOf(Buffer.from(bytes).toString('latin1')),
  },
  {
    title: 'URI records of DNS',
    seeds: [dnsAnswer()],
    decode: parseUriRecords,
  },
];

describe.each(targets)('$title', ({ title, seeds, decode: run }) => {
  test('damaged, it is an error of ours or a value, and soon', () => {
    const random = seededRandom(title.length * 7919 + seeds.length);
    for (let round = 0; round < rounds; round += 1) {
      survives(run, damaged(seeds[random(seeds.length)]!, random));
    }
  });

  test('whole, it is a value', () => {
    // The reply is a real one, but to nothing that was asked here.
    const refused = title === 'an AS-REP, with its checks';
    for (const seed of seeds) expect(survives(run, seed)).toBe(!refused);
  });

  test('it is no trouble empty, of zeros, of ones, or random', () => {
    const random = seededRandom(title.length);
    survives(run, new Uint8Array(0));
    for (const length of [1, 2, 4, 12, 64, 1000]) {
      survives(run, new Uint8Array(length));
      survives(run, new Uint8Array(length).fill(0xff));
      survives(run, new Uint8Array(length).fill(0x30));
      for (let round = 0; round < 20; round += 1) {
        survives(
          run,
          Uint8Array.from({ length }, () => random(256)),
        );
      }
    }
  });
});

test('a damaged AP-REQ is refused with an error of ours, whatever the enctype', async () => {
  const random = seededRandom(99);
  const whole = allEnctypes.map((enctype) => forgeApReq(forgeCredential({ enctype })));
  for (let round = 0; round < 600; round += 1) {
    const options = acceptor({ anyHost: round % 2 === 0 });
    try {
      await acceptApReq(damaged(whole[random(whole.length)]!, random), options);
    } catch (error) {
      if (!(error instanceof KpropError)) throw error;
    }
  }
});

/** Whether it was decoded; throws for anything but a KpropError, and for taking long. */
function survives(run: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  const started = performance.now();
  let decoded = true;
  try {
    run(bytes);
  } catch (error) {
    if (!(error instanceof KpropError)) {
      throw new Error(`no KpropError for ${Buffer.from(bytes).toString('hex')}`, { cause: error });
    }
    // Whoever reports it must be able to.
    expect(`${error.message}${error.remedy}${error.comErrText}${error.wireNumber}`).toBeTruthy();
    decoded = false;
  }
  expect(performance.now() - started).toBeLessThan(limitMillis);
  return decoded;
}

function damaged(seed: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = seed;
  for (let times = 1 + random(4); times > 0 && bytes.length > 0; times -= 1) {
    bytes = damages[random(damages.length)]!(bytes, random);
  }
  return bytes;
}

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  return bytes.with(at, (bytes[at] as number) ^ (1 << bit));
}

/** Takes some octets out, and puts some others in. */
function splice(bytes: Uint8Array, at: number, count: number, random: Random): Uint8Array {
  const put = Uint8Array.from({ length: random(9) }, () => random(256));
  return concat(bytes.subarray(0, at), put, bytes.subarray(at + count));
}

function repeated(bytes: Uint8Array, random: Random): Uint8Array {
  const start = random(bytes.length);
  const run = bytes.subarray(start, start + 1 + random(40));
  return concat(bytes.subarray(0, start), run, run, bytes.subarray(start));
}

function ccaches(): readonly Uint8Array[] {
  const file = new URL('../vectors/formats-ccache.json', import.meta.url);
  return [
    ...JSON.stringify(JSON.parse(readFileSync(file, 'utf8'))).matchAll(/"(0504[0-9a-f]{40,})"/g),
  ].map(([, hex]) => fromHex(hex!));
}

function dnsAnswer(): Uint8Array {
  const header = fromHex('123481800001000100000000');
  const question = fromHex('095f6b65726265726f7307455841'.concat('4d504c45034f5247000100', '0001'));
  const target = utf8('krb5srv:m:udp:kdc.example:88');
  const length = Uint8Array.of(0, 4 + target.length);
  return concat(
    header,
    question,
    fromHex('c00c0100000100000e10'),
    length,
    fromHex('000a0001'),
    target,
  );
}
