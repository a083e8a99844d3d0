// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Tell pages that what they were given from a cache has changed: after
 * `staleWhileRevalidate`, say, which shows a page what may be one visit old. In
 * the worker `broadcastUpdate` compares and posts, and `broadcastingCache` does so
 * for a strategy; in the page `receiveUpdates` listens.
 *
 * Two responses are the same if their `ETag` is, or else their `Last-Modified` and
 * `Content-Length`; where one of them has neither, their bodies are compared by
 * their hash, which reads both into memory.
 *
 * ```text
 * { "@serviceworker/std": { updated: url } }
 * ```
 *
 * It costs `broadcastingCache` one `match()` for each `put()`, and one message to
 * each window if something has changed, none otherwise. The new body is held in
 * memory while it is stored, the old one where both have to be hashed.
 *
 * @module
 */

/** The part of a `Client` that {@linkcode broadcastUpdate} uses. */
export interface BroadcastUpdateClient {
  /** The client's identifier. */
  readonly id: string;
  /** Posts a message. */
  postMessage(message: unknown): void;
}

/** The part of `self.clients` that {@linkcode broadcastUpdate} uses. */
export interface BroadcastUpdateClients {
  /** Resolves with the client of an identifier. */
  get(id: string): Promise<BroadcastUpdateClient | undefined>;
  /** Resolves with the windows. */
  matchAll(options: {
    includeUncontrolled: boolean;
    type: "window";
  }): Promise<readonly BroadcastUpdateClient[]>;
}

/** The part of a `fetch` event that {@linkcode broadcastUpdate} uses. */
export interface BroadcastUpdateEvent {
  /** What was asked for. */
  readonly request: { readonly url: string };
  /** Of a navigation, the client that there will be. */
  readonly resultingClientId?: string | undefined;
}

/** Two responses to the same request. */
export interface BroadcastUpdateResponses {
  /** The one that was stored, if there was one; its body is not used up. */
  readonly old: Response | undefined;
  /** The one that takes its place; its body is not used up. */
  readonly fresh: Response;
}

/** A cache, as strategies use it: a `Cache` is one. */
export interface BroadcastingCache {
  /** Finds what is stored. */
  match(request: Request, options?: object): Promise<Response | undefined>;
  /** Stores a response. */
  put(request: Request, response: Response): Promise<void>;
  /** Deletes responses. */
  delete?(request: Request, options?: object): Promise<unknown>;
}

/** The part of `navigator.serviceWorker` that {@linkcode receiveUpdates} uses. */
export interface ReceiveUpdatesContainer {
  /** Listens to what workers post. */
  addEventListener(
    type: "message",
    listener: (event: { readonly data: unknown }) => void,
    options: { signal?: AbortSignal },
  ): void;
  /** Delivers what is waiting, even before the document is parsed. */
  startMessages(): void;
}

/** Options for {@linkcode receiveUpdates}. */
export interface ReceiveUpdatesOptions {
  /** Ends the listening. Without it, it lasts as long as the page. */
  signal?: AbortSignal | undefined;
}

const KEY = "@serviceworker/std";
const POLL = 50;
/** How long it may take until a navigation has its page. */
const DEADLINE = 10_000;

/**
 * Tells all windows of the origin, if the responses differ, that what is at the
 * URL of the event has changed. The window that a navigation leads to may not be
 * there yet: it is waited for, for 10 seconds. Its message waits until its
 * document is parsed, or for `receiveUpdates`.
 *
 * Hand the promise to `event.waitUntil()`. A page in the back/forward cache is not
 * told.
 *
 * @param clients The worker's `self.clients`.
 * @param event The event.
 * @param responses What was stored, and what is now.
 * @returns Whether they differ: `false` also if there was none, or one is opaque.
 * @throws {TypeError} If a body was used.
 *
 * @example Telling what has changed
 * ```ts
 * import { broadcastUpdate } from "@serviceworker/std/fetch/broadcast-update";
 * import { assertEquals } from "@std/assert";
 *
 * // Stand for `self.clients` and a `fetch` event.
 * const told: unknown[] = [];
 * const client = { id: "1", postMessage: (data: unknown) => told.push(data) };
 * const clients = { get: async () => client, matchAll: async () => [client] };
 * const event = { request: new Request("https://a.test/news") };
 *
 * await broadcastUpdate(clients, event, {
 *   old: new Response("Rain"),
 *   fresh: new Response("Sun"),
 * });
 * assertEquals(told, [{ "@serviceworker/std": { updated: "https://a.test/news" } }]);
 * ```
 */
export async function broadcastUpdate(
  clients: BroadcastUpdateClients,
  event: BroadcastUpdateEvent,
  responses: BroadcastUpdateResponses,
): Promise<boolean> {
  const { request: { url }, resultingClientId } = event;
  const { old, fresh } = responses;
  if (!old || !await isChanged(old, fresh)) return false;
  const message = { [KEY]: { updated: url } };
  const windows = await clients.matchAll({
    includeUncontrolled: true,
    type: "window",
  });
  for (const client of windows) client.postMessage(message);
  if (
    resultingClientId && !windows.some(({ id }) => id === resultingClientId)
  ) {
    (await waitFor(clients, resultingClientId))?.postMessage(message);
  }
  return true;
}

