import { compareMakes } from './compare.ts';
import { kpropDump } from './kprop-dump.ts';
import { kpropOptions } from './kprop-options.ts';
import { kpropReplica } from './kprop-replica.ts';
import { kpropSetUp } from './kprop-set-up.ts';

compareMakes('kprop', [...kpropOptions, ...kpropSetUp, ...kpropDump, ...kpropReplica]);
