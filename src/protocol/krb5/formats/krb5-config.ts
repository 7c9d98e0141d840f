import { KpropError } from '../../../errors/kprop-error.ts';
import { parseEnctypeList } from '../crypto/enctype-list.ts';
import { type ProfileRelation, type ProfileTree, profileRelations } from './profile.ts';
import { badValue, parseBoolean, parseDuration, parseInteger } from './values.ts';

type Paths = readonly string[];

/**
 * The settings of krb5.conf and kdc.conf, with MIT's defaults for those that are absent. The first
 * of several values counts; the last of those that MIT reads through its administration library.
 * Paths are returned as written, see expandTokens.
 * @see krb5.conf(5), kdc.conf(5)
 */
export class Krb5Config {
  /** The files that were read, in order of precedence, and those that do not exist. */
  readonly files: Paths;
  readonly missing: Paths;
  readonly #trees: readonly ProfileTree[];

  // Read at once: MIT's krb5_init_context fails if one of these has a bad value, and so do we.
  readonly ignoreAcceptorHostname: boolean;
  /** Which of the deprecated enctypes may be used. */
  readonly allow: { readonly des3: boolean; readonly rc4: boolean };
  readonly canonicalizeHostname: 'true' | 'false' | 'fallback';

  /** @throws config.value for a value with which no Kerberos program would start */
  constructor(trees: readonly ProfileTree[], files: Paths, missing: Paths = []) {
    this.#trees = trees;
    this.files = files;
    this.missing = missing;
    const weak = this.#strictBoolean('allow_weak_crypto');
    this.allow = {
      des3: this.#strictBoolean('allow_des3') || weak,
      rc4: this.#strictBoolean('allow_rc4') || weak,
    };
    this.ignoreAcceptorHostname = this.#strictBoolean('ignore_acceptor_hostname');
    this.canonicalizeHostname = this.#canonicalizeHostname();
  }

