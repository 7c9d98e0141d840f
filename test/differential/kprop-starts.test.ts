import { compareMakes } from './compare.ts';
import { kpropOptions } from './kprop-options.ts';
import { kpropSetUp } from './kprop-set-up.ts';

compareMakes('kprop', [...kpropOptions, ...kpropSetUp]);
