import type { MiddlewareHandler } from 'hono';

import { isLocalAddress, type Settings } from '../config/settings.ts';
import type { Guard } from '../serve/guard.ts';
import type { PageContext, PageEnvironment } from './app.ts';
import { textOf } from './markup.ts';
import { isOwnName } from './own-names.ts';
import { refusalView } from './refusal-view.ts';

type PageMiddleware = MiddlewareHandler<PageEnvironment>;

/** Refuses a Host header that names another host. */
export function withOwnName(settings: Settings): PageMiddleware {
  return async (c, next) => {
    if (isOwnName(c.req.header('host'), settings)) return next();
    return c.text('this is not the host that you asked for\n', 421);
  };
}

/** Asks for a ticket, where others than this host can reach the page. */
export function withTicket(settings: Settings, guard: Guard): PageMiddleware {
  if (isLocalAddress(settings.listen ?? '')) return (_, next) => next();
  return async (c, next) => {
    const admission = await admit(c, guard);
    if (admission instanceof Response) return admission;
    return next();
  };
}

/** The principal that asks; or the answer to send instead. A ticket is good for one look only. */
export async function admit(c: PageContext, guard: Guard): Promise<string | Response> {
  const known = c.get('principal');
  if (known !== undefined) return known;
  const admission = await guard.authenticate({ authorization: c.req.header('authorization') });
  if (admission.kind === 'admitted') {
    if (admission.reply !== undefined) c.header('www-authenticate', admission.reply);
    c.set('principal', admission.principal);
    return admission.principal;
  }
  const { status, challenge, reason } = admission;
  const headers = challenge === undefined ? {} : { 'www-authenticate': challenge };
  if (c.req.header('accept')?.includes('text/html') !== true) {
    return c.text(`${reason}\n`, status, headers);
  }
  return c.html(await textOf(refusalView({ status, reason })), status, headers);
}