  /** The same with more settings, which come first. */
  precededBy(tree: ProfileTree): Krb5Config {
    return new Krb5Config([tree, ...this.#trees], this.files, this.missing);
  }

  /** All values of a relation, in order of precedence. */
  values(...path: readonly string[]): readonly string[] {
    return this.relations(...path).map(({ value }) => value);
  }

  /** The same with the file and the line of each. */
  relations(...path: readonly string[]): readonly ProfileRelation[] {
    return profileRelations(this.#trees, path);
  }

  first(...path: readonly string[]): string | undefined {
    return this.values(...path)[0];
  }

  last(...path: readonly string[]): string | undefined {
    return this.values(...path).at(-1);
  }

  /** @throws config.no-realm */
  get defaultRealm(): string {
    const realm = this.first('libdefaults', 'default_realm');
    const { files, missing } = this;
    if (realm !== undefined) return realm;
    throw new KpropError('config.no-realm', { files, missing });
  }

  get clockSkewSeconds(): number {
    return this.#lenientInteger('clockskew', 300);
  }

  /** Whether the initiator adopts the KDC's clock. */
  get kdcTimesync(): boolean {
    return this.#lenientInteger('kdc_timesync', 1) !== 0;
  }

  /** Whether KDCs that krb5.conf does not name are looked up in DNS. */
  get dnsLookupKdc(): boolean {
    const text =
      this.first('libdefaults', 'dns_lookup_kdc') ?? this.first('libdefaults', 'dns_fallback');
    // Measured with 1.20.1: here, unlike for dns_uri_lookup, a word that is not a boolean means no.
    return text === undefined || parseBoolean(text) === true;
  }

  /** Whether that look-up tries URI records before SRV records. */
  get dnsUriLookup(): boolean {
    return this.#lenientBoolean('dns_uri_lookup', true);
  }

  /** Whether an address is resolved back to a name, if names are canonicalized at all. */
  get rdns(): boolean {
    return this.#lenientBoolean('rdns', true);
  }

  /** The suffix of host names without a dot: '' for none, undefined for the resolver's domain. */
  get qualifyShortname(): string | undefined {
    return this.first('libdefaults', 'qualify_shortname');
  }

  /** In order of preference. @throws crypto.no-enctypes */
  get permittedEnctypes(): readonly number[] {
    return this.#enctypes('permitted_enctypes');
  }

  /** The enctypes that an AS-REQ asks for, in order of preference. @throws crypto.no-enctypes */
  get ticketEnctypes(): readonly number[] {
    const own = this.first('libdefaults', 'default_tkt_enctypes') !== undefined;
    return this.#enctypes(own ? 'default_tkt_enctypes' : 'permitted_enctypes');
  }

  /** @throws config.value */
  ticketLifetimeSeconds(realm: string): number {
    return this.#realmDuration(realm, 'ticket_lifetime', 24 * 3600);
  }

  /** 0 if tickets are not to be renewable. @throws config.value */
  renewLifetimeSeconds(realm: string): number {
    return this.#realmDuration(realm, 'renew_lifetime', 0);
  }

  forwardable(realm: string): boolean {
    return this.#realmBoolean(realm, 'forwardable');
  }

  proxiable(realm: string): boolean {
    return this.#realmBoolean(realm, 'proxiable');
  }

  /** Bits of KDCOptions (RFC 4120 §5.4.1) as the flag word; renewable-ok unless configured. */
  get kdcDefaultOptions(): number {
    return this.#lenientInteger('kdc_default_options', 0x10);
  }

  /** Requests longer than this many bytes go over TCP first. @throws config.value */
  get udpPreferenceLimit(): number {
    const text = this.first('libdefaults', 'udp_preference_limit');
    const bytes = text === undefined ? defaultUdpLimitBytes : parseInteger(text);
    if (bytes === undefined) throw badValue('udp_preference_limit', text, 'is not an integer');
    return bytes < 0 ? defaultUdpLimitBytes : Math.min(bytes, hardUdpLimitBytes);
  }

  /** For one request to all KDCs of a realm; 0 means no limit. */
  get requestTimeoutSeconds(): number {
    return parseDuration(this.first('libdefaults', 'request_timeout') ?? '') ?? 0;
  }

  get defaultKeytabName(): string | undefined {
    return this.first('libdefaults', 'default_keytab_name');
  }

  get defaultRcacheName(): string | undefined {
    return this.first('libdefaults', 'default_rcache_name');
  }

  /** KDC locations as written: `host`, `host:port`, `[v6]:port`, `https://…` or `/path`. */
  kdcs(realm: string): readonly string[] {
    return this.values('realms', realm, 'kdc');
  }

  /** The KDCs that hear of a new key first: they are asked if another one refuses. */
  primaryKdcs(realm: string): readonly string[] {
    const named = this.values('realms', realm, 'primary_kdc');
    return named.length > 0 ? named : this.values('realms', realm, 'master_kdc');
  }

  adminServer(realm: string): string | undefined {
    return this.last('realms', realm, 'admin_server');
  }

  ipropEnable(realm: string): boolean {
    const text = this.last('realms', realm, 'iprop_enable') ?? '';
    // The administration library also knows the word f, for false; here any other word is false.
    return parseBoolean(text) ?? false;
  }

  /** Where kadmind serves incremental propagation; undefined if it is not a port. */
  ipropPort(realm: string): number | undefined {
    const port = parseInteger(this.last('realms', realm, 'iprop_port') ?? '');
    return port !== undefined && port > 0 && port <= 65_535 ? port : undefined;
  }

  /** How long a replica waits between two polls; 0 means 10 s, as for MIT's kpropd. */
  ipropPollSeconds(realm: string): number {
    const given = ['iprop_replica_poll', 'iprop_slave_poll'].map((name) =>
      parseDuration(this.last('realms', realm, name) ?? ''),
    );
    const seconds = given.find((each) => each !== undefined && each >= 0) ?? 120;
    return seconds === 0 ? 10 : seconds;
  }

  /**
   * The path of the update log, and how many updates it holds. Without iprop_logfile it takes its name
   * from the database of [realms], or from the one that the programs have built in.
   */
  updateLog(realm: string, builtInDatabase: string): { path: string; slots: number } {
    const database = this.databaseName(realm) ?? builtInDatabase;
    const path = this.last('realms', realm, 'iprop_logfile') ?? `${database}.ulog`;
    const sizes = ['iprop_ulogsize', 'iprop_master_ulogsize'].map((name) =>
      parseInteger(this.last('realms', realm, name) ?? ''),
    );
    return { path, slots: sizes.find((size) => size !== undefined && size > 0) ?? 1000 };
  }

  /** The principal of the entry that holds the master key, with its realm. */
  masterKeyName(realm: string): string {
    const name = this.last('realms', realm, 'master_key_name') ?? 'K/M';
    return name.includes('@') ? name : `${name}@${realm}`;
  }

  /**
   * Where the KDC finds its master key: key_stash_file, else the path that the programs have built in,
   * to which the realm is added. undefined if neither is given.
   */
  stashFile(realm: string, builtIn: string | undefined): string | undefined {
    const named = this.last('realms', realm, 'key_stash_file');
    return named ?? (builtIn === undefined ? undefined : `${builtIn}${realm}`);
  }

  /** How long one full propagation may take; 0 means no limit. */
  ipropResyncTimeoutSeconds(realm: string): number {
    return parseDuration(this.last('realms', realm, 'iprop_resync_timeout') ?? '') ?? 300;
  }

  /** The path of the database in [realms], from which the update log takes its name. */
  databaseName(realm: string): string | undefined {
    return this.last('realms', realm, 'database_name');
  }

  /** Where kdb5_util looks for a db2 database; undefined means where it was compiled to look. */
  databasePath(realm: string): string | undefined {
    return (
      this.first('dbmodules', this.dbModule(realm), 'database_name') ??
      this.first('realms', realm, 'database_name')
    );
  }

  /** The subsection of [dbmodules] that describes the realm's database. */
  dbModule(realm: string): string {
    return this.first('realms', realm, 'database_module') ?? realm;
  }

  /** `db2`, `klmdb` or `kldap`. */
  dbLibrary(realm: string): string {
    return this.first('dbmodules', this.dbModule(realm), 'db_library') ?? 'db2';
  }

  #canonicalizeHostname(): 'true' | 'false' | 'fallback' {
    const text = this.first('libdefaults', 'dns_canonicalize_hostname') ?? 'true';
    if (text.toLowerCase() === 'fallback') return 'fallback';
    const value = parseBoolean(text);
    if (value === undefined) {
      throw badValue('dns_canonicalize_hostname', text, 'is neither a boolean nor fallback');
    }
    return value ? 'true' : 'false';
  }

  /** False if it is absent. */
  #strictBoolean(name: string): boolean {
    const text = this.first('libdefaults', name);
    const value = text === undefined ? false : parseBoolean(text);
    if (value === undefined) throw badValue(name, text, 'is not a boolean');
    return value;
  }

  #lenientBoolean(name: string, otherwise: boolean): boolean {
    return parseBoolean(this.first('libdefaults', name) ?? '') ?? otherwise;
  }

  #lenientInteger(name: string, otherwise: number): number {
    return parseInteger(this.first('libdefaults', name) ?? '') ?? otherwise;
  }

  #enctypes(name: 'permitted_enctypes' | 'default_tkt_enctypes'): readonly number[] {
    const text = this.first('libdefaults', name) ?? 'DEFAULT';
    const enctypes = parseEnctypeList(text, this.allow);
    if (enctypes.length === 0) throw new KpropError('crypto.no-enctypes', { relation: name });
    return enctypes;
  }

  #realmText(realm: string, name: string): string | undefined {
    return this.first('libdefaults', realm, name) ?? this.first('libdefaults', name);
  }

  /** False if it is absent or not a boolean. */
  #realmBoolean(realm: string, name: string): boolean {
    return parseBoolean(this.#realmText(realm, name) ?? '') === true;
  }

  #realmDuration(realm: string, name: string, otherwise: number): number {
    const text = this.#realmText(realm, name);
    const seconds = text === undefined ? otherwise : parseDuration(text);
    if (seconds === undefined) throw badValue(name, text, 'is not a duration');
    return seconds;
  }
}

const [defaultUdpLimitBytes, hardUdpLimitBytes] = [1465, 32_700];
