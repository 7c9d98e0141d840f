import { expect, test } from 'vitest';

import { catalogue } from '../../src/errors/catalogue/catalogue.ts';
import { type ErrorCode, KpropError } from '../../src/errors/kprop-error.ts';

/**
 * What a peer is told goes in the clear. Nothing of a detail may be in it but these: his own name,
 * the names of errors, a program's or file's own name and its end, two times, a limit, counts of bytes.
 */
const told: Readonly<Record<string, readonly string[]>> = {
  'auth.denied': ['client'],
  'loader.failed': ['path', 'status'],
  'loader.missing': ['path', 'errno'],
  'loader.killed': ['path', 'signal'],
  // The name of the file, and numbers and encryption types of keys.
  'loader.other-master-key': ['stash', 'held', 'wanted'],
  // The words of the loader's own, which are meant for the sender.
  'caller.loader': ['reason'],
  'spool.superseded': ['authenticated', 'newest'],
  'spool.malformed': ['reason'],
  'server.busy': ['running', 'whose'],
  'kprop.too-large': ['bytes', 'limit'],
};

/** Errors that arise before there is a peer, or on the primary before it says anything. */
const neverTold =
  /^(config|keytab|ccache|gss|kdc|iprop|rpc|ulog)\.|^network\.unresolved$|^peer\.refused$|^server\.(listen|timeout)$/;

const codes = (Object.keys(catalogue) as ErrorCode[]).filter((code) => !neverTold.test(code));

test.each(codes)('%s tells a peer nothing but what it may', (code) => {
  const asked = new Set<string>();
  // An errno is turned into fixed words; of a path only the program's name remains.
  const detail = new Proxy(
    {},
    {
      get: (_, name) => {
        asked.add(String(name));
        return name === 'errno' ? 'ENOENT' : `/folder/secret-${String(name)}`;
      },
    },
  );
  const text = new KpropError(code, detail as never).peerText ?? '';
  const seen = [...asked].filter((name) => text.includes(`secret-${name}`));
  expect(seen.filter((name) => !told[code]?.includes(name))).toEqual([]);
  if (code.startsWith('loader.')) expect(text).not.toContain('/folder/secret-path');
});
