/** What happens while a dump becomes the database. */
export type LoadEvent =
  /** The loader runs already, and is given what has arrived. */
  | { readonly kind: 'streaming'; readonly pid: number }
  | { readonly kind: 'loading'; readonly path: string; readonly natively: boolean }
  | { readonly kind: 'loader-started'; readonly pid: number }
  | { readonly kind: 'loader-output'; readonly text: string; readonly to: 'stdout' | 'stderr' }
  /** Something that this replica's administrator should know, but that stops no propagation. */
  | { readonly kind: 'notice'; readonly text: string };

/** What happens on a connection, in this order. */
export type ConnectionEvent =
  | { readonly kind: 'connected'; readonly address: string }
  | { readonly kind: 'authenticating'; readonly service: string; readonly descriptor: number }
  | { readonly kind: 'authenticated'; readonly client: string; readonly enctype: string }
  | { readonly kind: 'denied'; readonly client: string }
  | { readonly kind: 'receiving'; readonly bytes: number }
  | { readonly kind: 'received'; readonly bytes: number }
  | LoadEvent
  | { readonly kind: 'loaded'; readonly bytes: number; readonly client: string }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'closed' };
