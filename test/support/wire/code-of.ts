import { KpropError } from '../../../src/errors/kprop-error.ts';

/** The code of the error that it ends with, `none` if it ends well. */
export async function codeOf(stored: Promise<unknown>): Promise<string> {
  try {
    await stored;
    return 'none';
  } catch (error) {
    if (error instanceof KpropError) return error.code;
    throw error;
  }
}
