import { createRequire } from 'node:module';

/** The version of this package. */
export function packageVersion(): string {
  const read = createRequire(import.meta.url);
  return (read('../../package.json') as { version: string }).version;
}
