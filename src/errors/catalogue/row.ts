import { ktadd } from '../advice.ts';
import { errnoText } from '../com-err.ts';

/** What is known of one error code. */
export interface Row<D> extends Fault {
  /** The number in com_err's krb5 table, or com_err's text if it comes from another table. */
  readonly comErr?: number | string | ((detail: D) => number | string | undefined);
  /**
   * What a peer is told if com_err's text says too much: a KRB-ERROR is not encrypted, everybody
   * on the way can read it. No path, no output of kdb5_util, nothing of a dump or of the ACL.
   */
  readonly toPeer?: (detail: D) => string;
  says(detail: D): string;
  /** What is behind it, where that is more than what `says` tells. */
  readonly why?: (detail: D) => string | undefined;
  /** As Advice has it: short, and word for word what is to be typed or written. */
  remedy(detail: D): string;
}

/** Who has to act, and whether waiting helps. */
interface Fault {
  readonly fault: 'peer' | 'network' | 'local' | 'config';
  /** sysexits.h */
  readonly exit: 70 | 74 | 75 | 76 | 77 | 78;
  readonly retry: boolean;
}
export const peer: Fault = { fault: 'peer', exit: 76, retry: false };
export const network: Fault = { fault: 'network', exit: 75, retry: true };
export const local: Fault = { fault: 'local', exit: 74, retry: false };
export const wait: Fault = { fault: 'local', exit: 75, retry: true };
export const config: Fault = { fault: 'config', exit: 78, retry: false };

/** The parts of a row as the catalogue writes them: `remedy` may be a constant text. */
interface Parts<D> extends Pick<Row<D>, 'comErr' | 'says' | 'why' | 'toPeer'> {
  readonly fault: Fault;
  readonly remedy: string | ((detail: D) => string);
}

export function row<D>({ fault, remedy, ...parts }: Parts<D>): Row<D> {
  return { ...fault, ...parts, remedy: typeof remedy === 'string' ? () => remedy : remedy };
}

/** The name of a program without its folder. */
export const programOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** A file or folder, and the errno name of what failed there. */
export interface Place {
  readonly path: string;
  readonly errno: string;
}

export const errno = (detail: { readonly errno: string }) => errnoText(detail.errno);

export const notKerberos =
  'check host and port: another service answers there, or the stream was changed on the way';

/** For a keytab that cannot be read. */
export const readableKeytab = ({ path, errno }: Place) =>
  errno === 'EACCES'
    ? 'run this as root'
    : `run ${ktadd(path, 'host/THIS.HOST')}, or name the right file: -s, KRB5_KTNAME, default_keytab_name`;

/** For a keytab that lacks a principal, or a version of its key. */
export const addKey = ({
  keytab,
  principal,
}: {
  readonly keytab: string;
  readonly principal: string;
}) => `run ${ktadd(keytab, principal)} on this host`;

export const runDump = 'run `kdb5_util dump` again, and kprop only if it succeeds';

/** For what has no room, or may not be written. */
export const writable = ({ path, errno }: Place) =>
  errno === 'ENOSPC' || errno === 'EDQUOT'
    ? `make room for ${path} (\`df ${folderOf(path)}\`), then run kprop again`
    : errno === 'ENOENT'
      ? `run \`mkdir -p ${folderOf(path)}\``
      : `let kpropd write to ${folderOf(path)}`;

/** The folder of a file. */
export const folderOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf('/'), 1));
