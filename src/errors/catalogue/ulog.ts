import { errnoText } from '../com-err.ts';
import { local, type Place, row, writable } from './row.ts';

/** The update log of a database. */
export const ulogRows = {
  'ulog.unusable': row<Place>({
    fault: local,
    comErr: (d) => errnoText(d.errno),
    says: (d) => `cannot open the update log ${d.path}: ${errnoText(d.errno)}`,
    remedy: writable,
  }),
} as const;
