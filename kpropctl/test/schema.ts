import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect } from 'vitest';

import { packageRoot } from '../../test/support/lab/lab.ts';

/** Expects of a value what a published schema says; those of kpropctl unless another folder is named. */
export function validator(name: string, folder = 'kpropctl/schemas'): (value: unknown) => void {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  (formats as unknown as (one: Ajv2020) => void)(ajv);
  const path = join(packageRoot, folder, `${name}.json`);
  const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')));
  return (value) => {
    validate(value);
    expect(validate.errors ?? []).toEqual([]);
  };
}
