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
interface Parts<D> extends Pick<Row<D>, 'comErr' | 'says' | 'toPeer'> {
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
  'the other side does not speak this protocol, or the stream was changed on the way: check host and port';

interface KeytabPlace {
  readonly keytab: string;
}

/** For a keytab that cannot be read. */
export const readableKeytab = ({ path, errno }: Place) =>
  errno === 'EACCES'
    ? 'run as root, or as the owner of the keytab'
    : `name the right file with -s, in KRB5_KTNAME or default_keytab_name, or make it: kadmin -q "ktadd -k ${path} host/THIS.HOST"`;

/** For a keytab that lacks a principal. */
export const addKey = ({ keytab }: KeytabPlace) =>
  `run klist -ke ${keytab} to see its keys, and kadmin -q "ktadd -k ${keytab} PRINCIPAL" on this host to add the missing one`;

/** For a keytab that has another version of a key. */
export const renewKey = ({ keytab, principal }: KeytabPlace & { readonly principal: string }) =>
  `write the current key on this host: kadmin -q "ktadd -k ${keytab} ${principal}"`;

export const staleKeytab =
  "the keytab's key is not the KDC's, as after a ktadd on another host or a change of the key: run ktadd again on this host";

export const runDump = 'run kdb5_util dump again, and kprop only if its exit status is 0';
