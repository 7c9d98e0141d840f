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
        ? `run \`kinit -k -S host/REPLICA -c ${d.path}\`, or leave out --ccache to use the keytab`
        : `correct the permissions of ${d.path}, or leave out --ccache to use the keytab`,
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
    remedy: (d) => `run \`rm ${d.path}\`, then \`kinit -k -S host/REPLICA -c ${d.path}\``,
  }),
  'ccache.no-ticket': row<{ path: string; server: string }>({
    fault: config,
    comErr: 141,
    says: (d) => `the credential cache ${d.path} has no ticket for ${d.server}`,
    remedy: (d) => `run \`kinit -k -S ${d.server} -c ${d.path}\``,
  }),
} as const;
