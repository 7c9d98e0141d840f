import { KpropError } from '../errors/kprop-error.ts';
import { type Ccache, parseCcache, parseCcacheName } from '../protocol/krb5/formats/ccache.ts';
import { readLockedFile } from './locked-file.ts';

/**
 * The credential cache of a name such as `FILE:/tmp/krb5cc_0` or `/tmp/krb5cc_0`. A MEMORY
 * cache belongs to the process that made it, so it never exists here.
 * @throws ccache.unknown-type, ccache.missing, ccache.format
 */
export function readCcache(name: string): Ccache {
  const { type, path } = parseCcacheName(name);
  if (type === 'MEMORY') throw new KpropError('ccache.missing', { path: name, errno: 'ENOENT' });
  return parseCcache(readLockedFile(path, 'ccache.missing'), path);
}
