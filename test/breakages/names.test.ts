import { tellBreakages } from './document.ts';
import { nameBreakages } from './names.ts';

tellBreakages('Names, realms, keytabs', nameBreakages);
