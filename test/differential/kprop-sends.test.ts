import { compareMakes } from './compare.ts';
import { kpropDump } from './kprop-dump.ts';
import { kpropReplica } from './kprop-replica.ts';

compareMakes('kprop', [...kpropDump, ...kpropReplica]);
