import { errnoText } from '../com-err.ts';
import { config, type Place, row } from './row.ts';

/** What is wrong with a credential cache. */
export const ccacheRows = {
  'ccache.missing': row<Place>({
    fault: config,
    comErr: (d) => (d.errno === 'ENOENT' ? 195 : errnoText(d.errno)),
    says: (d) => `cannot read the credential cache ${d.path}: ${errnoText(d.errno)}`,
    remedy: 'get the ticket first (kinit -S host/replica), or use the keytab',
  }),
  'ccache.unknown-type': row<{ name: string }>({
    fault: config,
    comErr: 'Unknown credential cache type',
    says: (d) => `"${d.name}" is no kind of credential cache that is known here`,
    remedy: 'name it FILE:/path, or just /path',
  }),
  'ccache.format': row<{ path: string; reason: string }>({
    fault: config,
    comErr: 199,
    says: (d) => `${d.path} is no credential cache: ${d.reason}`,
    remedy: 'remove it and get the ticket again',
  }),
  'ccache.no-ticket': row<{ path: string; server: string }>({
    fault: config,
    comErr: 141,
    says: (d) => `the credential cache ${d.path} has no ticket for ${d.server}`,
    remedy: (d) => `get it first: kinit -c ${d.path} -S ${d.server}`,
  }),
} as const;
