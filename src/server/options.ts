import type { Ambient } from '../protocol/ambient.ts';
import type { Krb5Config } from '../protocol/formats/krb5-config.ts';
import type { ReplayCache } from '../protocol/session/replay.ts';
import type { ConnectionEvent, ServeLimits } from './connection.ts';
import type { LoadRun } from './loader.ts';

export const loadModes = ['auto', 'streamed', 'complete'] as const;
export type LoadMode = (typeof loadModes)[number];

export interface ServeOptions {
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** A descriptor that listens already (systemd's LISTEN_FDS), in place of port and address. */
  readonly descriptor?: number | undefined;
  /** The address to listen on; all of IPv6 and IPv4 unless given. */
  readonly address?: string | undefined;
  readonly realm?: string | undefined;
  /** krb5.conf and kdc.conf; only /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /** Keytab name as in KRB5_KTNAME; the configured one unless given. */
  readonly keytab?: string | undefined;
  /** Path of kpropd.acl. */
  readonly acl: string;
  /** Where the received dump ends up. */
  readonly file: string;
  /** How a dump becomes the database: kdb5_util, or a function that resolves when it is live. */
  readonly loader:
    | {
        readonly path: string;
        readonly database?: string | undefined;
        readonly environment: Readonly<Record<string, string | undefined>>;
      }
    | ((path: string, run: LoadRun) => Promise<void>);
  /**
   * Whether a program of `loader` gets the dump while it arrives or when it is complete. `auto`,
   * unless given: while it arrives if the program is kdb5_util, the database db2, and the dump large.
   */
  readonly load?: LoadMode | undefined;
  readonly limits?: Partial<ServeLimits> | undefined;
  /** Connections that have not proved that they may propagate; past so many, the oldest is dropped. */
  readonly maxUnauthenticated?: number | undefined;
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

/** An event of one connection; `connection` counts from 1, and 0 is the listener's. */
export type ServerEvent = ConnectionEvent & { readonly connection: number };
