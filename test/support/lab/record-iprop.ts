// Records what MIT's kpropd and kadmind say to each other, for each encryption type, into test/vectors:
//   node scripts/run.mjs test/support/lab/record-iprop.ts
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

import { readKeytab } from '../../../src/host/keytab-file.ts';
import { enctypeProfiles } from '../../../src/protocol/krb5/crypto/profiles.ts';
import { Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { type IpropRecording, recordingPath } from '../wire/iprop-recording.ts';
import { toHex } from '../wire/transcripts.ts';
import { IpropLab } from './iprop-lab.ts';
import { freePort } from './lab-process.ts';

for (const { name } of enctypeProfiles) {
  const iprop = await IpropLab.create({ enctype: name, principals: 0 });
  const said = { client: [] as Buffer[], server: [] as Buffer[] };
  const port = await freePort();
  const tap = await listen(port, iprop.kadmindPort, said);
  try {
    const replica = await iprop.addReplica('mit', port);
    await iprop.resyncByHand(replica);
    await iprop.kadmin([
      'addprinc -pw a alice',
      'modprinc -maxlife 2h alice',
      'addprinc -nokey bob/admin',
      'delprinc -force bob/admin',
    ]);
    await iprop.startKadmind('/bin/false', 1);
    const kpropd = iprop.startKpropd('mit', replica, { args: ['-t'] });
    const { status, stderr } = await kpropd.ended;
    if (status !== 0 || !stderr.includes('Incremental updates: 4')) throw new Error(stderr);
    const service = join(iprop.lab.folder, 'service.keytab');
    await iprop.kadmin([`ktadd -norandkey -k ${service} kiprop/localhost`]);
    const principal = Principal.parse(`kiprop/localhost@${iprop.lab.realm}`);
    const keytab = readKeytab(`FILE:${service}`);
    const [enctype = 0] = keytab.enctypesOf(principal);
    const entry = keytab.entries.find((one) => one.principal.equals(principal));
    if (entry === undefined) throw new Error('no key of the service');
    const recording: IpropRecording = {
      source: 'krb5 1.20.1 (Debian 12), kpropd -t and kadmind, by test/support/lab/record-iprop.ts',
      enctype: name,
      serviceKey: { enctype, key: toHex(entry.key) },
      client: toHex(Buffer.concat(said.client)),
      server: toHex(Buffer.concat(said.server)),
    };
    writeFileSync(recordingPath(name), `${JSON.stringify(recording, undefined, 2)}\n`);
    console.log(`${name}: ${said.client.length} and ${said.server.length} pieces`);
  } finally {
    tap.close();
    await iprop.close();
  }
}

function listen(
  port: number,
  target: number,
  said: { client: Buffer[]; server: Buffer[] },
): Promise<Server> {
  const server = createServer((socket) => {
    const other = connect(target, 'localhost');
    socket.on('data', (chunk: Buffer) => said.client.push(chunk) && other.write(chunk));
    other.on('data', (chunk: Buffer) => said.server.push(chunk) && socket.write(chunk));
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  });
  return new Promise((resolve) => {
    server.listen(port, 'localhost', () => resolve(server));
  });
}
