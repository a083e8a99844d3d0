// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answer a request from a cache, the network, or both: each strategy is a function
 * of a `fetch` event that resolves with the response for `event.respondWith()`.
 *
 * | strategy               | answers                                                 |
 * | ---------------------- | ------------------------------------------------------- |
 * | `cacheFirst`           | the copy; without one, the network                      |
 * | `networkFirst`         | the network; if that fails or takes too long, the copy  |
 * | `staleWhileRevalidate` | the copy, which is then renewed; without one, the network |
 * | `race`                 | the copy or the network, whichever is there first       |
 * | `cacheOnly`            | the copy                                                |
 * | `networkOnly`          | the network                                             |
 *
 * The *copy* is what the cache has for the request. The network has *failed* if it
 * cannot be reached, breaks off before the response, exceeds `timeout`, or answers
 * with a status of 500 or more. A strategy that has nothing else answers with the
 * `fallback`; without that, with the 5xx itself; and rejects if there is none, by
 * which the page gets a network error.
 *
 * What comes from the network is stored, once the page has its response, if all of
 * this holds; only the last can be changed:
 *
 * | of                   | stored                  | never stored                   |
 * | -------------------- | ----------------------- | ------------------------------ |
 * | method               | GET                     | HEAD and all others            |
 * | URL                  | `http:` and `https:`    | others                         |
 * | what was asked for   |                         | a `Range`; `cache: "no-store"` |
 * | what the server says |                         | 206; `Vary: *`; `Cache-Control: no-store` |
 * | type                 | basic, cors, default    | error, opaqueredirect          |
 * | `isStorable`         | a status of 200 to 299  | an error page, what is opaque  |
 *
 * So an error page never replaces a good copy, and neither does a body that breaks
 * off: the copy is replaced when the last byte is there. (Without a
 * `Content-Length`, WebKitGTK takes what has come by then for the whole.) A write
 * that fails, such as for lack of space, changes nothing for the page; pass a cache
 * whose `put()` makes room.
 *
 * A method other than GET and HEAD goes to the network untouched. HEAD is answered
 * from the copy of GET, without its body. A navigation gets the response to its
 * preload where there is one, and is never given a redirected response, which the
 * browser would refuse. What is opaque is only given to who can take it. A copy is
 * found by URL, without its hash, and by what its `Vary` names; Chromium keeps one
 * copy of a URL. A copy is given whole, also to a request with `Range`: media
 * elements want `rangeResponse()` around it.
 *
 * What it costs, in Chromium: a hit that a router has found a route for is there
 * as soon as with `cache.match()` written by hand, 0.02 ms of 2 ms later; in a
 * cache that is given by its name 0.08 ms.
 *
 * @module
 */

