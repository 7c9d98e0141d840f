export type { CredentialSource } from './client/credentials.ts';
export {
  type DumpStream,
  type PropagateEvent,
  type PropagateLimits,
  type PropagateOptions,
  type PropagateReport,
  propagate,
} from './client/propagate.ts';
export { type ConfigFiles, loadKrb5Config } from './host/config-files.ts';
export { type ErrorCode, isKpropError, KpropError, type Phase } from './protocol/errors.ts';
export type { Krb5Config } from './protocol/formats/krb5-config.ts';
export type { ServeLimits } from './server/connection.ts';
export type { LoadRun } from './server/loader.ts';
export {
  type KpropServer,
  type ServeOptions,
  type ServerEvent,
  serveKprop,
} from './server/serve.ts';
