import { isKpropError, KpropError } from '../errors/kprop-error.ts';
import { holderText } from '../host/lock-holder.ts';
import { adviseOnPlace } from '../host/place-advice.ts';

/** The failure of a propagation with advice that takes a look at this host. It never throws. */
export function diagnosed(error: unknown, dump: string | undefined): unknown {
  if (!(error instanceof KpropError)) return error;
  if (isKpropError(error, 'dump.locked')) {
    const holder = holderText(error.detail.path);
    if (holder === undefined) return error;
    return error.advise({
      why: `${error.detail.path} is locked by ${holder}`,
      remedy: 'wait for that process to end',
    });
  }
  if (isKpropError(error, 'peer.refused') && dump !== undefined) {
    const [, fault] = /^the dump was not loaded: it (.*)$/.exec(error.detail.text) ?? [];
    if (fault === undefined) return error;
    return error.advise({
      why: `the replica found that ${dump} ${fault}`,
      remedy: `run \`kdb5_util dump ${dump}\`, and kprop only if it succeeds`,
    });
  }
  return adviseOnPlace(error);
}
