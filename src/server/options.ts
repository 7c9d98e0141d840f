import type { DumpKind } from '../kdb/dump/header.ts';
import type { Ambient } from '../protocol/ambient.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import type { ReplayCache } from '../protocol/krb5/session/replay.ts';
import type { ConnectionEvent } from './events.ts';
import type { DroppedEvent } from './listen/drop-tally.ts';
import type { PollEvent } from './poll/poller.ts';

/** `streamed` and `complete` are two ways in which kdb5_util gets the dump. */
export const loadModes = ['auto', 'native', 'kdb5_util', 'streamed', 'complete'] as const;
export type LoadMode = (typeof loadModes)[number];

/** When kdb5_util is asked whether a database that was written natively is what the dump says. */
export const verifyModes = ['first', 'always', 'never'] as const;
export type VerifyMode = (typeof verifyModes)[number];

/** A dump that a loader of the caller's own gets, complete and checked. */
export interface DumpToLoad {
  /** The file, which stays as it is until the next propagation. */
  readonly path: string;
  /** `resync`: a full resync of incremental propagation (`kdb5_util load -i`). */
  readonly kind: DumpKind;
  readonly bytes: number;
  /** The principal that sent it, with its realm. */
  readonly client: string;
  /** Aborted if the load must end: then nothing may become live any more. */
  readonly signal: AbortSignal;
}

/** Resolves when the dump is the live database. */
export type LoaderFunction = (dump: DumpToLoad) => Promise<void>;

/** Milliseconds; 0 is without a limit. */
export interface ServeLimits {
  /** From accept until the AP-REQ is checked. */
  readonly authenticateMillis: number;
  /** How long nothing may arrive while the dump is received. */
  readonly idleMillis: number;
  /** From accept to the confirmation, load included (iprop_resync_timeout, kdc.conf(5)). */
  readonly totalMillis: number;
  /** The idle limit of propagations that are still arriving when the server is closed. */
  readonly stallMillis: number;
}

/** How a replica polls its primary (docs/incremental.md). What is absent, the configuration says. */
export interface IncrementalOptions {
  /** The primary's name, with or without a port; `admin_server` unless given. */
  readonly adminServer?: string | undefined;
  /** Arguments of the database module, such as dbname=PATH (`-x` of kpropd). */
  readonly databaseArguments?: readonly string[] | undefined;
  /** Where MIT's programs have their database if the configuration says nothing. */
  readonly builtInDatabase: string;
  /** What MIT's libraries read: KRB5_CONFIG, KRB5_KDC_PROFILE. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pollSeconds?: number | undefined;
  /** Polls until the first answer that is not the need of a full resync; the event `done` follows. */
  readonly once?: boolean | undefined;
}

export interface ServeOptions {
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** A descriptor that is listening already (systemd's LISTEN_FDS), instead of port and address. */
  readonly descriptor?: number | undefined;
  /** The address to listen on, or several; all addresses unless given. */
  readonly address?: string | readonly string[] | undefined;
  readonly realm?: string | undefined;
  /** krb5.conf and kdc.conf; only /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /** Keytab name as in KRB5_KTNAME; the configured one unless given. */
  readonly keytab?: string | undefined;
  /**
   * The only encryption types that tickets, session keys and subkeys may have, written as for
   * permitted_enctypes; those that krb5.conf does not permit stay forbidden. All permitted ones unless
   * given.
   */
  readonly requireEnctype?: string | undefined;
  /** Path of kpropd.acl. */
  readonly acl: string;
  /** Where received dumps are put. */
  readonly file: string;
  /**
   * Makes a dump the live database: kdb5_util, or a function that resolves when it is live. What the
   * function throws is told to the sender in its own words.
   */
  readonly loader:
    | {
        readonly path: string;
        readonly database?: string | undefined;
        /** Where this kdb5_util has its database if neither `database` nor the configuration says so. */
        readonly builtInDatabase?: string | undefined;
        readonly environment: Readonly<Record<string, string | undefined>>;
      }
    | LoaderFunction;
  /**
   * How a dump becomes the database. `auto`, unless given: written by this package itself where that
   * is possible (docs/native-load.md), else by the program of `loader`. `native`: never by that
   * program, which need not be there then. `kdb5_util`: always by it; it gets the dump while that
   * arrives, if the program is kdb5_util, the database db2, and the dump large. `streamed` and
   * `complete` decide even that.
   */
  readonly load?: LoadMode | undefined;
  /**
   * When a database that was written natively is dumped by kdb5_util and compared with what was
   * received, before it becomes live. `first`, unless given: the first one on a host, after a change
   * of this package, of kdb5_util or of the kind of dump, and after 100 loads or 30 days.
   */
  readonly verify?: VerifyMode | undefined;
  /**
   * Loads a dump even if the replica's stash file does not open its master key, so that no KDC could
   * start there. Refused unless given. Without a stash file nothing is refused.
   */
  readonly anyMasterKey?: boolean | undefined;
  /** Where MIT's programs have the stash file, up to the realm, if kdc.conf has no key_stash_file. */
  readonly builtInStash?: string | undefined;
  /** 10 s to authenticate, 120 s idle, `iprop_resync_timeout` in all, unless given. */
  readonly limits?: Partial<ServeLimits> | undefined;
  /**
   * Connections that have not authenticated yet; 256 unless given, and never more than the descriptors
   * of the process allow. In addition, a quarter as many places are kept for the addresses of the hosts
   * in the ACL, and for addresses from which a propagation was permitted before.
   */
  readonly maxUnauthenticated?: number | undefined;
  /** How many of them may come from one IPv4 address or one IPv6 /64; 32 unless given. */
  readonly maxPerAddress?: number | undefined;
  /** How many new ones are served each second, from addresses of which nothing is known; 200 unless given. */
  readonly maxArrivalsPerSecond?: number | undefined;
  /** Propagations at once, waiting ones included; the next one is refused. 64 unless given. */
  readonly maxPropagations?: number | undefined;
  /** How many of them may be of one principal; 16 unless given. */
  readonly maxPropagationsPerClient?: number | undefined;
  /** A dump of a larger announced size is refused. No limit unless given. */
  readonly maxDumpBytes?: number | undefined;
  /** Stops listening after the first connection. */
  readonly once?: boolean | undefined;
  /** Follows the updates of a primary as well, where the realm's configuration enables that. */
  readonly incremental?: IncrementalOptions | undefined;
  readonly replay?: ReplayCache | undefined;
  readonly ambient?: Ambient | undefined;
  /**
   * Called when the port is bound and before a connection is accepted, to give up privileges. If it
   * throws, serveKprop stops listening and throws the same.
   */
  readonly onListening?: (() => void) | undefined;
  /** An error that it throws becomes a warning of the process, and stops nothing. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
}

/** An event of one connection; `connection` counts from 1, and 0 is the listener's. */
export type ServerEvent = (
  | ConnectionEvent
  | DroppedEvent
  | { readonly kind: 'poll'; readonly poll: PollEvent }
) & { readonly connection: number };
