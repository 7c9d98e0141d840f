import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { readFrame, writeFrame } from '../../src/protocol/channel/frame.ts';
import { channelOver } from '../../src/protocol/channel/stream-channel.ts';
import { applicationVersion } from '../../src/protocol/kprop/dump.ts';
import { hostAddressOf } from '../../src/protocol/krb5/messages/address.ts';
import type { HostAddress } from '../../src/protocol/krb5/messages/parts.ts';
import { recvauth } from '../../src/protocol/krb5/session/sendauth.ts';
import { dial } from '../../src/ticket/dial.ts';
import { comparable, Lab } from '../support/lab/lab.ts';
import { pairingsOfOurs, runKprop, startKpropd, succeeded } from '../support/lab/pairings.ts';
import { labCredential, openInsider } from '../support/rig/attacker.ts';
import { propagateOver } from '../support/wire/conversation.ts';
import { acceptor, forgeCredential } from '../support/wire/forge.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 20 });
  await lab.kadminLocal('primary', 'addpol -minlength 8 -maxfailure 3 strict');
  await lab.kadminLocal('primary', 'addprinc -randkey -policy strict careful');
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

/** What kdb5_util of these releases wrote, as today's still does when asked. */
const formats = [
  { releases: 'releases before 1.2.2', option: '-b7', header: 'kdb5_util load_dump version 4' },
  { releases: 'releases before 1.8', option: '-r13', header: 'kdb5_util load_dump version 5' },
  { releases: 'releases before 1.11', option: '-r18', header: 'kdb5_util load_dump version 6' },
];

describe.each(formats)('a dump of $releases ($header)', ({ option, header }) => {
  test.each(pairingsOfOurs)('from kprop (%s) to kpropd (%s)', async (sender, receiver) => {
    const dump = async (role: 'primary' | 'replica') => {
      const path = join(lab.site(role).folder, `dump${option}`);
      const args = ['dump', option, path];
      expect(await lab.run('/usr/sbin/kdb5_util', args, { role })).toMatchObject({ status: 0 });
      return path;
    };
    await lab.addPrincipals([`${sender}-${receiver}${option}`]);
    const file = await dump('primary');
    const sent = readFileSync(file, 'latin1');
    expect(sent.slice(0, sent.indexOf('\n'))).toBe(header);

    const kpropd = await startKpropd(lab, receiver);
    const outcome = await runKprop(lab, sender, { port: kpropd.port, file });
    expect(outcome).toMatchObject(succeeded());
    await kpropd.stop();
    expect(readFileSync(lab.replica.fromMaster, 'latin1')).toBe(sent);
    const loaded = readFileSync(await dump('replica'), 'latin1');
    expect(comparable(loaded)).toBe(comparable(sent));
  });
});

test('a size of 0 in four bytes, as kprop sent it up to 1.19, brings no empty database', async () => {
  const kpropd = await lab.startOurKpropd();
  const before = await lab.replicaDump();
  const insider = await openInsider(kpropd.port, await labCredential(lab));
  await writeFrame(insider.channel, insider.session.makeSafe(new Uint8Array(4)));
  expect((await insider.refusal()).message).toMatch(/is empty/);
  insider.channel.close();
  await kpropd.stop();
  expect(comparable(await lab.replicaDump())).toBe(comparable(before));
});

test('a dump of 4 GiB or more is refused by a kpropd up to 1.19, in the middle of its blocks', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    replica1point19(socket).finally(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const channel = await dial('127.0.0.1', (server.address() as AddressInfo).port, {
    connectMillis: 2_000,
  });
  const block = new Uint8Array(1 << 20);
  const dump = {
    bytes: 5 * 2 ** 30,
    async *pieces() {
      for (;;) yield block;
    },
  };
  const credential = forgeCredential();
  await expect(propagateOver(channel, { dump, credential, idleMillis: 5_000 })).rejects.toThrow(
    expect.objectContaining({
      code: expect.stringMatching(/^network\.(closed|failed)$/),
      phase: 'blocks',
    }),
  );
  server.close();
});

/** It reads the first four bytes whatever the length: 0. The empty file fails to load: it leaves. */
async function replica1point19(socket: Socket): Promise<void> {
  const address = hostAddressOf('127.0.0.1') as HostAddress;
  const channel = channelOver(socket, { local: address, remote: address, peer: 'kprop' });
  const { session } = await recvauth(channel, { ...acceptor(), application: applicationVersion });
  const size = session.readSafe(await readFrame(channel, 'size', 4096));
  expect(new DataView(size.buffer, size.byteOffset).getUint32(0)).toBe(0);
}
