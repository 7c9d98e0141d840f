import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { getopt } from '../../../src/cli/getopt.ts';
import { kpropdOptions } from '../../../src/cli/kpropd/options.ts';
import { parseDefaultPaths } from '../../../src/host/default-paths.ts';
import { faultOf } from '../../../src/kdb/dump/completeness.ts';
import { systemAmbient } from '../../../src/protocol/ambient.ts';
import { concat, utf8 } from '../../../src/protocol/bytes.ts';
import { type Codec, decode } from '../../../src/protocol/der/schema.ts';
import { decodeReply } from '../../../src/protocol/iprop/rpc.ts';
import { updatesReply } from '../../../src/protocol/iprop/updates.ts';
import { decodeSize } from '../../../src/protocol/kprop/size.ts';
import { parseCcache } from '../../../src/protocol/krb5/formats/ccache.ts';
import { parseKeytab } from '../../../src/protocol/krb5/formats/keytab.ts';
import { Krb5Config } from '../../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../../src/protocol/krb5/formats/profile.ts';
import {
  parseBoolean,
  parseDuration,
  parseInteger,
} from '../../../src/protocol/krb5/formats/values.ts';
import { messageTokens } from '../../../src/protocol/krb5/gss/message-tokens.ts';
import { unframeToken } from '../../../src/protocol/krb5/gss/token-frame.ts';
import { hostAddressOf } from '../../../src/protocol/krb5/messages/address.ts';
import { readKrbError } from '../../../src/protocol/krb5/messages/error.ts';
import { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { openPriv, openPrivPart } from '../../../src/protocol/krb5/messages/priv.ts';
import { opaque } from '../../../src/protocol/xdr/primitives.ts';
import { decode as decodeXdr } from '../../../src/protocol/xdr/schema.ts';
import { Acl } from '../../../src/server/acl.ts';
import { openAsReply } from '../../../src/ticket/as-reply.ts';
import { parseUriRecords } from '../../../src/ticket/locate-kdc.ts';
import { codecs } from '../../protocol/krb5/messages/codecs.ts';
import { packageRoot } from '../lab/package-root.ts';
import { enctypes } from './enctypes.ts';
import { entry, replicaName, someKey } from './forge.ts';
import { formatKeytab } from './format-keytab.ts';
import { openRecording } from './iprop-recording.ts';
import { fromHex, loadTranscript, messagesOf, transcriptNames } from './transcripts.ts';

/** Something that reads bytes of strangers or of files, with well-formed bytes to start from. */
export interface DecoderTarget {
  readonly title: string;
  readonly seeds: readonly Uint8Array[];
  /** @throws KpropError for what it refuses, and nothing else */
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Of the messages that a schema describes. */
  readonly codec?: Codec<unknown>;
}

const vector = (name: string) =>
  readFileSync(join(packageRoot, 'test', 'vectors', `${name}.json`), 'utf8');
const rows = JSON.parse(vector('messages-recorded')) as readonly {
  readonly codec: string;
  readonly bytes: string;
}[];
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

export const decoderTargets: readonly DecoderTarget[] = [
  ...Object.entries(codecs).map(([name, codec]): DecoderTarget => {
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
      codec,
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
      return openAsReply(bytes, { ...sent, etypes: enctypes, renewAsked: false }, keyFor);
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
    title: 'kpropd.acl',
    seeds: [utf8(`${replicaName}\n${replicaName} aes256-cts\n# comment\nhost/x@R\t\n`)],
    decode: (bytes) => Acl.parse(bytes, 'kpropd.acl').permits(replicaName, 18),
  },
  {
    title: 'kprop.json',
    seeds: [utf8('{ "dump": "/var/lib/krb5kdc/dump", "acl": "/etc/kpropd.acl" }')],
    decode: (bytes) => parseDefaultPaths(Buffer.from(bytes).toString('latin1'), 'kprop.json'),
  },
  {
    title: 'a value of krb5.conf',
    seeds: ['1d2h', '36000', '10:00', '1-10:00:00', '-5', ' 3m 4s', 'yes'].map(utf8),
    decode: (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      return [parseBoolean(text), parseInteger(text), parseDuration(text)];
    },
  },
  {
    title: 'a command line',
    seeds: [utf8('-dP\u0000754\u0000--pid-file=x\u0000-a/acl\u0000--\u0000host')],
    decode: (bytes) => getopt(Buffer.from(bytes).toString('latin1').split('\0'), kpropdOptions),
  },
  {
    title: 'an address',
    seeds: [utf8('2001:db8::ffff:192.0.2.1%eth0'), utf8('192.0.2.1')],
    decode: (bytes) => hostAddressOf(Buffer.from(bytes).toString('latin1')),
  },
  {
    title: 'the updates of a primary',
    seeds: updateReplies(),
    decode: (bytes) => decodeXdr(updatesReply, bytes),
  },
  {
    title: 'an RPC reply',
    seeds: ipropRecording().replies,
    decode: (bytes) => decodeReply(bytes, 'the primary'),
  },
  { title: 'a GSS token', seeds: [ipropRecording().token], decode: unframeToken },
  {
    title: 'URI records of DNS',
    seeds: [dnsAnswer()],
    decode: parseUriRecords,
  },
];

function ccaches(): readonly Uint8Array[] {
  return [
    ...JSON.stringify(JSON.parse(vector('formats-ccache'))).matchAll(/"(0504[0-9a-f]{40,})"/g),
  ].map(([, hex]) => fromHex(hex!));
}

function ipropRecording() {
  return openRecording('aes256-cts-hmac-sha1-96');
}

/** What kadmind answered when it was asked for updates. */
function updateReplies(): readonly Uint8Array[] {
  const { key, replies } = ipropRecording();
  const options = {
    side: 'initiator',
    key,
    acceptorSubkey: true,
    ambient: systemAmbient(),
  } as const;
  const { body } = decodeReply(replies[1]!, 'the primary');
  return [messageTokens(options).unwrap(decodeXdr(opaque, body)).message.slice(4)];
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
