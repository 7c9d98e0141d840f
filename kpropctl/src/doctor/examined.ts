import type { Krb5Config } from 'kprop';

import { defaultFile, type Settings } from '../config/settings.ts';
import type { State } from '../state/state.ts';
import { run } from './fix.ts';
import type { Platform } from './platform.ts';

/** What is looked at, and by what. */
export interface Examined {
  readonly settings: Settings;
  readonly krb5: Krb5Config;
  readonly state: State;
  readonly environment: NodeJS.ProcessEnv;
  readonly platform: Platform;
}

/** kpropctl with this configuration, as a fix. */
export function runKpropctl({ settings }: Examined, command: string): string {
  const { file = defaultFile } = settings;
  return run(`kpropctl ${command}${file === defaultFile ? '' : ` --config ${file}`}`);
}

/** A query of kadmin.local on the primary, as a fix. */
export function runKadminLocal({ settings, krb5 }: Examined, query: string): string {
  const { realm } = settings;
  const isDefault = krb5.first('libdefaults', 'default_realm') === realm;
  return run(`kadmin.local ${isDefault ? '' : `-r ${realm} `}-q "${query}"`);
}

/** The keytab of this host's own key, as ktadd wants it. */
export function keytabOf({ settings, krb5 }: Examined): { name: string; path: string } {
  const name = settings.keytab ?? krb5.defaultKeytabName ?? 'FILE:/etc/krb5.keytab';
  return { name, path: name.replace(/^(?:WR)?FILE:/, '') };
}
