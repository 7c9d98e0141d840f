import { errnoText } from '../com-err.ts';
import { config, errno, folderOf, local, type Place, row, runDump, wait } from './row.ts';

/** What is wrong with a dump on the primary. */
export const dumpRows = {
  'dump.missing': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `cannot open the dump ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOENT'
        ? `run \`kdb5_util dump ${d.path.replace(/\.dump_ok$/, '')}\``
        : 'run this as root, or name the right file with -f',
  }),
  'dump.not-ready': row<{ path: string; okPath: string }>({
    fault: wait,
    says: (d) => `'${d.path}' more recent than '${d.okPath}'.`,
    why: () => 'a kdb5_util dump is under way, or failed after it had replaced the file',
    remedy: (d) => `wait for it to end, or run \`kdb5_util dump ${d.path}\``,
  }),
  'dump.locked': row<{ path: string }>({
    fault: wait,
    says: (d) => `the dump ${d.path} is locked by another process`,
    remedy: (d) => `wait for that process to end (\`fuser -v ${d.path}\` shows it)`,
  }),
  'dump.read': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `cannot read the dump ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'EISDIR' ? 'name a file with -f' : 'look for a failing disk (`dmesg`)',
  }),
  'dump.not-native': row<{ reason: string }>({
    fault: config,
    comErr: 'Operation not supported',
    says: (d) => `the database cannot be dumped without kdb5_util: ${d.reason}`,
    remedy: 'run `kdb5_util dump`',
  }),
  'dump.database': row<{ path: string; reason: string }>({
    fault: local,
    comErr: 'the database cannot be read',
    says: (d) => `cannot read the database ${d.path}: ${d.reason}`,
    remedy: (d) => `run this as root on the primary; see what \`kdb5_util -d ${d.path} dump\` says`,
  }),
  'dump.failed': row<{ path: string; status: number }>({
    fault: local,
    comErr: (d) => `${d.path} returned a bad exit status (${d.status})`,
    toPeer: () => 'the database cannot be dumped',
    says: (d) => `${d.path} dump returned a bad exit status (${d.status})`,
    remedy: 'see what it said above; nothing was sent',
  }),
  'dump.write': row<Place>({
    fault: local,
    comErr: (d) => `${errnoText(d.errno)} while writing the dump`,
    says: (d) => `cannot write the dump ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOSPC' || d.errno === 'EDQUOT'
        ? `make room for ${d.path} (\`df ${folderOf(d.path)}\`)`
        : `let this user write to ${folderOf(d.path)}`,
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
    why: () => 'something rewrites the dump in place while it is sent',
    remedy: runDump,
  }),
} as const;
