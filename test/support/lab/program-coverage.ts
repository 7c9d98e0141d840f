import { expect } from 'vitest';

// Our programs note which of their lines were run, a third of a megabyte each time, in the tests of
// the command line only: those of whole propagations start them by the thousand.
if (!expect.getState().testPath?.includes('/test/cli/')) delete process.env.PROGRAM_COVERAGE;
