import { errnoText } from '../com-err.ts';
import { config, type Place, row } from './row.ts';

/** What is wrong with a credential cache. */
export const ccacheRows = {
  'ccache.missing': row<Place>({
    fault: config,
    comErr: (d) => (d.errno === 'ENOENT' ? 195 : errnoText(d.errno)),
    says: (d) => `cannot read the credential cache ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOENT'
        ? 'get the ticket first: kinit -k -S host/REPLICA -c FILE; or leave out --ccache to use the keytab'
        : `correct the owner and the permissions of ${d.path}, or leave out --ccache to use the keytab`,
  }),
  'ccache.unknown-type': row<{ name: string }>({
    fault: config,
    comErr: 'Unknown credential cache type',
    says: (d) => `the type of the credential cache "${d.name}" is not supported`,
    remedy: 'name a file: FILE:/path, or just /path',
  }),
  'ccache.format': row<{ path: string; reason: string }>({
    fault: config,
    comErr: 199,
    says: (d) => `${d.path} is not a credential cache: ${d.reason}`,
    remedy: (d) => `remove it and get the ticket again: kinit -k -S host/REPLICA -c ${d.path}`,
  }),
  'ccache.no-ticket': row<{ path: string; server: string }>({
    fault: config,
    comErr: 141,
    says: (d) => `the credential cache ${d.path} has no ticket for ${d.server}`,
    remedy: (d) => `get it first: kinit -k -S ${d.server} -c ${d.path}`,
  }),
} as const;
