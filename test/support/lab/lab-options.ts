import type { LabProcess, Outcome } from './lab-process.ts';
import type { Role } from './lab-site.ts';

export interface LabOptions {
  readonly realm?: string;
  /** The only encryption type of the realm: tickets, session keys, users. */
  readonly enctype?: string;
  /** Principals user1@… to userN@… with random keys, beside those that the lab needs. */
  readonly principals?: number;
  /** Put in front of krb5.conf, so that it wins; of one site or of both. */
  readonly krb5ConfExtra?: string | { readonly [role in Role]?: string };
  readonly clockskewSeconds?: number;
}

export interface RunOptions {
  readonly role?: Role;
  readonly input?: string | Uint8Array;
  /** Over the environment of the role; undefined removes a variable. */
  readonly env?: NodeJS.ProcessEnv;
  readonly limitMillis?: number;
  readonly argv0?: string;
}

export interface KpropOptions extends RunOptions {
  readonly port: number;
  /** The replica as typed; default 127.0.0.1. */
  readonly host?: string;
  /** The dump; default lab.dumpFile, the one that lab.dump() writes. */
  readonly file?: string;
  readonly args?: readonly string[];
}

export interface KpropdOptions extends RunOptions {
  readonly port?: number;
  readonly acl?: string;
  /** Where the received dump goes; default lab.replica.fromMaster. */
  readonly file?: string;
  /** In place of kdb5_util. */
  readonly loader?: string;
  readonly args?: readonly string[];
}

/** A kpropd of either make that listens. */
export interface Kpropd {
  readonly port: number;
  readonly process: LabProcess;
  /** Its debug lines so far (-d). */
  readonly stderr: string;
  stop(signal?: NodeJS.Signals): Promise<Outcome>;
}
