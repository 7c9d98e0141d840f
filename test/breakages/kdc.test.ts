import { tellBreakages } from './document.ts';
import { dumpBreakages } from './dumps.ts';
import { kdcBreakages } from './kdc.ts';

tellBreakages('The KDC and the dump', [...kdcBreakages, ...dumpBreakages]);
