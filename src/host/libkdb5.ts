import { KpropError } from '../errors/kprop-error.ts';
import { concat } from '../protocol/bytes.ts';
import { libc } from './libc.ts';

// Layouts of LP64. The names and the versions of the libraries are the same in krb5 1.18 to 1.22.

export interface ReplicaDatabaseOptions {
  readonly realm: string;
  /** Path of the update log, which must be as long as its slots need. */
  readonly updateLog: string;
  readonly slots: number;
  /** Arguments of the database module, such as dbname=PATH. */
  readonly databaseArguments: readonly string[];
}

/**
 * The Kerberos database and its update log through MIT's own libraries, in the role of a replica. Calls
 * block, and wrong data can end the process: use it in a process of its own, with checked data.
 * @see krb5 src/lib/kdb/kdb_log.c, ulog_replay
 */
export class ReplicaDatabase {
  readonly #libraries: Libraries;
  readonly #context: unknown;
  readonly #arguments: readonly (string | null)[];
  #open = false;

  private constructor(libraries: Libraries, context: unknown, o: ReplicaDatabaseOptions) {
    this.#libraries = libraries;
    this.#context = context;
    this.#arguments = [...o.databaseArguments, null];
  }

  /** Reads krb5.conf and kdc.conf, and maps the log. @throws iprop.no-library, iprop.not-opened */
  static open(o: ReplicaDatabaseOptions): ReplicaDatabase {
    const libraries = load();
    const { krb5, kdb5 } = libraries;
    const out: [unknown] = [null];
    const code = krb5.initContext(out);
    if (code !== 0) throw notOpened(`krb5_init_context failed (${code})`);
    const database = new ReplicaDatabase(libraries, out[0], o);
    const context = out[0];
    const codes = [
      krb5.setDefaultRealm(context, o.realm),
      kdb5.setRole(context, replicaRole),
      kdb5.map(context, o.updateLog, o.slots),
    ];
    const failed = codes.find((each) => each !== 0);
    if (failed !== undefined) throw notOpened(krb5.errorMessage(context, failed));
    return database;
  }

  /** Whether the database has an entry of this name, without a NUL. @throws iprop.not-applied */
  has(name: Uint8Array): boolean {
    const { krb5, kdb5 } = this.#libraries;
    this.#openDatabase();
    const principal: [unknown] = [null];
    this.#must(
      krb5.parseName(this.#context, concat(name, Uint8Array.of(0)), principal),
      'a principal',
    );
    try {
      const entry: [unknown] = [null];
      const code = kdb5.getPrincipal(this.#context, principal[0], 0, entry);
      if (code === noEntry) return false;
      this.#must(code, 'an entry of the database');
      kdb5.freePrincipal(this.#context, entry[0]);
      return true;
    } finally {
      krb5.freeName(this.#context, principal[0]);
    }
  }

  /**
   * Applies and logs the updates of a kdb_incr_result_t, one after the other. If one fails, those before
   * it stay, and the log is reset, so that a full resync follows. @throws iprop.not-applied
   */
  replay(result: Uint8Array): void {
    const { kdb5, rpc } = this.#libraries;
    // Opened here, since ulog_replay neither frees nor resets anything if it cannot open it.
    this.#openDatabase();
    const stream = new Uint8Array(xdrBytes);
    const decoded = new Uint8Array(resultBytes);
    rpc.createMemoryStream(stream, result, result.length, xdrDecode);
    const whole = kdb5.decodeResult(stream, decoded) === 1;
    const left = new DataView(stream.buffer).getInt32(xdrLeftOffset, true);
    // The stream has pointers to the result, which must live until here.
    const read = result.length - left;
    // Part of a list would be applied in part. What was decoded of it is lost memory.
    if (!whole || read !== result.length) {
      throw notApplied('the library does not understand the updates');
    }
    this.#must(kdb5.replay(this.#context, decoded, this.#arguments), 'an update');
  }

  /** Forgets all updates, so that a full resync follows. @throws iprop.not-applied */
  reset(): void {
    this.#must(this.#libraries.kdb5.initHeader(this.#context), 'the update log');
  }

  #openDatabase(): void {
    if (this.#open) return;
    const code = this.#libraries.kdb5.open(this.#context, this.#arguments, readWriteAdmin);
    this.#must(code, 'the database');
    this.#open = true;
  }

  #must(code: number, what: string): void {
    if (code === 0) return;
    const text = this.#libraries.krb5.errorMessage(this.#context, code);
    throw notApplied(`${what}: ${text}`);
  }
}

type Libraries = ReturnType<typeof bind>;

function load(): Libraries {
  try {
    return bind();
  } catch (cause) {
    if (cause instanceof KpropError) throw cause;
    const [reason = ''] = String((cause as Error).message).split('\n');
    throw new KpropError('iprop.no-library', { reason }, { cause });
  }
}

function bind() {
  const { koffi } = libc();
  const kdb5 = koffi.load('libkdb5.so.10');
  const krb5 = koffi.load('libkrb5.so.3');
  const rpc = koffi.load('libgssrpc.so.4');
  const out = koffi.out(koffi.pointer('void *'));
  const strings = koffi.pointer('str');
  return {
    krb5: {
      // Reads kdc.conf, too, which krb5_init_context does not.
      initContext: krb5.func('krb5int_init_context_kdc', 'int32', [out]),
      setDefaultRealm: krb5.func('krb5_set_default_realm', 'int32', ['void *', 'str']),
      errorMessage: krb5.func('krb5_get_error_message', 'str', ['void *', 'int32']),
      parseName: krb5.func('krb5_parse_name', 'int32', ['void *', 'uint8 *', out]),
      freeName: krb5.func('krb5_free_principal', 'void', ['void *', 'void *']),
    },
    kdb5: {
      setRole: kdb5.func('ulog_set_role', 'int32', ['void *', 'int']),
      map: kdb5.func('ulog_map', 'int32', ['void *', 'str', 'uint32']),
      initHeader: kdb5.func('ulog_init_header', 'int32', ['void *']),
      open: kdb5.func('krb5_db_open', 'int32', ['void *', strings, 'int']),
      getPrincipal: kdb5.func('krb5_db_get_principal', 'int32', ['void *', 'void *', 'uint', out]),
      freePrincipal: kdb5.func('krb5_db_free_principal', 'void', ['void *', 'void *']),
      decodeResult: kdb5.func('xdr_kdb_incr_result_t', 'int', ['uint8 *', 'uint8 *']),
      replay: kdb5.func('ulog_replay', 'int32', ['void *', 'uint8 *', strings]),
    },
    rpc: {
      createMemoryStream: rpc.func('gssrpc_xdrmem_create', 'void', [
        ...['uint8 *', 'uint8 *'],
        ...['uint32', 'int'],
      ]),
    },
  };
}

function notOpened(reason: string): KpropError {
  return new KpropError('iprop.not-opened', { reason });
}

function notApplied(reason: string): KpropError {
  return new KpropError('iprop.not-applied', { reason });
}

const replicaRole = 2;
/** KRB5_KDB_OPEN_RW | KRB5_KDB_SRV_TYPE_ADMIN */
const readWriteAdmin = 0x0200;
/** KRB5_KDB_NOENTRY */
const noEntry = -1780008443;
const xdrDecode = 1;
const xdrBytes = 48;
const xdrLeftOffset = 40;
const resultBytes = 40;
