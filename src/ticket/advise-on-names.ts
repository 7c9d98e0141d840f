import { ktadd } from '../errors/advice.ts';
import { isKpropError, KpropError } from '../errors/kprop-error.ts';
import { defaultKeytabName, readKeytab } from '../host/keytab-file.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import { requestServiceTicket } from './as-exchange.ts';
import type { CredentialRequest } from './credentials.ts';
import { ownNameAdvice } from './own-name-advice.ts';
import { replicaNameAdvice } from './replica-name-advice.ts';

/** KDC_ERR_S_PRINCIPAL_UNKNOWN, RFC 4120 §7.5.9. */
const serverUnknown = 7;
/** krb5kdc uses the same number for a principal that exists, and then says so. */
const locked = 'SERVICE LOCKED OUT';
/** For each name that the KDC is asked about. */
const askMillis = 3_000;

/** Throws the error on, with advice if a name is likely to be wrong. */
export async function adviseOnNames(
  error: unknown,
  o: CredentialRequest & { readonly host: string; readonly realmGiven: boolean },
): Promise<never> {
  const { source, clients, config, realmGiven } = o;
  if (!(error instanceof KpropError) || source.kind !== 'keytab') throw error;
  const keytab = () => readKeytab(source.name ?? defaultKeytabName(config));
  const missing = isKpropError(error, 'keytab.missing') && error.detail.errno === 'ENOENT';
  if (missing || isKpropError(error, 'keytab.format')) {
    const { path } = error.detail as { readonly path: string };
    const write = ktadd(path, `${clients[0]}`);
    throw error.advise({ remedy: missing ? `run ${write}` : `run \`rm ${path}\`, then ${write}` });
  }
  if (isKpropError(error, 'keytab.no-key')) {
    const [principal] = clients;
    throw error.advise(ownNameAdvice({ principal, keytab: keytab(), config, realmGiven }));
  }
  if (!isKpropError(error, 'kdc.error')) throw error;
  if (error.detail.number !== serverUnknown || error.detail.text === locked) throw error;
  const client = clients.find((one) => `${one}` === error.detail.client) ?? clients[0];
  const isKnown = async (server: Principal) => {
    const signals = [AbortSignal.timeout(askMillis), ...(o.signal === undefined ? [] : [o.signal])];
    const request = { ...o, client, server, keytab: keytab(), signal: AbortSignal.any(signals) };
    return requestServiceTicket(request).then(
      () => true,
      () => false,
    );
  };
  throw error.advise(await replicaNameAdvice({ ...o, client, isKnown }));
}
