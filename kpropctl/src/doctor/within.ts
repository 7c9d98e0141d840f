import { spanText } from '../show/words.ts';
import { type Finding, unknown } from './finding.ts';

/** What a check found; if it takes too long, or fails in a way that it does not know, that is what was found. */
export async function within(
  limitMillis: number,
  on: string,
  check: string,
  work: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    const what = `${check}: not known after ${spanText(limitMillis)}`;
    timer = setTimeout(() => resolve([unknown(on, check, what)]), limitMillis);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    const { message } = error as Error;
    return [unknown(on, check, `${check} could not be looked at: ${message}`)];
  } finally {
    clearTimeout(timer);
  }
}
