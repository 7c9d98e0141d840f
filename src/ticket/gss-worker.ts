// First of all: without a handler SIGUSR1 opens Node's debugger.
process.on('SIGUSR1', () => undefined);

/**
 * Runs as a process of its own: initializes one GSS context with the system's Kerberos, whose side
 * effect, a service ticket in the credential cache of KRB5CCNAME, is all that is wanted. libkrb5
 * reads its whole set-up from the environment, and that belongs to the process: hence this one.
 * argv: the service, as "host@replica.example", and the client principal, which libkrb5 would else
 * take from the first entry of the keytab. stdout: nothing, or the reason in words.
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
