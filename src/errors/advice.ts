/** What an administrator reads under a failure: at most one line of each. */
export interface Advice {
  /** What is behind the failure, if more is known than its message says. */
  readonly why?: string | undefined;
  /**
   * What to do about it. What is to be typed or written stands in backquotes, word for word; other
   * words say where: "on the replica, run `…`", "add the line `…` to FILE".
   */
  readonly remedy: string;
}

/** Something that an administrator should know, though nothing has failed. */
export interface Notice {
  readonly text: string;
  readonly remedy?: string | undefined;
}

/** The command by which kadmin does one thing. */
export const kadmin = (query: string) => `\`kadmin -q "${query}"\``;

/** The path of a keytab whose name may have a type in front. */
export const keytabFile = (name: string) => name.replace(/^(?:WR)?FILE:/, '');

/** The command that writes the KDC's present keys of a principal into a keytab. */
export const ktadd = (keytab: string, principal: string) =>
  kadmin(`ktadd -k ${keytabFile(keytab)} ${principal}`);

export const bothClocks = 'run `timedatectl set-ntp true` on both hosts';

export const kdcLog = "read the KDC's log of this request (krb5kdc.log)";

export const replicaLog = 'on the replica, run `journalctl -t kpropd`: kpropd says more there';
