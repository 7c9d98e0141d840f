import { readFileSync } from 'node:fs';

import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';

import type { Settings } from '../config/settings.ts';
import type { Guard } from '../serve/guard.ts';
import { openMetrics } from '../status/metrics.ts';
import { withOwnName, withTicket } from './admission.ts';
import type { Board } from './board.ts';
import { securityHeaders, withSecurityHeaders } from './headers.ts';
import { type Markup, textOf } from './markup.ts';
import { pageView } from './page-view.ts';
import { pressRoute, tokenOf } from './press-route.ts';
import type { PressToken } from './press-token.ts';
import type { Readers } from './readers.ts';
import { replicaView } from './replica-view.ts';

export interface AppOptions {
  readonly settings: Settings;
  readonly board: Board;
  readonly readers: Readers;
  readonly guard: Guard;
  readonly press: PressToken;
  /** Changes when a page that is open is no longer of use. */
  readonly edition: string;
  /** Resolves when the daemon has heard of it. */
  readonly onRun: (by: string) => Promise<void>;
  /** Somebody looks at the page. */
  readonly onLook: () => void;
  readonly onLog: (text: string) => void;
}

export interface PageEnvironment {
  readonly Bindings: HttpBindings;
  /** Who has shown a ticket. */
  readonly Variables: { principal?: string };
}

export type PageContext = Context<PageEnvironment>;

/** What is served, by path. */
export function pageApp(o: AppOptions): Hono<PageEnvironment> {
  const { board, readers, settings } = o;
  const app = new Hono<PageEnvironment>();
  const send = (c: PageContext, type: string, text: string) =>
    c.body(text, 200, { 'content-type': type });
  const sendPage = async (c: PageContext, markup: Markup) => c.html(await textOf(markup));

  app.use(withSecurityHeaders);
  app.get('/healthz', (c) => send(c, 'text/plain; charset=utf-8', 'ok\n'));
  app.use(withOwnName(settings));
  // They are the same everywhere, and a refusal looks like them, too.
  for (const [path, { type, text }] of Object.entries(assets)) {
    app.get(path, (c) => send(c, type, text));
  }
  app.use(withTicket(settings, o.guard));

  app.get('/', (c) => {
    o.onLook();
    const { edition } = o;
    const token = tokenOf(c, o);
    return sendPage(
      c,
      pageView(board.view(), { now: new Date(), since: readers.since, edition, token }),
    );
  });
  app.get('/replicas/:host', (c) => {
    const view = board.view();
    const replica = view.status.replicas.find(({ host }) => host === c.req.param('host'));
    if (replica === undefined) return c.notFound();
    return sendPage(c, replicaView(view, replica, new Date()));
  });
  app.get('/metrics', async (c) =>
    send(c, openMetricsType, await openMetrics(board.view().status)),
  );
  app.get('/status.json', (c) =>
    send(c, 'application/json', `${JSON.stringify(board.view().status)}\n`),
  );
  app.get('/events', (c) => listen(c, o));
  app.post('/run', (c) => pressRoute(c, o));

  const paths = ['/', '/replicas/:host', '/metrics', '/status.json', '/events', '/healthz'];
  for (const path of [...paths, ...Object.keys(assets)]) app.all(path, methodRefused('GET, HEAD'));
  app.all('/run', methodRefused('POST'));
  app.notFound((c) => c.text('there is nothing here\n', 404));
  app.onError((error, c) => {
    o.onLog(`${c.req.method} ${c.req.path} failed: ${error.stack ?? error.message}`);
    return c.text('this could not be shown: the log of kpropctl serve says why\n', 500);
  });
  return app;
}

/** The events of the page, for as long as its reader listens. */
function listen(c: PageContext, { readers, onLook }: AppOptions): Response {
  const { incoming, outgoing } = c.env;
  onLook();
  const lastSeen = c.req.header('last-event-id') ?? c.req.query('since');
  if (!readers.hasRoom(incoming.socket.remoteAddress ?? '')) {
    return c.text('too many pages are open\n', 503, { 'retry-after': '30' });
  }
  const type = { 'content-type': 'text/event-stream; charset=utf-8' };
  outgoing.writeHead(200, { ...securityHeaders, ...type });
  // Nothing may be said for long.
  incoming.socket.setTimeout(0);
  readers.add(outgoing, incoming.socket.remoteAddress ?? '', lastSeen);
  return RESPONSE_ALREADY_SENT;
}

const methodRefused = (allow: string) => (c: Context) => c.text(`only ${allow}\n`, 405, { allow });

const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

const asset = (name: string, type: string) => ({
  type,
  text: readFileSync(new URL(`../../assets/${name}`, import.meta.url), 'utf8'),
});

const assets = {
  '/page.css': asset('page.css', 'text/css; charset=utf-8'),
  '/page.js': asset('page.js', 'text/javascript; charset=utf-8'),
  '/icon.svg': asset('icon.svg', 'image/svg+xml'),
};
