import { type Detail, KpropError } from './kprop-error.ts';

/** Checks what callers without types may get wrong. @throws caller.option */
export function requireOption(isRight: boolean, detail: Detail<'caller.option'>): void {
  if (!isRight) throw new KpropError('caller.option', detail, { phase: 'configuration' });
}
