import { configFilesOf, loadKrb5Config } from '../../host/config-files.ts';
import { type DefaultPaths, readDefaultPaths } from '../../host/default-paths.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';

/** krb5.conf and kdc.conf where the environment or the defaults have them. @throws config.* */
export function readConfiguration(env: NodeJS.ProcessEnv): {
  readonly config: Krb5Config;
  readonly paths: DefaultPaths;
} {
  const paths = readDefaultPaths();
  return { config: loadKrb5Config(configFilesOf(env, paths)), paths };
}
