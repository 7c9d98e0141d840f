import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { keytabReader } from '../src/host/keytab-file.ts';
import { flags, int32 } from '../src/protocol/der/primitives.ts';
import { application, encode, field, sequence } from '../src/protocol/der/schema.ts';
import { enctypeName } from '../src/protocol/krb5/crypto/profiles.ts';
import { encryptedData } from '../src/protocol/krb5/messages/parts.ts';
import { Principal } from '../src/protocol/krb5/messages/principal.ts';
import { ticket } from '../src/protocol/krb5/messages/ticket.ts';
import { type AcceptorOptions, acceptApReq } from '../src/protocol/krb5/session/ap-exchange.ts';
import { enctypes } from '../test/support/wire/enctypes.ts';
import {
  acceptor,
  entry,
  forgeApReq,
  forgeCredential,
  holding,
  replicaName,
  someKey,
} from '../test/support/wire/forge.ts';
import { formatKeytab } from '../test/support/wire/format-keytab.ts';
import { median, type Part } from './part.ts';

/** Longer than this takes nobody who has proved nothing. */
const targetMicros = 1_000;
const apReqLimitBytes = 32 * 1024;

interface Case {
  readonly what: string;
  readonly message: Uint8Array;
  readonly acceptor?: Partial<AcceptorOptions>;
}

/** What the AP-REQ of somebody who has proved nothing costs the only thread. */
export const stranger: Part = {
  name: 'stranger',
  about: "CPU time of a stranger's worst AP-REQs",
  async measure({ say }) {
    const raw: Record<string, number> = {};
    for (const { what, message, acceptor: own } of [...messages(), ...sealed()]) {
      const replica = acceptor({ replay: { store: async () => undefined }, ...own });
      raw[what] = await microsOf(() => refuse(message, replica));
    }
    for (const entries of [8, 1_000]) {
      raw[`reading a keytab of ${entries} entries`] = await keytabMicros(entries);
    }
    for (const [what, micros] of Object.entries(raw)) say(`${micros.toFixed(0)} µs: ${what}`);
    const [what = '', most = 0] = Object.entries(raw).sort(([, a], [, b]) => b - a)[0] ?? [];
    const result = `${most.toFixed(0)} µs`;
    return {
      raw,
      figures: [
        {
          what: `the worst stranger's AP-REQ (${what})`,
          ...{ target: '< 1000 µs', result, met: most < targetMicros },
        },
      ],
    };
  },
};

/** The forms that DER can take. */
function messages(): readonly Case[] {
  const honest = forgeApReq(forgeCredential());
  const named = (components: readonly string[]) =>
    requestFor({ service: Principal.of('EXAMPLE.ORG', components) });
  const tower = new Uint8Array(apReqLimitBytes - 4);
  for (let at = 0; at < tower.length; at += 4) {
    const rest = tower.length - at - 4;
    tower.set([at === 0 ? 0x6e : 0x30, 0x83, rest >> 16, (rest >> 8) & 0xff], at);
    tower[at + 4] = rest & 0xff;
  }
  const crowd = new Uint8Array(apReqLimitBytes);
  crowd.set([0x6e, 0x82, 0x7f, 0xfc]);
  for (let at = 4; at < crowd.length; at += 2) crowd.set([0x30, 0], at);
  const notUtf8 = String.fromCharCode(0xdcff);
  return [
    { what: 'an honest request, accepted', message: honest },
    { what: 'a name of 3,900 parts', message: named(Array<string>(3_900).fill('')) },
    { what: 'a name of 31 parts of 250 bytes', message: named(longParts('a')) },
    { what: 'the same, not UTF-8', message: named(longParts(notUtf8)) },
    { what: 'the same, to be escaped', message: named(longParts('/')) },
    { what: 'one part of 30 kB, not UTF-8', message: named([notUtf8.repeat(30_000)]) },
    { what: '16,000 empty sequences', message: crowd },
    { what: '8,000 sequences in each other', message: tower },
    { what: 'zeros', message: new Uint8Array(apReqLimitBytes) },
  ];
}

/** A ticket of 30 kB, sealed with a key that nobody has; and one where many keys are tried. */
function sealed(): readonly Case[] {
  const large = enctypes.map((enctype) => ({
    what: `a ticket of 30 kB, ${enctypeName(enctype)}`,
    message: requestFor({ enctype, cipherBytes: 30_000 }),
  }));
  const hosts = Array.from({ length: 1_000 }, (_, at) =>
    entry(Principal.of('EXAMPLE.ORG', ['host', `host${at}.example`]), someKey(18, 5_000 + at)),
  );
  const anyHost = { anyHost: true, keytab: holding(...hosts) };
  return [
    ...large,
    { what: 'any of 1,000 keys', message: requestFor({}), acceptor: anyHost },
    {
      what: 'any of 1,000 keys, a ticket of 30 kB',
      message: requestFor({ cipherBytes: 30_000 }),
      acceptor: anyHost,
    },
  ];
}

/** Writes what ours would not: the ticket is not looked at. */
const anyApReq = application(
  14,
  sequence('AP-REQ', {
    pvno: field(0, int32),
    msgType: field(1, int32),
    apOptions: field(2, flags),
    ticket: field(3, ticket),
    authenticator: field(4, encryptedData),
  }),
);

const longParts = (text: string) => Array<string>(31).fill(text.repeat(250));

function requestFor(o: {
  readonly service?: Principal;
  readonly enctype?: number;
  readonly cipherBytes?: number;
}): Uint8Array {
  const { service = replicaName, enctype = 18, cipherBytes = 200 } = o;
  const cipher = (bytes: number) => ({
    etype: enctype,
    kvno: 2,
    cipher: new Uint8Array(bytes).fill(0x5a),
  });
  return encode(anyApReq, {
    pvno: 5,
    msgType: 14,
    apOptions: 0x20000000,
    ticket: {
      tktVno: 5,
      realm: service.realm,
      sname: { nameType: 1, nameString: service.components },
      encPart: cipher(cipherBytes),
    },
    authenticator: cipher(200),
  });
}

async function refuse(message: Uint8Array, replica: AcceptorOptions): Promise<void> {
  await acceptApReq(message, replica).catch((error: unknown) => String(error));
}

async function keytabMicros(count: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'kprop-bench-'));
  try {
    const path = join(folder, 'keytab');
    const key = someKey(18);
    const entries = Array.from({ length: count }, (_, at) =>
      entry(Principal.of('EXAMPLE.ORG', ['host', `host${at}.example`]), key),
    );
    writeFileSync(path, formatKeytab(entries));
    // One that was just written is read each time.
    await setTimeout(2_100);
    const read = keytabReader(() => path);
    return await microsOf(async () => void read());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CPU time of one call, the median of some rounds once it is warm. */
async function microsOf(work: () => Promise<void>): Promise<number> {
  const callsPerRound = 40;
  const round = async () => {
    const before = process.cpuUsage();
    for (let call = 0; call < callsPerRound; call += 1) await work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / callsPerRound;
  };
  await round();
  const rounds: number[] = [];
  for (let count = 0; count < 5; count += 1) rounds.push(await round());
  return median(rounds);
}
