import { rmSync } from 'node:fs';

import { kpropd, kpropdBothWays, write } from './kpropd-command.ts';
import type { Scenario } from './scenario.ts';

const client = 'host/primary.lab.example@LAB.EXAMPLE';
const path = '/srv/replica/kpropd.acl';
const acl = (name: string, text: string) =>
  kpropd(`ACL: ${name}`, { prepare: write(path, Buffer.from(text, 'latin1')) });

/** What kpropd makes of kpropd.acl. */
export const kpropdAcl: readonly Scenario[] = [
  ...kpropdBothWays('ACL: missing', { prepare: (world) => rmSync(world.path(path)) }),
  acl('empty', ''),
  acl('another principal', 'host/other.lab.example@LAB.EXAMPLE\n'),
  acl('no newline at the end', client),
  acl('CR LF', `${client}\r\n`),
  acl('blanks behind', `${client} \t \n`),
  acl('a blank in front', ` ${client}\n`),
  acl('a comment sign in front', `#${client}\n`),
  acl('comments and blank lines before', `# comment\n\n   \n${client}\n`),
  acl('a comment behind', `${client} # primary\n`),
  acl('without realm', 'host/primary.lab.example\n'),
  acl('a prefix of the principal', 'host/primary.lab.example@LAB\n'),
  acl('longer than the principal', `${client}X\n`),
  acl('upper case', `${client.replace('host', 'HOST')}\n`),
  acl('a wildcard', 'host/*@LAB.EXAMPLE\n'),
  acl('the encryption type', `${client} aes256-cts\n`),
  acl('an alias of the encryption type in upper case', `${client}\tAES256-SHA1\n`),
  acl('the encryption type and CR', `${client} aes256-cts\r\n`),
  acl('the encryption type and a blank', `${client} aes256-cts \n`),
  acl('another encryption type', `${client} aes128-cts\n`),
  acl('another encryption type, and the right one', `${client} aes128-cts\n${client} aes256-cts\n`),
  acl('an unknown encryption type', `${client} 18\n`),
  acl('two encryption types', `${client} aes128-cts aes256-cts\n`),
  acl('a NUL behind', `${client}\0garbage\n`),
  acl('a NUL in front', `\0${client}\n`),
  acl('a line with a NUL before', `\0\n${client}\n`),
  acl('a byte order mark', `\xef\xbb\xbf${client}\n`),
  acl('behind 1023 other bytes', `${'x'.repeat(1023)}${client}\n`),
  acl('a very long line before', `${'x'.repeat(5000)}\n${client}\n`),
];
