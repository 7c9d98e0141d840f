import { acceptorRows } from './acceptor.ts';
import { databaseRows } from './database.ts';
import { hostRows } from './host.ts';
import { networkRows } from './network.ts';
import { wireRows } from './wire.ts';

/** Every error code: who has to act, com_err's words, what failed, and what to do about it. */
export const catalogue = {
  ...wireRows,
  ...acceptorRows,
  ...networkRows,
  ...hostRows,
  ...databaseRows,
} as const;
