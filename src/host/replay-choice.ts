import { join } from 'node:path';

import { KpropError } from '../errors/kprop-error.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { expandTokens } from '../protocol/krb5/formats/values.ts';
import type { ReplayCache } from '../protocol/krb5/session/replay.ts';
import { pathTokens } from './path-tokens.ts';
import { fileReplayCache, noReplayCache } from './replay-file.ts';

/** The variables that choose a replay cache (krb5 lib/krb5/rcache/rc_base.c and rc_dfl.c). */
export interface ReplayVariables {
  readonly KRB5RCACHENAME?: string | undefined;
  readonly KRB5RCACHETYPE?: string | undefined;
  readonly KRB5RCACHEDIR?: string | undefined;
  readonly TMPDIR?: string | undefined;
}

/**
 * The replay cache that MIT's acceptors would use with these variables and this configuration.
 * A wrong name fails only when the cache is used, so that the peer is told, too.
 */
export function chooseReplayCache(variables: ReplayVariables, config: Krb5Config): ReplayCache {
  const { clockSkewSeconds } = config;
  try {
    const { type, residual } = nameParts(variables, config);
    switch (type) {
      case 'dfl':
        return fileReplayCache({ path: defaultPath(variables), strict: true, clockSkewSeconds });
      case 'file2':
        return fileReplayCache({ path: residual, strict: false, clockSkewSeconds });
      case 'none':
        return noReplayCache;
      default:
        throw new KpropError('auth.replay-name', { name: type, known: false });
    }
  } catch (error) {
    return {
      store: async () => {
        throw error;
      },
    };
  }
}

function nameParts(variables: ReplayVariables, config: Krb5Config) {
  const name = configuredName(variables, config);
  const colon = name.indexOf(':');
  if (colon === -1) throw new KpropError('auth.replay-name', { name, known: true });
  return { type: name.slice(0, colon), residual: name.slice(colon + 1) };
}

function configuredName(variables: ReplayVariables, config: Krb5Config): string {
  if (variables.KRB5RCACHENAME !== undefined) return variables.KRB5RCACHENAME;
  if (variables.KRB5RCACHETYPE !== undefined) return `${variables.KRB5RCACHETYPE}:`;
  const configured = config.defaultRcacheName;
  return configured === undefined
    ? 'dfl:'
    : expandTokens(configured, pathTokens(), 'default_rcache_name');
}

/** One file for all acceptors of a user: kpropd shares it with sshd, and with MIT's kpropd. */
function defaultPath({ KRB5RCACHEDIR, TMPDIR }: ReplayVariables): string {
  return join(KRB5RCACHEDIR ?? TMPDIR ?? '/var/tmp', `krb5_${process.geteuid?.() ?? 0}.rcache2`);
}
