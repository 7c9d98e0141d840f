import { compareMakes } from './compare.ts';
import { kpropOptions } from './kprop-options.ts';
import { kpropSetUp } from './kprop-set-up.ts';

// The same again as on a KDC that Debian's package has set up.
compareMakes('kprop', [...kpropOptions, ...kpropSetUp], 'debian');
