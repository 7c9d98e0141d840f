import { kpropDump } from './kprop-dump.ts';
import { kpropOptions } from './kprop-options.ts';
import { kpropReplica } from './kprop-replica.ts';
import { kpropSetUp } from './kprop-set-up.ts';
import { kpropdAcl } from './kpropd-acl.ts';
import { kpropdLife } from './kpropd-life.ts';
import { kpropdLoad } from './kpropd-load.ts';
import type { Scenario } from './scenario.ts';

export const kpropScenarios: readonly Scenario[] = [
  ...kpropOptions,
  ...kpropSetUp,
  ...kpropDump,
  ...kpropReplica,
];

export const kpropdScenarios: readonly Scenario[] = [...kpropdLife, ...kpropdAcl, ...kpropdLoad];
