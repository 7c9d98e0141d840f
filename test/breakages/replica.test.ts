import { tellBreakages } from './document.ts';
import { replicaBreakages } from './replica.ts';

tellBreakages('The replica', replicaBreakages);
