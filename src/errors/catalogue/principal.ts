import { config, row } from './row.ts';

/** What is wrong with the name of a principal. */
export const principalRows = {
  'principal.malformed': row<{ text: string; reason: string }>({
    fault: config,
    comErr: 134,
    says: (d) => `"${d.text}" is not a principal: ${d.reason}`,
    remedy: 'write it as name/instance@REALM; a backslash escapes / @ and itself',
  }),
} as const;