/**
 * The same cache, which tells all windows when what is put differs from what was
 * there, as {@linkcode broadcastUpdate} does. Give it to a strategy as its cache.
 *
 * @param clients The worker's `self.clients`.
 * @param event The event that the strategy answers.
 * @param cache The cache, or a promise of it.
 * @returns The cache.
 *
 * @example Showing old news, and telling that there are others
 * ```ts
 * import { broadcastingCache } from "@serviceworker/std/fetch/broadcast-update";
 * import { staleWhileRevalidate } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * let news = "Rain";
 * const host = createHost({ network: () => new Response(news) });
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     const opened = self.caches.open("news");
 *     const cache = broadcastingCache(self.clients, event, opened);
 *     const { fetch } = self;
 *     event.respondWith(staleWhileRevalidate(event, { cache, fetch }));
 *   });
 * });
 * const page = await host.openWindow("/");
 * await host.idle();
 *
 * const told = new Promise((resolve) => {
 *   page.serviceWorker.addEventListener("message", resolve, { once: true });
 * });
 * news = "Sun";
 * assertEquals(await (await page.fetch("/")).text(), "Rain");
 * await told;
 * host.close();
 * ```
 */
export function broadcastingCache(
  clients: BroadcastUpdateClients,
  event: BroadcastUpdateEvent,
  cache: BroadcastingCache | Promise<BroadcastingCache>,
): BroadcastingCache {
  return {
    match: async (request, options) =>
      await (await cache).match(request, options),
    delete: async (request, options) =>
      await (await cache).delete?.(request, options),
    async put(request, response) {
      const opened = await cache;
      const old = await opened.match(request);
      const fresh = response.clone();
      await opened.put(request, response);
      // Whether anybody was told is no concern of who stores.
      await broadcastUpdate(clients, event, { old, fresh }).catch(() => {});
    },
  };
}

/**
 * Calls `listener` with each URL of which a worker tells that it has changed. Call
 * it when the page can deal with it: what was posted before waits until then, or
 * until the document is parsed. Then fetch the URL again, or offer to reload.
 *
 * @param container The page's `navigator.serviceWorker`.
 * @param listener Is given the URL.
 * @param options Additional options.
 *
 * @example Loading news again that have changed
 * ```ts
 * import { receiveUpdates } from "@serviceworker/std/fetch/broadcast-update";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for `navigator.serviceWorker`.
 * const { port1: container, port2: worker } = new MessageChannel();
 * const startMessages = () => container.start();
 * const updated = new Promise((resolve) => {
 *   receiveUpdates(Object.assign(container, { startMessages }), resolve);
 * });
 *
 * worker.postMessage({ "@serviceworker/std": { updated: "https://a.test/news" } });
 * assertEquals(await updated, "https://a.test/news");
 * container.close();
 * worker.close();
 * ```
 */
export function receiveUpdates(
  container: ReceiveUpdatesContainer,
  listener: (url: string) => void,
  options: ReceiveUpdatesOptions = {},
): void {
  const { signal } = options;
  container.addEventListener("message", ({ data }) => {
    const mark = isObject(data) ? data[KEY] : undefined;
    if (isObject(mark) && typeof mark.updated === "string") {
      listener(mark.updated);
    }
  }, signal ? { signal } : {});
  container.startMessages();
}

async function isChanged(old: Response, fresh: Response): Promise<boolean> {
  if (old.type === "opaque" || fresh.type === "opaque") return false;
  // Before anything is waited for: a body may be used then.
  const bodies = [old.clone(), fresh.clone()] as const;
  const compare = (name: string) => {
    const [a, b] = [old, fresh].map(({ headers }) =>
      headers.get(name)?.replace(/^W\//, "")
    );
    return a === undefined || b === undefined ? undefined : a !== b;
  };
  const isOther = compare("etag") ??
    (compare("last-modified") === false
      ? compare("content-length") ?? false
      : compare("last-modified"));
  if (isOther === undefined) {
    const [a, b] = await Promise.all(bodies.map(hash));
    return a !== b;
  }
  // They would wait for the originals.
  for (const { body } of bodies) body?.cancel().catch(() => {});
  return isOther;
}

async function hash(response: Response): Promise<string> {
  const bytes = await response.arrayBuffer();
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).join();
}

/** The client, once there is one. */
async function waitFor(
  clients: BroadcastUpdateClients,
  id: string,
): Promise<BroadcastUpdateClient | undefined> {
  for (let waited = 0; waited < DEADLINE; waited += POLL) {
    const client = await clients.get(id);
    if (client) return client;
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
  return undefined;
}

/** The fields of what came from elsewhere. */
type Fields = Readonly<Partial<Record<typeof KEY | "updated", unknown>>>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}
