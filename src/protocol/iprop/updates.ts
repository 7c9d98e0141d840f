import { bool, int16, int32, nothing, opaque, uint32 } from '../xdr/primitives.ts';
import { arm, array, type Codec, type Decoded, struct, union } from '../xdr/schema.ts';

/** The RPC program, its version and its procedures. @see MIT krb5, src/lib/kdb/iprop.x */
export const ipropProgram = { number: 100423, version: 1 } as const;
export const procedures = { none: 0, getUpdates: 1, fullResync: 2, fullResyncExt: 3 } as const;

/** The newest dump that a full resync may bring: "ipropx 1" (IPROPX_VERSION). */
export const newestDumpVersion = 1;

/** What a primary answers. */
export const updateStatuses = {
  ok: 0,
  error: 1,
  fullResyncNeeded: 2,
  busy: 3,
  nil: 4,
  permissionDenied: 5,
} as const;

/** Where an update log stands: kdb_last_t. */
export const lastUpdate = struct('kdb_last_t', {
  serial: uint32,
  seconds: uint32,
  micros: uint32,
});

const nameParts = struct('kdbe_data_t', { magic: int32, data: opaque });

/** A principal in parts; the name type comes last. */
export const updatePrincipal = struct('kdbe_princ_t', {
  realm: opaque,
  components: array('components', nameParts),
  nameType: int32,
});

/** A key, still encrypted in the master key; its second element is the salt. */
export const updateKey = struct('kdbe_key_t', {
  version: int32,
  kvno: int32,
  enctypes: array('k_enctype', int32),
  contents: array('k_contents', opaque),
});

export const updateTypedData = struct('kdbe_tl_t', { type: int16, data: opaque });

/** An attribute of an update: kdbe_val_t. MIT emits those without a mark at most. */
export const attribute = union(
  'kdbe_val_t',
  {
    flags: arm(0, uint32),
    maxLife: arm(1, uint32),
    maxRenewableLife: arm(2, uint32),
    expiration: arm(3, uint32),
    passwordExpiration: arm(4, uint32),
    lastSuccess: arm(5, uint32), // not emitted
    lastFailed: arm(6, uint32), // not emitted
    failedCount: arm(7, uint32), // not emitted
    principal: arm(8, updatePrincipal),
    keys: arm(9, array('AT_KEYDATA', updateKey)),
    typedData: arm(10, array('AT_TL_DATA', updateTypedData)),
    length: arm(11, int16),
    modifier: arm(12, updatePrincipal),
    modified: arm(13, uint32),
    modifiedWhere: arm(14, opaque), // not emitted
    passwordChanged: arm(15, uint32),
    policy: arm(16, opaque), // not emitted
    policySwitch: arm(17, bool), // not emitted
    historyKvno: arm(18, uint32), // not emitted
    history: arm(19, array('AT_PW_HIST', array('history', updateKey))), // not emitted
  },
  opaque,
);

/** One change of a principal: kdb_incr_update_t. */
export const update = struct('kdb_incr_update_t', {
  name: opaque,
  serial: uint32,
  seconds: uint32,
  micros: uint32,
  attributes: array('kdb_update', attribute),
  deleted: bool,
  committed: bool,
  seenBy: array('kdb_kdcs_seen_by', opaque),
  futures: opaque,
});

/** What GET_UPDATES gives. `last` means something only if the status is `ok`. */
export const updatesReply = struct('kdb_incr_result_t', {
  last: lastUpdate,
  updates: array('updates', update),
  status: int32,
});

/** What either procedure of a full resync gives. */
export const resyncReply = struct('kdb_fullresync_result_t', { last: lastUpdate, status: int32 });

export type LastUpdate = Decoded<typeof lastUpdate>;
export type Attribute = Decoded<typeof attribute>;
export type Update = Decoded<typeof update>;
export type UpdateKey = Decoded<typeof updateKey>;
export type UpdatePrincipal = Decoded<typeof updatePrincipal>;
export type UpdatesReply = Decoded<typeof updatesReply>;

/** A procedure: its number, its argument, its result. */
export interface Procedure<A, R> {
  readonly number: number;
  readonly argument: Codec<A>;
  readonly result: Codec<R>;
}

export const getUpdates: Procedure<LastUpdate, UpdatesReply> = {
  number: procedures.getUpdates,
  argument: lastUpdate,
  result: updatesReply,
};
export const fullResync: Procedure<undefined, Decoded<typeof resyncReply>> = {
  number: procedures.fullResync,
  argument: nothing,
  result: resyncReply,
};
export const fullResyncExt: Procedure<number, Decoded<typeof resyncReply>> = {
  number: procedures.fullResyncExt,
  argument: uint32,
  result: resyncReply,
};
