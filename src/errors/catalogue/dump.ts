import { errnoText } from '../com-err.ts';
import { config, errno, local, type Place, row, runDump, wait } from './row.ts';

/** What is wrong with a dump on the primary. */
export const dumpRows = {
  'dump.missing': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `cannot open the dump ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOENT'
        ? `make it first: kdb5_util dump ${d.path.replace(/\.dump_ok$/, '')}`
        : 'name the right file with -f, and give this user the right to read it',
  }),
  'dump.not-ready': row<{ path: string; okPath: string }>({
    fault: wait,
    says: (d) => `'${d.path}' more recent than '${d.okPath}'.`,
    remedy:
      'a dump is being written, or failed: wait for kdb5_util dump to end, and run it again if its exit status is not 0',
  }),
  'dump.locked': row<{ path: string }>({
    fault: wait,
    says: (d) => `the dump ${d.path} is locked by another process`,
    remedy: (d) => `another program writes it: wait for it to end (fuser -v ${d.path} shows which)`,
  }),
  'dump.read': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `cannot read the dump ${d.path}: ${errnoText(d.errno)}`,
    remedy: 'check the disk, and that -f names a file',
  }),
  'dump.not-native': row<{ reason: string }>({
    fault: config,
    comErr: 'Operation not supported',
    says: (d) => `the database cannot be dumped without kdb5_util: ${d.reason}`,
    remedy: 'use kdb5_util dump',
  }),
  'dump.database': row<{ path: string; reason: string }>({
    fault: local,
    comErr: 'the database cannot be read',
    says: (d) => `cannot read the database ${d.path}: ${d.reason}`,
    remedy: (d) =>
      `run this on the primary as root, and see what kdb5_util -d ${d.path} dump says of the database`,
  }),
  'dump.failed': row<{ path: string; status: number }>({
    fault: local,
    comErr: (d) => `${d.path} returned a bad exit status (${d.status})`,
    toPeer: () => 'the database cannot be dumped',
    says: (d) => `${d.path} dump returned a bad exit status (${d.status})`,
    remedy: 'see what it said, and run kdb5_util dump by hand; nothing was sent',
  }),
  'dump.write': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while writing the dump`,
    says: (d) => `cannot write the dump ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) => `make room on its disk, and let this user write to the folder of ${d.path}`,
  }),
  'dump.bad-size': row<{ bytes: number }>({
    fault: local,
    says: (d) => `the size of the dump is ${d.bytes}, not a whole number of bytes`,
    remedy: 'set bytes to the length of the stream, 0 or more',
  }),
  'dump.changed': row<{ expected: number; got: number }>({
    fault: wait,
    says: (d) =>
      `the dump changed while it was sent: ${d.expected} bytes at first, ${d.got} at its end`,
    remedy: `something rewrites the file in place: ${runDump}`,
  }),
} as const;