/** The part of a `FetchEvent` that the strategies use. */
export interface StrategyEvent {
  /** What is asked for. */
  readonly request: Request;
  /** What the browser requested while the worker started. */
  readonly preloadResponse?: Promise<Response | undefined> | undefined;
  /** Settles when the event has been handled; missing in older browsers. */
  readonly handled?: Promise<unknown> | undefined;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What a query of a {@linkcode StrategyCache} leaves out of account. */
export interface StrategyMatchOptions {
  /** The query of the URL. */
  readonly ignoreSearch?: boolean;
  /** The method. */
  readonly ignoreMethod?: boolean;
  /** The `Vary` header of the copy. */
  readonly ignoreVary?: boolean;
}

/** The part of a `Cache` that the strategies use. */
export interface StrategyCache {
  /** Finds the copy. */
  match(
    request: Request,
    options?: StrategyMatchOptions,
  ): Promise<Response | undefined>;
  /** Stores a copy. */
  put(request: Request, response: Response): Promise<void>;
  /** Deletes copies. Used if `deleteGone` is set. */
  delete?(request: Request, options?: StrategyMatchOptions): Promise<unknown>;
}

/** A request that several events wait for. */
export interface StrategyFetch {
  /** Its response. */
  readonly response: Promise<Response>;
  /** Aborts it. */
  readonly controller: AbortController;
  /** How many wait for it. */
  waiting: number;
}

/** Options for {@linkcode cacheOnly}, and of all strategies. */
export interface CacheOnlyOptions {
  /**
   * The cache: its name, or the cache itself, or a promise of it. A cache that the
   * worker opens once, `const cache = caches.open("pages")`, answers sooner than
   * one that is looked up by its name for every event; but if it is deleted, it is
   * gone until the worker starts again.
   */
  readonly cache: string | StrategyCache | Promise<StrategyCache>;
  /**
   * The URL by which the copy is stored and found, such as that of one page for all
   * navigations. Without it, that of the request.
   */
  readonly key?: ((request: Request) => string | URL) | undefined;
  /**
   * The names of parameters in the query that do not matter, and are left out of
   * the URL by which the copy is stored and found, as in `/^(utm_|fbclid$)/`. The
   * others stay as they are, in their order. Without it, all matter.
   */
  readonly ignoredParams?: RegExp | undefined;
  /** What is left out of account when the copy is looked for. Without it, nothing. */
  readonly matchOptions?: StrategyMatchOptions | undefined;
  /**
   * What stands in when nothing else is there: a response, which can be used again;
   * the URL of one in any cache of the origin; or a function of the request and of
   * what was wrong (an error, or the 5xx), which may return `undefined`. Without
   * it, the page gets the 5xx or a network error. If no cache holds the URL, the
   * strategy gives the 5xx, or rejects with a `TypeError` that says so, its `cause`
   * what was wrong.
   */
  readonly fallback?:
    | Response
    | URL
    | string
    | ((
      request: Request,
      reason: unknown,
    ) => Response | undefined | Promise<Response | undefined>)
    | undefined;
}

/** Options for {@linkcode networkOnly}, and of all strategies that use the network. */
export interface NetworkOnlyOptions extends Pick<CacheOnlyOptions, "fallback"> {
  /**
   * Milliseconds after which the network has failed, if no response is there, and
   * the request is aborted; {@linkcode networkFirst} has a use of its own for it.
   * Without it, as long as the browser waits, which can be minutes.
   */
  readonly timeout?: number | undefined;
  /**
   * Ends the waiting, and the response if its body is still on its way, with this
   * signal's reason. The signal of the request always does; but before there is a
   * response, browsers do not tell their workers that a page has given up.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether a response means that the network has failed. Without it, a status of
   * 500 or more does.
   */
  readonly isFailure?: ((response: Response) => boolean) | undefined;
  /**
   * What makes requests, to add a header for example. Without it, the worker's
   * `fetch()`. Not asked for a navigation that was preloaded.
   */
  readonly fetch?:
    | ((request: Request) => Promise<Response>)
    | undefined;
  /**
   * Requests in flight. Strategies that are given the same map, such as a
   * `new Map()` at the worker's top level, share them: who asks for the same
   * while no response is there does not ask the server again. The map is for one
   * cache; navigations are not shared. Without it, every event has a request of
   * its own.
   */
  readonly inFlight?: Map<string, StrategyFetch> | undefined;
}

/** Options for {@linkcode cacheFirst} and {@linkcode race}. */
export interface CacheFirstOptions
  extends CacheOnlyOptions, NetworkOnlyOptions {
  /**
   * Whether a response is good enough to be stored, within what the module's table
   * allows. Without it, one that is `ok`. To store what is opaque, whose success
   * nobody can tell and which counts for megabytes: `({ ok, type }) => ok || type
   * === "opaque"`.
   */
  readonly isStorable?: ((response: Response) => boolean) | undefined;
  /**
   * Whether the copy is deleted, in all its variants, if the network answers 404 or
   * 410.
   *
   * @default {false}
   */
  readonly deleteGone?: boolean | undefined;
}

/** Options for {@linkcode staleWhileRevalidate}. */
export interface StaleWhileRevalidateOptions extends CacheFirstOptions {
  /**
   * Whether the network is told what the copy is (`If-None-Match`,
   * `If-Modified-Since`), and may answer that it still holds: then only its
   * headers are renewed. Those of other origins are asked for without, since they
   * would need a preflight. The browser does as much for what is in its own
   * HTTP cache.
   *
   * @default {false}
   */
  readonly conditional?: boolean | undefined;
}

/** Options for {@linkcode networkFirst}. */
export interface NetworkFirstOptions extends StaleWhileRevalidateOptions {
  /**
   * Milliseconds after which the copy is given, if there is one; the response of
   * the network is then stored when it comes. Without a copy the network is waited
   * for. Without `timeout`, as long as the browser waits, which can be minutes.
   */
  readonly timeout?: number | undefined;
  /**
   * Whether a copy is only given for as long as its `Cache-Control` allows, by
   * `stale-if-error` seconds after it is no longer fresh; RFC 5861. One whose `Date`
   * is not known, as of another origin that does not expose it, is then not given.
   * Without it, any copy is better than none.
   *
   * @default {false}
   */
  readonly staleIfError?: boolean | undefined;
}

/** The options of any strategy. */
type Options = {
  readonly [K in keyof NetworkFirstOptions]?:
    | NetworkFirstOptions[K]
    | undefined;
};

/**
 * Answers with the copy; without one, with the network. For what never changes
 * under its URL: files with a hash in their names, fonts, a version of a library.
 *
 * A hit costs what `cache.match()` costs: nothing else is waited for.
 *
 * @param event The event.
 * @param options The cache, and additional options.
 * @returns The response.
 * @throws {DOMException} "TimeoutError" if there is no copy, no fallback, and no
 * response in time.
 * @throws {TypeError} If there is no copy, no fallback, and no network.
 *
 * @example Fetching what never changes once
 * ```ts
 * import { cacheFirst } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * const host = createHost({
 *   network: () => new Response("body {}"),
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(cacheFirst(event, { cache: "files" }));
 *   });
 * });
 * const page = await host.openWindow("/");
 * await page.fetch("/style.3f1.css");
 * await host.idle();
 *
 * host.network.offline = true;
 * const response = await page.fetch("/style.3f1.css");
 * assertEquals(await response.text(), "body {}");
 * host.close();
 * ```
 */
export async function cacheFirst(
  event: StrategyEvent,
  options: CacheFirstOptions,
): Promise<Response> {
  begin(event, options);
  const copy = await match(event, options);
  if (!copy) return await answer(event, options, ask(event, options));
  drain(event);
  return copy;
}

/**
 * Answers with the network; if that fails, or has not answered after `timeout`,
 * with the copy. For what should be new and has to be there offline: pages, API.
 *
 * @param event The event.
 * @param options The cache, and additional options.
 * @returns The response.
 * @throws {TypeError} If there is no network, no copy and no fallback.
 *
 * @example Showing the last page that was seen when the server is in trouble
 * ```ts
 * import { networkFirst } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * let status = 200;
 * const host = createHost({
 *   network: () => new Response(`Status ${status}`, { status }),
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(networkFirst(event, { cache: "pages", timeout: 3_000 }));
 *   });
 * });
 * const page = await host.openWindow("/");
 * await host.idle();
 *
 * status = 503;
 * assertEquals(await (await page.reload()).text(), "Status 200");
 * host.close();
 * ```
 */
export async function networkFirst(
  event: StrategyEvent,
  options: NetworkFirstOptions,
): Promise<Response> {
  const { conditional, timeout } = options;
  begin(event, options);
  const find = () => match(event, options);
  const copy = conditional ? await find() : undefined;
  const network = ask(event, { ...options, timeout: undefined }, copy);

  const isLate = await new Promise<boolean>((resolve) => {
    const timer = startTimer(timeout, () => resolve(true));
    const settle = () => {
      clearTimeout(timer);
      resolve(false);
    };
    network.then(settle, settle);
  });
  const instead = isLate ? await find() : undefined;
  if (!instead) return await answer(event, options, network, find);
  dropLater(event, network);
  return instead;
}

/**
 * Answers with the copy, and then renews it; without one, with the network. For
 * what may be one visit old: avatars, lists of which nobody expects the newest.
 *
 * @param event The event.
 * @param options The cache, and additional options.
 * @returns The response.
 * @throws {DOMException} "TimeoutError" if there is no copy, no fallback, and no
 * response in time.
 * @throws {TypeError} If there is no copy, no fallback, and no network.
 *
 * @example Being fast now and right the next time
 * ```ts
 * import { staleWhileRevalidate } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * let version = 1;
 * const host = createHost({
 *   network: () => new Response(`Version ${version++}`),
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(staleWhileRevalidate(event, { cache: "pages" }));
 *   });
 * });
 *
 * version = 1;
 * const page = await host.openWindow("/");
 * await host.idle();
 * assertEquals(await (await page.reload()).text(), "Version 1");
 * await host.idle();
 * assertEquals(await (await page.reload()).text(), "Version 2");
 * await host.idle();
 * host.close();
 * ```
 */
export async function staleWhileRevalidate(
  event: StrategyEvent,
  options: StaleWhileRevalidateOptions,
): Promise<Response> {
  begin(event, options);
  const copy = await match(event, options);
  if (!copy) return await answer(event, options, ask(event, options));
  const revalidate = async () => {
    await whenHandled(event);
    const known = options.conditional ? await match(event, options) : undefined;
    await drop(event, await ask(event, options, known));
  };
  extend(event, revalidate());
  return copy;
}

/**
 * Asks the cache and the network at once, and answers with the first good response.
 * If that is the copy, the request is aborted. For devices on which the disk can be
 * slower than the network; it costs a request each time.
 *
 * @param event The event.
 * @param options The cache, and additional options.
 * @returns The response.
 * @throws {DOMException} "TimeoutError" if there is no copy, no fallback, and no
 * response in time.
 * @throws {TypeError} If there is no copy, no fallback, and no network.
 *
 * @example Not waiting for a slow network
 * ```ts
 * import { race } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * const host = createHost({
 *   network: () => new Promise<Response>(() => {}),
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(race(event, { cache: "pages" }));
 *   });
 * });
 * await (await host.caches.open("pages")).put("/", new Response("Hello"));
 *
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "Hello");
 * host.close();
 * ```
 */
export async function race(
  event: StrategyEvent,
  options: CacheFirstOptions,
): Promise<Response> {
  begin(event, options);
  const lost = new AbortController();
  const signal = options.signal
    ? AbortSignal.any([options.signal, lost.signal])
    : lost.signal;
  const network = ask(event, { ...options, signal });
  const good = network.then((response) =>
    isFailure(response, options) ? Promise.reject(response) : response
  );
  const copy = match(event, options).then((copy) => copy ?? Promise.reject());
  let first: Response;
  try {
    first = await Promise.any([copy, good]);
  } catch {
    return await answer(event, options, network);
  }
  copy.then(
    (copy) => copy === first ? lost.abort() : copy.body?.cancel(),
    () => {},
  );
  return first;
}

/**
 * Answers with the copy, and never asks the network. For what was stored before, as
 * when the worker was installed.
 *
 * @param event The event.
 * @param options The cache, and additional options.
 * @returns The response.
 * @throws {DOMException} "NotFoundError" if there is no copy and no fallback.
 *
 * @example Answering what was stored before
 * ```ts
 * import { cacheOnly } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * const host = createHost({
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   const fallback = new Response("Not stored");
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(cacheOnly(event, { cache: "pages", fallback }));
 *   });
 * });
 * await (await host.caches.open("pages")).put("/", new Response("Hello"));
 *
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "Hello");
 * assertEquals(await (await page.fetch("/other")).text(), "Not stored");
 * host.close();
 * ```
 */
export async function cacheOnly(
  event: StrategyEvent,
  options: CacheOnlyOptions,
): Promise<Response> {
  drain(event);
  return await match(event, options) ??
    await answer(
      event,
      options,
      Promise.reject(
        new DOMException(
          `Cannot answer ${event.request.url}: there is no copy in the cache`,
          "NotFoundError",
        ),
      ),
    );
}

/**
 * Answers with the network. It differs from leaving the request to the browser, and
 * is worth it, by its `timeout` and its `fallback`.
 *
 * @param event The event.
 * @param options Additional options.
 * @returns The response.
 * @throws {DOMException} "TimeoutError" if there is no response in time, and no
 * fallback.
 * @throws {TypeError} If there is no network, and no fallback.
 *
 * @example Saying that the network is not there
 * ```ts
 * import { networkOnly } from "@serviceworker/std/fetch/strategies";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * const host = createHost({
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   const fallback = () => Response.json({ online: false }, { status: 503 });
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(networkOnly(event, { timeout: 5_000, fallback }));
 *   });
 * });
 *
 * host.network.offline = true;
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.json(), { online: false });
 * host.close();
 * ```
 */
export async function networkOnly(
  event: StrategyEvent,
  options: NetworkOnlyOptions = {},
): Promise<Response> {
  begin(event, options);
  // Options that are shared with other strategies may name a cache.
  const network = ask(event, { ...options, cache: undefined });
  return await answer(event, options, network);
}

/** Refuses what is aborted. */
function begin(event: StrategyEvent, { signal }: Options): void {
  if (!signal?.aborted) return;
  drain(event);
  throw signal.reason;
}

/** Reads a preload that is not needed. */
function drain(event: StrategyEvent): void {
  const { preloadResponse, request } = event;
  if (request.mode !== "navigate" || !preloadResponse) return;
  dropLater(event, preloadResponse);
}

/** The network's response, or what stands in for it if it has failed. */
async function answer(
  event: StrategyEvent,
  options: Options,
  network: Promise<Response>,
  find?: () => Promise<Response | undefined>,
): Promise<Response> {
  const { request } = event;
  let reason: unknown;
  try {
    const response = await network;
    if (!isFailure(response, options)) return response;
    reason = response;
  } catch (error) {
    options.signal?.throwIfAborted();
    request.signal.throwIfAborted();
    reason = error;
  }
  const instead = await find?.() ?? await fallBack(request, options, reason);
  if (!instead) {
    if (reason instanceof Response) return reason;
    throw reason;
  }
  if (reason instanceof Response && instead !== reason) {
    extend(event, drop(event, reason));
  }
  return instead;
}

function isFailure(response: Response, options: Options): boolean {
  const { isFailure = ({ status }) => status >= 500 } = options;
  return isFailure(response);
}

async function fallBack(
  request: Request,
  { fallback }: Options,
  reason: unknown,
): Promise<Response | undefined> {
  if (fallback === undefined) return undefined;
  if (typeof fallback === "function") return await fallback(request, reason);
  if (fallback instanceof Response) return fallback.clone();
  const response = await caches.match(fallback).catch(() => undefined);
  if (response) return withoutRedirect(request, response);
  if (reason instanceof Response) return undefined;
  throw new TypeError(
    `Cannot answer ${request.url}: no cache holds the fallback "${fallback}"; precache it`,
    { cause: reason },
  );
}

/** Finds the copy, if the request can be answered with it. */
async function match(
  { request }: StrategyEvent,
  options: Options,
): Promise<Response | undefined> {
  const { cache = "", matchOptions, staleIfError } = options;
  const { method, mode } = request;
  const isHead = method === "HEAD";
  if (!isHead && method !== "GET") return undefined;
  const key = keyOf(request, options);
  const query = isHead ? { ...matchOptions, ignoreMethod: true } : matchOptions;
  let copy: Response | undefined;
  try {
    copy = typeof cache === "string"
      ? await caches.match(key, { ...query, cacheName: cache })
      : await (await cache).match(key, query);
  } catch {
    // Storage is blocked: what is stored may as well not be there.
  }
  if (!copy || (staleIfError && !mayStandIn(copy))) return undefined;
  if (copy.type === "opaque" && (mode !== "no-cors" || isHead)) {
    return undefined;
  }
  return isHead ? new Response(null, copy) : withoutRedirect(request, copy);
}

/** What a copy is stored and found by. */
function keyOf(request: Request, { key, ignoredParams }: Options): Request {
  if (!key && !ignoredParams) return request;
  const url = new URL(key ? key(request) : request.url, request.url);
  url.hash = "";
  if (ignoredParams && url.search) {
    url.search = url.search.slice(1).split("&")
      .filter((param) => param.replace(/=.*/, "").search(ignoredParams) < 0)
      .join("&");
  }
  // The headers are what it varies by.
  const { headers, method } = request;
  return new Request(url, { headers, method });
}

/** Whether it is fresh, or may be used for some time after: RFC 5861, section 4. */
function mayStandIn({ headers }: Response): boolean {
  const control = headers.get("cache-control") ?? "";
  const secondsOf = (name: string) => {
    const found = new RegExp(`(?:^|[\\s,])${name}="?(\\d+)`, "i").exec(control);
    return found ? Number(found[1]) : undefined;
  };
  const date = Date.parse(headers.get("date") ?? "");
  const expires = Date.parse(headers.get("expires") ?? "");
  const fresh = secondsOf("max-age") ?? ((expires - date) / 1_000 || 0);
  const stale = secondsOf("stale-if-error") ?? 0;
  return (Date.now() - date) / 1_000 <= fresh + stale;
}

/** A response that was redirected is refused where redirects are not followed, as by navigations. */
function withoutRedirect({ redirect }: Request, response: Response): Response {
  return response.redirected && redirect !== "follow"
    ? new Response(response.body, response)
    : response;
}

/** Asks the network, for as long as somebody wants to know. */
async function ask(
  event: StrategyEvent,
  options: Options,
  copy?: Response,
): Promise<Response> {
  const { request } = event;
  const { inFlight, signal, timeout } = options;
  const { headers, method, mode } = request;
  const isShared = method === "GET" && mode !== "navigate" &&
    !headers.has("range");
  const shared = isShared ? inFlight : undefined;
  if (!shared && !signal && timeout === undefined) {
    return await exchange(event, options, { copy });
  }

  const late = new AbortController();
  const timer = startTimer(timeout, () =>
    late.abort(
      new DOMException(
        `Cannot fetch ${request.url}: no response came within ${timeout} ms`,
        "TimeoutError",
      ),
    ));
  const signals = [request.signal, late.signal];
  if (signal) signals.push(signal);
  const any = AbortSignal.any(signals);
  const start = (signal: AbortSignal) =>
    exchange(event, options, { copy, signal });
  try {
    if (shared) return await share(shared, idOf(request), any, start);
    const response = start(any);
    try {
      return await abortable(response, any);
    } catch (error) {
      // A preload cannot be aborted, nor can the range of a medium.
      dropLater(event, response);
      throw error;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** What requests that share a response have in common. */
function idOf(request: Request): string {
  const { url, mode, credentials, redirect, cache, integrity } = request;
  const facts = [url, mode, credentials, redirect, cache, integrity];
  return JSON.stringify([...facts, ...request.headers]);
}

/** Waits for the response to a request that others may wait for too. */
async function share(
  inFlight: Map<string, StrategyFetch>,
  id: string,
  signal: AbortSignal,
  start: (signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  let fetched = inFlight.get(id);
  if (!fetched) {
    const controller = new AbortController();
    const response = start(controller.signal);
    fetched = { response, controller, waiting: 0 };
    inFlight.set(id, fetched);
  }
  fetched.waiting++;
  let response: Response | undefined;
  try {
    response = await abortable(fetched.response, signal);
    // A body that nobody reads would fill the memory: the last one takes it.
    return fetched.waiting > 1 ? response.clone() : response;
  } finally {
    fetched.waiting--;
    if (response || fetched.waiting === 0) {
      if (inFlight.get(id) === fetched) inFlight.delete(id);
      if (!response) fetched.controller.abort();
    }
  }
}

/** Asks the network, and stores what it says. */
async function exchange(
  event: StrategyEvent,
  options: Options,
  { copy: stored, signal }: {
    copy?: Response | undefined;
    signal?: AbortSignal;
  },
): Promise<Response> {
  const { request, preloadResponse } = event;
  // The condition of another origin's would need a preflight.
  const copy = stored?.type === "cors" ? undefined : stored;
  const preloaded = request.mode === "navigate"
    ? await preloadResponse
    : undefined;
  const sent = toSend(request, copy, signal);
  let response = preloaded ?? await (options.fetch ?? fetch)(sent);
  if (response.type === "error") {
    // So a preload that has failed resolves in Firefox.
    throw new TypeError(`Cannot fetch ${request.url}: the network failed`);
  }
  if (copy && response.status === 304) response = renew(copy, response);
  store(event, options, response);
  return withoutRedirect(request, response);
}

/** The request as it goes to the network. */
function toSend(
  request: Request,
  copy: Response | undefined,
  signal: AbortSignal | undefined,
): Request {
  const { cache, mode, referrer, referrerPolicy } = request;
  // Any request that is made of it would be without the range.
  if (mode === "no-cors" && request.headers.has("range")) return request;
  const init: RequestInit = { ...(signal && { signal }) };
  const etag = copy?.headers.get("etag");
  const modified = copy?.headers.get("last-modified");
  if (etag || modified) {
    const headers = new Headers(request.headers);
    if (etag) headers.set("if-none-match", etag);
    else if (modified) headers.set("if-modified-since", modified);
    init.headers = headers;
    // With "no-cors" they would be dropped.
    init.mode = "same-origin";
  }
  // DevTools asks for that, and fetch() refuses it.
  if (cache === "only-if-cached" && mode !== "same-origin") {
    init.cache = "default";
  }
  if (Object.keys(init).length === 0) return request;
  // What is not said again is forgotten.
  return new Request(request, { referrer, referrerPolicy, ...init });
}

/** The copy, of which the server says that it still holds: RFC 9111, section 4.3.4. */
function renew(copy: Response, { headers: renewed }: Response): Response {
  const { body, status, statusText } = copy;
  const headers = new Headers(copy.headers);
  for (const [name, value] of renewed) {
    if (!name.startsWith("content-")) headers.set(name, value);
  }
  return new Response(body, { status, statusText, headers });
}

/** Stores a response, or deletes the copy, after the page has its answer. */
function store(
  event: StrategyEvent,
  options: Options,
  response: Response,
): void {
  const { cache, deleteGone } = options;
  if (cache === undefined) return;
  const key = keyOf(event.request, options);
  const isGone = deleteGone && key.method === "GET" &&
    [404, 410].includes(response.status);
  const stored = mayStore(event.request, response, options)
    ? response.clone()
    : undefined;
  if (!isGone && !stored) return;

  const write = async () => {
    const opened =
      await (typeof cache === "string" ? caches.open(cache) : cache);
    if (stored) await opened.put(key, stored);
    else await opened.delete?.(key, { ignoreVary: true });
  };
  extend(event, whenHandled(event).then(write));
}

/** The module's table. */
function mayStore(
  request: Request,
  response: Response,
  { isStorable = ({ ok }) => ok }: Options,
): boolean {
  const { cache, headers, method, url } = request;
  return method === "GET" && /^https?:/.test(url) &&
    !headers.has("range") && cache !== "no-store" &&
    response.status !== 206 && !lists(response, "vary", "*") &&
    !lists(response, "cache-control", "no-store") &&
    response.type !== "error" && response.type !== "opaqueredirect" &&
    isStorable(response);
}

/** Whether one of the values of a header is `value`. */
function lists({ headers }: Response, name: string, value: string): boolean {
  const values = headers.get(name)?.toLowerCase().split(",") ?? [];
  return values.some((one) => one.trim() === value);
}

async function whenHandled({ handled }: StrategyEvent): Promise<void> {
  const handedOver = handled ?? new Promise((resolve) => setTimeout(resolve));
  await handedOver.catch(() => {});
}

/** Keeps the worker alive for what nobody else waits for, and which may fail. */
function extend(event: StrategyEvent, work: Promise<unknown>): void {
  const done = work.catch(() => {});
  try {
    event.waitUntil(done);
  } catch {
    // The event is over: it is done for as long as the worker lives.
  }
}

/** Lets go of a response that is yet to come. */
function dropLater(
  event: StrategyEvent,
  response: Promise<Response | undefined>,
): void {
  extend(event, response.then((late) => drop(event, late)));
}

/** Lets go of a response of the network that nobody will read. */
async function drop(
  { request }: StrategyEvent,
  response: Response | undefined,
): Promise<void> {
  // Of a preload that is not read to its end Chromium says that it was
  // "cancelled before 'preloadResponse' settled".
  await (request.mode === "navigate"
    ? response?.body?.pipeTo(new WritableStream())
    : response?.body?.cancel());
}

function startTimer(
  timeout: number | undefined,
  expire: () => void,
): ReturnType<typeof setTimeout> | undefined {
  return timeout === undefined ? undefined : setTimeout(expire, timeout);
}

/** Settles like `promise`, unless `signal` aborts before. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", abort);
    });
  });
}
