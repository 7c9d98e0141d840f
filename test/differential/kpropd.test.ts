import { compareMakes } from './compare.ts';
import { kpropdAcl } from './kpropd-acl.ts';
import { kpropdLife } from './kpropd-life.ts';
import { kpropdLoad } from './kpropd-load.ts';

compareMakes('kpropd', [...kpropdLife, ...kpropdAcl, ...kpropdLoad]);
