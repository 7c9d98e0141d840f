import { configFilesOf, type Krb5Config, loadKrb5Config, readDefaultPaths } from 'kprop';

/** krb5.conf and kdc.conf, where the environment or this system has them. @throws config.* */
export function loadKrb5(environment: NodeJS.ProcessEnv): Krb5Config {
  return loadKrb5Config(configFilesOf(environment, readDefaultPaths()));
}
