import { rmSync, writeFileSync } from 'node:fs';

import { kprop, lonelyKprop } from './kprop-command.ts';
import { dumpPath, krb5Conf } from './realm.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

const to = (host: string) => ({ args: ['-f', dumpPath, host] });
const write = (path: string, text: string) => (world: World) =>
  writeFileSync(world.path(path), text);

interface Answer {
  /** So many bytes have come. */
  readonly at: number;
  readonly hex?: string;
  readonly reset?: boolean;
}

/** Somebody who is no kpropd, or not a good one. */
function answered(name: string, ...answers: readonly Answer[]): Scenario {
  return {
    name,
    act: async (stage) => {
      await stage.listen({ program: 'false replica', args: ['754', JSON.stringify(answers)] });
      await stage.run('kprop', to('replica.lab.example'));
    },
  };
}

/** Both version strings of the sender, and then some of its request. */
const versions = 37;
const request = 200;
const yes = { at: versions, hex: '00' };

function refused(name: string, number: number, text?: string): Scenario {
  return answered(`refused: ${name}`, yes, { at: request, hex: krbError(number, text) });
}

/** A KRB-ERROR in its frame. */
function krbError(number: number, text: string | undefined): string {
  const tlv = (tag: number, ...contents: readonly Uint8Array[]) => {
    const bytes = Buffer.concat(contents);
    return Buffer.from([tag, ...(bytes.length > 127 ? [0x81] : []), bytes.length, ...bytes]);
  };
  const integer = (value: number) => tlv(2, Buffer.from([value]));
  const name = (value: string) => tlv(0x1b, Buffer.from(value));
  const fields = [
    tlv(0xa0, integer(5)),
    tlv(0xa1, integer(30)),
    tlv(0xa4, tlv(0x18, Buffer.from('20261122133948Z'))),
    tlv(0xa5, integer(1)),
    tlv(0xa6, integer(number)),
    tlv(0xa9, name('LAB.EXAMPLE')),
    tlv(0xaa, tlv(0x30, tlv(0xa0, integer(3)), tlv(0xa1, tlv(0x30, name('host'), name('x'))))),
    ...(text === undefined ? [] : [tlv(0xab, name(text))]),
  ];
  const message = tlv(0x7e, tlv(0x30, ...fields));
  return `${message.length.toString(16).padStart(8, '0')}${message.toString('hex')}`;
}

/** What answers, or does not, at the other end. */
export const kpropReplica: readonly Scenario[] = [
  lonelyKprop('nothing listens'),
  answered('a web server', { at: 1, hex: Buffer.from('HTTP/1.1 400 Bad\r\n\r\n').toString('hex') }),
  answered('one that greets', { at: 0, hex: Buffer.from('220 hello\r\n').toString('hex') }),
  answered('one that closes at once', { at: 0 }),
  answered('one that closes after the versions', { at: versions }),
  answered('one that closes after the request', yes, { at: request }),
  answered('one that resets after the request', yes, { at: request, reset: true }),
  answered('another version of sendauth', { at: versions, hex: '01' }),
  answered('another application', { at: versions, hex: '02' }),
  answered('an unknown answer of sendauth', { at: versions, hex: '03' }),
  answered('garbage in place of the reply', yes, { at: request, hex: '00000004deadbeef' }),
  answered('an empty reply', yes, { at: request, hex: '0000000000000000' }),
  answered('a reply of garbage', yes, { at: request, hex: '0000000000000004deadbeef' }),
  answered('a reply that is cut', yes, { at: request, hex: '000000000000ffffdeadbeef' }),
  answered('a KRB-ERROR of garbage', yes, { at: request, hex: '000000057e03300100' }),
  refused('the clock', 37, 'Clock skew too great\0'),
  refused('a replay', 34, 'Request is a replay\0'),
  refused('with a text of its own', 60, 'something special\0'),
  refused('with a text and no end', 60, 'something special'),
  refused('without a text', 60),
  refused('with number 0', 0, 'nothing'),
  refused('without a text, and with a number', 41),
  refused('with a number that nobody knows', 120, 'strange\0'),
  refused('with an empty text', 37, ''),
  refused('with two lines', 60, 'one\ntwo\0'),

  kprop('kpropd has no keytab', { peer: { env: { KRB5_KTNAME: '/nonexistent' } } }),
  kprop('kpropd has an empty keytab', { prepare: write('/srv/replica/krb5.keytab', '') }),
  kprop("kpropd's keytab has another key", {
    ...to('other-key.lab.example'),
    peer: { hostname: 'other-key.lab.example' },
  }),
  kprop("kpropd's keytab has another version of the key", {
    ...to('other-kvno.lab.example'),
    peer: { hostname: 'other-kvno.lab.example' },
  }),
  kprop('kpropd is another host', { peer: { hostname: 'other-key.lab.example' } }),
  kprop('kpropd has no key of its own', { peer: { hostname: 'norecord.lab.example' } }),
  kprop('kpropd permits other encryption types', {
    prepare: write('/srv/replica/krb5.conf', krb5Conf({ permitted_enctypes: 'aes128-cts' })),
  }),
  kprop('kpropd has no folder for its replay cache', {
    peer: { env: { KRB5RCACHEDIR: '/nonexistent' } },
  }),
  kprop('kpropd: the ACL refuses', { prepare: write('/srv/replica/kpropd.acl', 'host/other@X\n') }),
  kprop('kpropd: the ACL is missing', {
    prepare: (world) => rmSync(world.path('/srv/replica/kpropd.acl')),
  }),
  kprop('kpropd: the spool folder is missing', { peer: { args: ['-d', '-f', '/nonexistent/x'] } }),
  kprop('kpropd: the load fails', { peer: { args: ['-d', '-p', '/bin/false'] } }),
  kprop('kpropd: the loader is missing', { peer: { args: ['-D', '-p', '/nonexistent'] } }),
  kprop('kpropd: the loader is killed', {
    prepare: (world) =>
      writeFileSync(world.path('/srv/run/loader'), '#!/bin/sh\nkill -9 $$\n', { mode: 0o755 }),
    peer: { args: ['-d', '-p', '/srv/run/loader'] },
  }),
  kprop('kpropd with -D', { peer: { args: ['-D'] } }),
];
