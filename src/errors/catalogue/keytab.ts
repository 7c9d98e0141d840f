import { ktadd } from '../advice.ts';
import { errnoText } from '../com-err.ts';
import { addKey, config, errno, type Place, readableKeytab, row } from './row.ts';

/** What is wrong with a keytab. */
export const keytabRows = {
  'keytab.missing': row<Place>({
    fault: config,
    comErr: errno,
    says: (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    remedy: readableKeytab,
  }),
  'keytab.unknown-type': row<{ name: string }>({
    fault: config,
    comErr: 180,
    says: (d) => `the type of the keytab "${d.name}" is not supported`,
    remedy: 'name a file: FILE:/path, or just /path',
  }),
  'keytab.format': row<{ path: string; reason: string }>({
    fault: config,
    comErr: (d) => (d.reason === 'bad record length' ? 235 : 213),
    says: (d) => `${d.path} is not a keytab: ${d.reason}`,
    remedy: (d) => `run \`rm ${d.path}\`, then ${ktadd(d.path, 'host/THIS.HOST')}`,
  }),
  'keytab.no-key': row<{ principal: string; keytab: string }>({
    fault: config,
    comErr: 181,
    says: (d) => `the keytab ${d.keytab} has no usable key for ${d.principal}`,
    remedy: addKey,
  }),
  'keytab.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>({
    fault: config,
    comErr: 230,
    says: (d) =>
      `the keytab ${d.keytab} has other key versions of ${d.principal}, but not ${d.kvno}`,
    remedy: addKey,
  }),
} as const;
