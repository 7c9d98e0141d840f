// Before anything else: without a handler, SIGUSR1 opens Node's debugger.
process.on('SIGUSR1', () => undefined);

/**
 * Accepts tickets with the Kerberos library of the system, one message of the parent at a time, and
 * answers each with one message. libkrb5 is configured by environment variables, which belong to a
 * whole process, and what a stranger sends may crash it: so this is a process of its own.
 */

/** What the parent asks: a token in base64, or null to look at the keytab only. */
export interface Question {
  readonly token: string | null;
}

export type Answer =
  | { readonly kind: 'accepted'; readonly principal: string; readonly reply: string | null }
  /** The keytab has a key for HTTP. */
  | { readonly kind: 'ready' }
  /** libkrb5's words for what is wrong with the token, with the keytab, or with the package. */
  | { readonly kind: 'token' | 'keytab' | 'package'; readonly text: string };

// Whoever started this process has ended.
process.on('disconnect', () => process.exit());
process.on('message', async ({ token }: Question) => {
  process.send?.(await answer(token));
});

async function answer(token: string | null): Promise<Answer> {
  let kind: 'token' | 'keytab' | 'package' = 'package';
  try {
    const { initializeServer } = await import('kerberos');
    kind = 'keytab';
    // Without a host: any HTTP/… of the keytab, and no other service. It is read anew each time.
    const server = await initializeServer('HTTP');
    if (token === null) return { kind: 'ready' };
    kind = 'token';
    await server.step(token);
    const { username, response } = server;
    return { kind: 'accepted', principal: username, reply: response };
  } catch (error) {
    return { kind, text: (error as Error).message.split('\n')[0] ?? '' };
  }
}
