// Before anything else: without a handler, SIGUSR1 opens Node's debugger.
process.on('SIGUSR1', () => undefined);

/**
 * Initializes one GSS context with the Kerberos library of the system, for its side effect: a service
 * ticket in the credential cache of KRB5CCNAME. libkrb5 is configured by environment variables, and
 * these belong to a whole process: so this is a process of its own.
 * argv: the service, such as "host@replica.example", and the client principal; without it libkrb5 would
 * take the first entry of the keytab. stdout: nothing, or why it failed.
 */
async function main(service: string, principal: string): Promise<void> {
  const kerberos = await import('kerberos');
  const client = await kerberos.initializeClient(service, {
    mechOID: kerberos.GSS_MECH_OID_KRB5,
    gssFlag: kerberos.GSS_C_MUTUAL_FLAG,
    principal,
  });
  await client.step('');
}

main(process.argv[2] ?? '', process.argv[3] ?? '').catch((error: unknown) => {
  const { code, message } = error as { code?: unknown; message?: string };
  const absent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  process.stdout.write(`${message ?? error}`.split('\n')[0] ?? '');
  process.exitCode = absent || code === 'ERR_DLOPEN_FAILED' ? 3 : 1;
});
