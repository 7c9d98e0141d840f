export {
  type DumpDatabaseOptions,
  type DumpProgress,
  type DumpReport,
  dumpDatabase,
} from './client/dump-database.ts';
export { type DumpSummary, type InspectDumpOptions, inspectDump } from './client/inspect-dump.ts';
export { type ProbeOptions, type ProbeReport, probe } from './client/probe.ts';
export {
  type DumpStream,
  type PropagateEvent,
  type PropagateLimits,
  type PropagateOptions,
  type PropagateReport,
  propagate,
} from './client/propagate.ts';
export { type FailedAttempt, type RetryOptions, retry } from './client/retry.ts';
export { openSharedDump, type SharedDump } from './client/shared-dump.ts';
export {
  type Detail,
  type ErrorCode,
  isKpropError,
  KpropError,
  type KpropErrorJson,
  type Phase,
} from './errors/kprop-error.ts';
export {
  type ConfigFiles,
  configFilesOf,
  loadKrb5Config,
  readProfile,
} from './host/config-files.ts';
export { type DefaultPaths, readDefaultPaths } from './host/default-paths.ts';
export { type HostsLine, hostsLines } from './host/hosts-file.ts';
export { withoutInspector } from './host/inspector.ts';
export { defaultKeytabName } from './host/keytab-file.ts';
export { type LockKind, lockFile, sendDatagram } from './host/libc.ts';
export { openFiles, runningProcesses, type SeenProcess } from './host/listening-processes.ts';
export { canonicalNames } from './host/names.ts';
export { replaceOwnFile } from './host/own-file.ts';
export { propagationPort } from './host/port.ts';
export { chooseReplayCache, type ReplayVariables } from './host/replay-choice.ts';
export { fileReplayCache, type ReplayFileOptions } from './host/replay-file.ts';
export { checkDump } from './kdb/dump/completeness.ts';
export type { DumpFormat } from './kdb/dump/dump-version.ts';
export type { DumpKind } from './kdb/dump/header.ts';
export {
  type FoundEntry,
  masterEntryOfDatabase,
  masterEntryOfDump,
} from './kdb/master-key/find-entry.ts';
export type { MasterEntry, SealedKey } from './kdb/master-key/master-entry.ts';
export { opensMasterKey } from './kdb/master-key/opening.ts';
export { readStash, type Stash, type StashedKey } from './kdb/master-key/stash.ts';
export { type Ambient, systemAmbient } from './protocol/ambient.ts';
export type { LastUpdate, Update } from './protocol/iprop/updates.ts';
export { formatProfile } from './protocol/krb5/formats/format-profile.ts';
export {
  formatKeytab,
  type KeytabEntry,
  type KeytabFields,
  parseKeytab,
  parseKeytabName,
} from './protocol/krb5/formats/keytab.ts';
export { Krb5Config } from './protocol/krb5/formats/krb5-config.ts';
export {
  type ProfileNode,
  type ProfileRelation,
  type ProfileSection,
  type ProfileTree,
  parseProfile,
} from './protocol/krb5/formats/profile.ts';
export { parseDuration } from './protocol/krb5/formats/values.ts';
export { memoryReplayCache, type ReplayCache } from './protocol/krb5/session/replay.ts';
export { checkReplica } from './server/check/check-replica.ts';
export type { CheckReplicaOptions } from './server/check/checked-site.ts';
export type { CheckFinding, CheckName } from './server/check/finding.ts';
export type {
  DumpToLoad,
  IncrementalOptions,
  LoaderFunction,
  LoadMode,
  ServeLimits,
  VerifyMode,
} from './server/options.ts';
export {
  type FollowEvent,
  type Following,
  type FollowOptions,
  followUpdates,
  type UpdateBatch,
} from './server/poll/follow-updates.ts';
export type { PollState } from './server/poll/poll-state.ts';
export type { PollEvent } from './server/poll/poller.ts';
export {
  type KpropServer,
  type ServeOptions,
  type ServerEvent,
  serveKprop,
  serveSocket,
} from './server/serve.ts';
export type { FullStatus } from './server/status/full-status.ts';
export type { ReplicaStatus } from './server/status/status-file.ts';
export type { CredentialSource } from './ticket/credentials.ts';
export { type KdcClock, type KdcClockOptions, kdcClock } from './ticket/kdc-clock.ts';
export { ownPrincipals, servicePrincipals } from './ticket/own-principals.ts';
export { type ServiceKey, type ServiceKeyOptions, serviceKeyAt } from './ticket/service-key.ts';
