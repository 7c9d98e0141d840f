import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import { noReplayCache } from '../../../src/host/replay-file.ts';
import { systemAmbient } from '../../../src/protocol/ambient.ts';
import { concat } from '../../../src/protocol/bytes.ts';
import { framed } from '../../../src/protocol/channel/frame.ts';
import { Krb5Config } from '../../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../../src/protocol/krb5/formats/profile.ts';
import { type KpropServer, type ServerEvent, serveKprop } from '../../../src/server/serve.ts';
import { formatKeytab } from '../../support/wire/format-keytab.ts';
import { mutated, noise, type Random } from '../../support/wire/mutations.ts';
import { framesOf, loadTranscript, transcriptNames } from '../../support/wire/transcripts.ts';
import { type Part, someOf } from './part.ts';
import { temporaryFolder } from './process.ts';

/**
 * Replicas of the time and the realm of each recording, without a replay cache, are told what MIT's
 * kprop once said, and something in it is wrong.
 */
export const recorded: Part = {
  name: 'recorded',
  about: 'whole connections to kpropd: mutated recordings of every enctype',
  async open() {
    const folder = temporaryFolder('recorded');
    const replicas = await Promise.all(
      transcriptNames.map((name) => openReplica(folder.path, name)),
    );
    return {
      lanes: 6,
      async one(random, keep) {
        const replica = someOf(replicas, random);
        const [what, stream] = wrong(replica.messages, someOf(replicas, random).messages, random);
        keep(stream);
        await say(replica.server.port, stream, random);
        replica.judge();
        return `${what} for kpropd`;
      },
      close: async () => {
        await Promise.all(replicas.map(({ server }) => server.close({ abort: true })));
        folder.remove();
      },
    };
  },
};

interface RecordedReplica {
  readonly server: KpropServer;
  readonly messages: readonly Uint8Array[];
  /** @throws Error for what it should not have done */
  judge(): void;
}

async function openReplica(
  folder: string,
  name: (typeof transcriptNames)[number],
): Promise<RecordedReplica> {
  const { keytab, principal, recordedAtSeconds, clientToServer, dump } = loadTranscript(name);
  const path = (what: string) => join(folder, `${name}-${what}`);
  writeFileSync(path('keytab'), formatKeytab(keytab.entries), { mode: 0o600 });
  writeFileSync(path('acl'), `${principal}\n`);
  const system = systemAmbient();
  const offset = recordedAtSeconds * 1_000_000 - system.nowMicros();
  let crime: Error | undefined;
  const onEvent = (event: ServerEvent) => {
    if (event.kind === 'authenticated' && event.client !== principal.toString()) {
      crime = new Error(`${event.client} was let in`);
    }
    if (event.kind === 'failed' && !(event.error instanceof KpropError)) {
      crime = new Error('not an error of ours', { cause: event.error });
    }
  };
  const server = await serveKprop({
    port: 0,
    address: '127.0.0.1',
    config: new Krb5Config([parseProfile(krb5Conf(principal.realm), 'krb5.conf', () => [])], []),
    keytab: `FILE:${path('keytab')}`,
    acl: path('acl'),
    file: path('from_master'),
    loader: async ({ path: file }) => {
      // What lies there may be the next one's by now: each is the same.
      if (!readFileSync(file).equals(dump)) crime = new Error('what was not sent is loaded');
    },
    replay: noReplayCache,
    ambient: { ...system, nowMicros: () => system.nowMicros() + offset },
    maxUnauthenticated: 10_000,
    maxPerAddress: 10_000,
    maxArrivalsPerSecond: 100_000,
    limits: { authenticateMillis: 10_000, idleMillis: 10_000, totalMillis: 30_000 },
    onEvent,
  });
  return {
    server,
    messages: framesOf(clientToServer),
    judge: () => {
      if (crime !== undefined) throw crime;
    },
  };
}

const krb5Conf = (realm: string) => `[libdefaults]
  default_realm = ${realm}
  dns_canonicalize_hostname = false
  ignore_acceptor_hostname = true
  allow_weak_crypto = true
  permitted_enctypes = aes camellia des3 rc4
`;

/** The stream with something wrong, and what. */
function wrong(
  messages: readonly Uint8Array[],
  others: readonly Uint8Array[],
  random: Random,
): [string, Uint8Array] {
  const at = random(messages.length);
  const message = messages[at] as Uint8Array;
  const instead = (...these: readonly Uint8Array[]) =>
    concat(
      ...messages.flatMap((each, index) =>
        (index === at ? these : [each]).flatMap((one) => framed(one)),
      ),
    );
  switch (random(12)) {
    case 0:
      return ['a message left out', instead()];
    case 1:
      return ['a message twice', instead(message, message)];
    case 2:
      return ['a message of another recording', instead(someOf(others, random))];
    case 3:
      return ['a message out of its order', instead(someOf(messages, random), message)];
    case 4: {
      const stream = instead(message);
      return ['a stream cut off', stream.subarray(0, random(stream.length))];
    }
    case 5: {
      const stream = instead(message);
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, random(2) === 0 ? random(2 ** 32) : random(70_000));
      const start = messages.slice(0, at).reduce((sum, each) => sum + 4 + each.length, 0);
      return [
        'a wrong length',
        concat(stream.subarray(0, start), length, stream.subarray(start + 4)),
      ];
    }
    case 6:
      return ['noise', random(2) === 0 ? noise(random) : instead(noise(random))];
    case 7:
      return ['a recording as it is', instead(message)];
    default:
      return ['a mutated message', instead(mutated(message, random))];
  }
}

/** Says all of it, in pieces, and waits until the replica has hung up. */
function say(port: number, stream: Uint8Array, random: Random): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const cuts = random(3) === 0 ? random(5) : 0;
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
    socket.on('end', () => socket.destroy());
    let rest = stream;
    for (let cut = 0; cut < cuts; cut += 1) {
      const bytes = random(rest.length + 1);
      socket.write(rest.subarray(0, bytes));
      rest = rest.subarray(bytes);
    }
    if (random(30) === 0) {
      socket.write(rest, () => socket.resetAndDestroy());
      return;
    }
    socket.end(rest);
  });
}
