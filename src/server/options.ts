import type { Ambient } from '../protocol/ambient.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import type { ReplayCache } from '../protocol/krb5/session/replay.ts';
import type { ConnectionEvent, ServeLimits } from './connection.ts';
import type { DroppedEvent } from './listen/drop-tally.ts';
import type { LoadRun } from './load/loader.ts';

export const loadModes = ['auto', 'streamed', 'complete'] as const;
export type LoadMode = (typeof loadModes)[number];

export interface ServeOptions {
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** A descriptor that listens already (systemd's LISTEN_FDS), in place of port and address. */
  readonly descriptor?: number | undefined;
  /** The address to listen on, or several; all of IPv6 and IPv4 unless given. */
  readonly address?: string | readonly string[] | undefined;
  readonly realm?: string | undefined;
  /** krb5.conf and kdc.conf; only /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /** Keytab name as in KRB5_KTNAME; the configured one unless given. */
  readonly keytab?: string | undefined;
  /**
   * The only encryption types that tickets, session keys and subkeys may have, as permitted_enctypes
   * lists them; of those, the ones that krb5.conf permits. All that it permits unless given.
   */
  readonly requireEnctype?: string | undefined;
  /** Path of kpropd.acl. */
  readonly acl: string;
  /** Where the received dump ends up. */
  readonly file: string;
  /** How a dump becomes the database: kdb5_util, or a function that resolves when it is live. */
  readonly loader:
    | {
        readonly path: string;
        readonly database?: string | undefined;
        /** Where this kdb5_util has its database if neither `database` nor the configuration says so. */
        readonly builtInDatabase?: string | undefined;
        readonly environment: Readonly<Record<string, string | undefined>>;
      }
    | ((path: string, run: LoadRun) => Promise<void>);
  /**
   * Whether a program of `loader` gets the dump while it arrives or when it is complete. `auto`,
   * unless given: while it arrives if the program is kdb5_util, the database db2, and the dump large.
   */
  readonly load?: LoadMode | undefined;
  /** 10 s to authenticate, 120 s idle, `iprop_resync_timeout` in all, unless given. */
  readonly limits?: Partial<ServeLimits> | undefined;
  /**
   * Connections that have not proved that they may propagate; 256 unless given, and never more
   * than the descriptors of the process allow. A quarter as many have room of their own, if they
   * come from where the ACL's hosts are or from where somebody was let in before.
   */
  readonly maxUnauthenticated?: number | undefined;
  /** How many of them may be of one IPv4 address or one IPv6 /64; 32 unless given. */
  readonly maxPerAddress?: number | undefined;
  /** How many new ones are served each second, at addresses of which nothing is known; 200 unless given. */
  readonly maxArrivalsPerSecond?: number | undefined;
  /** Propagations at once, waiting ones included; the next one is refused. 64 unless given. */
  readonly maxPropagations?: number | undefined;
  /** How many of them may be of one principal; 16 unless given. */
  readonly maxPropagationsPerClient?: number | undefined;
  /** A dump that is announced to be larger is refused. Without a limit unless given. */
  readonly maxDumpBytes?: number | undefined;
  /** Serves the first connection and listens no more when it has come. */
  readonly once?: boolean | undefined;
  readonly replay?: ReplayCache | undefined;
  readonly ambient?: Ambient | undefined;
  /**
   * Called once the port is bound, before a connection is taken: the time to give up privileges.
   * What it throws, serveKprop throws, and listens no more.
   */
  readonly onListening?: (() => void) | undefined;
  /** What it throws becomes a warning of the process, and stops nothing. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
}

/** A listener's bug must not stop a propagation; yet it must be seen. */
export function tell({ onEvent }: Pick<ServeOptions, 'onEvent'>, event: ServerEvent): void {
  try {
    onEvent?.(event);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}

/** An event of one connection; `connection` counts from 1, and 0 is the listener's. */
export type ServerEvent = (ConnectionEvent | DroppedEvent) & { readonly connection: number };
