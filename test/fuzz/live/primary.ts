import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { type PropagateReport, propagate } from '../../../src/client/propagate.ts';
import { KpropError } from '../../../src/errors/kprop-error.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { Krb5Config } from '../../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../../src/protocol/krb5/formats/profile.ts';
import { nameOf, principalOf } from '../../../src/protocol/krb5/messages/parts.ts';
import { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import {
  asReplyTo,
  closeKdcs,
  preauthRequired,
  scriptedKdc,
} from '../../support/kdc/scripted-kdc.ts';
import { clientAddress, serverAddress } from '../../support/wire/channel-pair.ts';
import { type Alter, messageTap, serveOver, someBytes } from '../../support/wire/conversation.ts';
import { seededAmbient } from '../../support/wire/fixed-ambient.ts';
import { acceptor, entry, holding, nowMicros, realm, someKey } from '../../support/wire/forge.ts';
import { formatKeytab } from '../../support/wire/format-keytab.ts';
import { mutated, noise, type Random } from '../../support/wire/mutations.ts';
import type { Keep, Part } from './part.ts';
import { temporaryFolder } from './process.ts';

const dumpBytes = someBytes(70_000);
const replicaName = Principal.of(realm, ['host', '127.0.0.1']);
const primaryName = Principal.of(realm, ['host', hostname().toLowerCase().replace(/\.$/, '')]);
/** Many of them only wait: for a KDC that is asked again, for a replica that says no more. */
const lanes = 16;

/** Our kprop, between a KDC and a replica of which one does not say what it should. */
export const primary: Part = {
  name: 'primary',
  about: 'whole propagations by kprop: mutated answers of the KDC and of the replica',
  async open() {
    const folder = temporaryFolder('primary');
    const free = await Promise.all(Array.from({ length: lanes }, () => openLane(folder.path)));
    const all = [...free];
    return {
      lanes,
      async one(random, keep) {
        const lane = free.pop() as Lane;
        const kind = await lane.propagate(random, keep);
        free.push(lane);
        return kind;
      },
      close: async () => {
        closeKdcs();
        for (const lane of all) lane.close();
        folder.remove();
      },
    };
  },
};

interface Lane {
  propagate(random: Random, keep: Keep): Promise<string>;
  close(): void;
}

async function openLane(folder: string): Promise<Lane> {
  let random: Random = () => 0;
  let keep: Keep = () => undefined;
  let alterKdc = false;
  let received: Uint8Array | undefined;
  let alter: Alter = (message) => [message];

  const kdc = await scriptedKdc([
    ({ bytes, request }) => {
      const client = principalOf(request.reqBody.realm, request.reqBody.cname!);
      const server = principalOf(request.reqBody.realm, request.reqBody.sname!);
      const honest =
        alterKdc && random(4) === 0
          ? preauthRequired([{ padataType: 19, padataValue: noise(random) }])
          : asReplyTo(
              { bytes, request },
              {
                client,
                ticketClient: client,
                ticketServer: server,
                part: { sname: nameOf(server) },
              },
            );
      if (!alterKdc) return honest;
      const answer = random(8) === 0 ? noise(random) : mutated(honest, random);
      keep(answer);
      return answer;
    },
  ]);

  const replica = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const o = { local: serverAddress, remote: clientAddress, peer: 'the primary' };
    socket.on('error', () => undefined);
    serveOver(channelOver(socket, o), {
      ...acceptor({ services: [replicaName], keytab: holding(entry(replicaName, someKey(18))) }),
      idleMillis: 10_000,
      onReceived: (bytes) => {
        received = bytes;
      },
    }).catch(() => undefined);
  });
  const way = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: portOf(replica), host: '127.0.0.1', allowHalfOpen: true });
    const tap = messageTap((message, index) => alter(message, index), { bareBytes: 1 });
    near.pipe(far);
    for (const socket of [near, far])
      socket.on('error', () => near.destroy(far.destroy() as never));
    near.on('close', () => far.destroy());
    far.on('data', (chunk: Buffer) => {
      const said = tap(chunk);
      if (said instanceof Uint8Array) near.write(said);
      else near.end(said.last);
    });
    far.on('end', () => near.end());
  });
  for (const server of [replica, way]) {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  }
  const keytab = join(folder, `keytab-${kdc.port}`);
  writeFileSync(keytab, formatKeytab([entry(primaryName, someKey(18))]), { mode: 0o600 });
  const config = new Krb5Config([parseProfile(krb5Conf(kdc.port), 'krb5.conf', () => [])], []);

  return {
    async propagate(numbers, keeping) {
      random = numbers;
      keep = keeping;
      alterKdc = random(2) === 0;
      received = undefined;
      const at = random(4);
      alter = (message, index) => {
        if (alterKdc || index !== at) return [message];
        const answers = altered(message, random);
        keep(JSON.stringify({ at, answers: Array.from(Array.isArray(answers) ? answers : []) }));
        return answers;
      };
      const sent = await propagate({
        host: '127.0.0.1',
        port: portOf(way),
        dump: { bytes: dumpBytes.length, stream: piecesOf(dumpBytes) },
        config,
        credential: { kind: 'keytab', name: `FILE:${keytab}` },
        ambient: seededAmbient(nowMicros, random(2 ** 31)),
        limits: {
          connectMillis: 20_000,
          authenticateMillis: 1_000,
          idleMillis: 1_000,
          confirmMillis: 1_000,
        },
      }).catch((error: unknown) => error);
      const side = alterKdc ? 'a KDC' : 'a replica';
      if (sent instanceof KpropError) return `${side} for kprop`;
      if (sent instanceof Error) throw new Error('not an error of ours', { cause: sent });
      const { bytes, server } = sent as PropagateReport;
      const live = received !== undefined && Buffer.from(received).equals(dumpBytes);
      if (!live || bytes !== dumpBytes.length || server !== replicaName.toString()) {
        throw new Error('kprop says that it succeeded');
      }
      return `${side} for kprop, which succeeded all the same`;
    },
    close: () => {
      replica.close();
      way.close();
    },
  };
}

/** What comes in place of a message of the replica. */
function altered(message: Uint8Array, random: Random): ReturnType<Alter> {
  switch (random(8)) {
    case 0:
      return [];
    case 1:
      return [message, message];
    case 2:
      return [noise(random)];
    case 3:
      return { cutAfterBytes: random(message.length + 4) };
    default:
      // An empty message says that the AP-REQ is accepted, a single byte that the versions are.
      return message.length > 1 ? [mutated(message, random)] : [Uint8Array.of(random(256))];
  }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 30_000) yield bytes.slice(at, at + 30_000);
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

/** A KDC by TCP: over UDP a garbled answer is one to wait after. */
const krb5Conf = (kdcPort: number) => `[libdefaults]
  default_realm = ${realm}
  dns_canonicalize_hostname = false
  qualify_shortname = ""
  udp_preference_limit = 1
  request_timeout = 2s
[realms]
  ${realm} = {
    kdc = 127.0.0.1:${kdcPort}
  }
`;
