import { abortedRows } from './aborted.ts';
import { authRows } from './auth.ts';
import { callerRows } from './caller.ts';
import { ccacheRows } from './ccache.ts';
import { configRows } from './config.ts';
import { cryptoRows } from './crypto.ts';
import { decodeRows } from './decode.ts';
import { dumpRows } from './dump.ts';
import { gssRows } from './gss.ts';
import { hostRows } from './host.ts';
import { ipropRows } from './iprop.ts';
import { kdcRows } from './kdc.ts';
import { keytabRows } from './keytab.ts';
import { kpropRows } from './kprop.ts';
import { loaderRows } from './loader.ts';
import { messageRows } from './message.ts';
import { networkRows } from './network.ts';
import { peerRows } from './peer.ts';
import { principalRows } from './principal.ts';
import { rpcRows } from './rpc.ts';
import { serverRows } from './server.ts';
import { sessionRows } from './session.ts';
import { spoolRows } from './spool.ts';
import { ulogRows } from './ulog.ts';

/** Every error code: who has to act, com_err's text, what failed, and what to do about it. */
export const catalogue = {
  ...abortedRows,
  ...authRows,
  ...callerRows,
  ...ccacheRows,
  ...configRows,
  ...cryptoRows,
  ...decodeRows,
  ...dumpRows,
  ...gssRows,
  ...hostRows,
  ...ipropRows,
  ...kdcRows,
  ...keytabRows,
  ...kpropRows,
  ...loaderRows,
  ...messageRows,
  ...networkRows,
  ...peerRows,
  ...principalRows,
  ...rpcRows,
  ...serverRows,
  ...sessionRows,
  ...spoolRows,
  ...ulogRows,
} as const;
