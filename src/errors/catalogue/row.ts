import { errnoText } from '../com-err.ts';

/** What is known of one error code. */
export interface Row<D> extends Fault {
  /** Number in com_err's krb5 table, or com_err's text where it comes from another table. */
  readonly comErr?: number | string | ((detail: D) => number | string | undefined);
  /**
   * What a peer is told where com_err's text says more than is his business: a KRB-ERROR is in the
   * clear, for everybody on the way to read. No word of a dump, of kdb5_util, of a path or the ACL.
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

/** A row by the names of its parts; the detail's type is the code's. */
interface Parts<D> extends Pick<Row<D>, 'comErr' | 'says' | 'toPeer'> {
  readonly fault: Fault;
  readonly remedy: string | ((detail: D) => string);
}

export function row<D>({ fault, remedy, ...parts }: Parts<D>): Row<D> {
  return { ...fault, ...parts, remedy: typeof remedy === 'string' ? () => remedy : remedy };
}

/** The last part of a path: the program, and not where it lies. */
export const programOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** A file or folder and the errno name of what happened there. */
export interface Place {
  readonly path: string;
  readonly errno: string;
}

export const errno = (detail: { readonly errno: string }) => errnoText(detail.errno);

export const notKerberos =
  'the other side does not speak this protocol, or the stream was changed on the way: check host and port';
export const theKeytab =
  'check the keytab (klist -k), KRB5_KTNAME and default_keytab_name, and run ktadd on this host if the key is missing';

export const runDump = 'run kdb5_util dump again and look at its exit status before kprop';
