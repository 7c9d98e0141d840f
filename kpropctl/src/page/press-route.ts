import { getCookie, setCookie } from 'hono/cookie';

import { admit } from './admission.ts';
import type { AppOptions, PageContext } from './app.ts';
import { isFromOwnPage } from './press-token.ts';

const cookieName = 'kpropctl';
const mostBodyBytes = 1_024;

/** The token for the form of this browser, and its cookie; undefined if nobody can press the button. */
export function tokenOf(c: PageContext, { settings, press }: AppOptions): string | undefined {
  if (settings.pageKeytab === undefined) return undefined;
  const known = getCookie(c, cookieName);
  const cookie = press.cookie(known);
  if (cookie !== known) {
    setCookie(c, cookieName, cookie, { httpOnly: true, sameSite: 'Strict', path: '/' });
  }
  return press.tokenFor(cookie);
}

/** Propagate now: for whoever has a ticket, and has pressed the button on a page of ours. */
export async function pressRoute(c: PageContext, o: AppOptions): Promise<Response> {
  const from = {
    origin: c.req.header('origin'),
    site: c.req.header('sec-fetch-site'),
    host: c.req.header('host'),
  };
  if (!isFromOwnPage(from)) return c.text('this was sent by the page of another site\n', 403);
  if (!/^application\/x-www-form-urlencoded\b/.test(c.req.header('content-type') ?? '')) {
    return c.text('a form is expected\n', 415);
  }
  const by = await admit(c, o.guard);
  if (by instanceof Response) return by;
  const length = Number(c.req.header('content-length'));
  if (!(length <= mostBodyBytes)) return c.text('this is too long\n', 413);
  const token = new URLSearchParams(await c.req.text()).get('token');
  if (!o.press.isGood(getCookie(c, cookieName), token ?? undefined)) {
    return c.text('the page was too old: go back, load it again, and press once more\n', 403);
  }
  await o.onRun(by);
  return c.redirect('/', 303);
}
