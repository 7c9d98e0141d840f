import { errnoText } from '../com-err.ts';
import { config, errno, type Place, row, theKeytab } from './row.ts';

/** What is wrong with a keytab. */
export const keytabRows = {
  'keytab.missing': row<Place>({
    fault: config,
    comErr: errno,
    says: (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    remedy: theKeytab,
  }),
  'keytab.unknown-type': row<{ name: string }>({
    fault: config,
    comErr: 180,
    says: (d) => `"${d.name}" is no kind of keytab that is known here`,
    remedy: 'name it FILE:/path, or just /path',
  }),
  'keytab.format': row<{ path: string; reason: string }>({
    fault: config,
    comErr: (d) => (d.reason === 'bad record length' ? 235 : 213),
    says: (d) => `${d.path} is no keytab: ${d.reason}`,
    remedy: 'remove the file and write it again with ktadd',
  }),
  'keytab.no-key': row<{ principal: string; keytab: string }>({
    fault: config,
    comErr: 181,
    says: (d) => `the keytab ${d.keytab} has no usable key for ${d.principal}`,
    remedy: theKeytab,
  }),
  'keytab.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>({
    fault: config,
    comErr: 230,
    says: (d) => `the keytab ${d.keytab} has other key versions of ${d.principal}, not ${d.kvno}`,
    remedy: theKeytab,
  }),
} as const;
