import { tellBreakages } from './document.ts';
import { aclBreakages } from './replica.ts';

tellBreakages('kpropd.acl', aclBreakages);
