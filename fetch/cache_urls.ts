// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A page names URLs, and the worker stores what they answer: the next article, an
 * episode's pictures, what was loaded before the worker was there. The page half
 * is `cacheURLs`, the worker half `handleCacheURLs`.
 *
 * Each URL that is done is told at once. If the worker is stopped in between, the
 * page asks again, and what is stored is not fetched again. If the page goes, the
 * worker goes on for as long as the browser lets it.
 *
 * ```text
 * question  { "@serviceworker/std": { cacheURLs: [url…], id } }, with a port
 * answers   { "@serviceworker/std": { cached: { url, status, error } } }, or
 *           { "@serviceworker/std": { alive: true } }, on the port
 * abort     { "@serviceworker/std": { abort: true } }, on the port
 * ```
 *
 * It costs one `match()` for each URL, and one request and one `put()` for each
 * that is missing, 6 at a time unless told otherwise; and one message for each, in
 * either case.
 *
 * @module
 */

/** The part of a `ServiceWorker` that {@linkcode cacheURLs} uses. */
export interface CacheURLsWorker {
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/** The part of `navigator.serviceWorker` that {@linkcode cacheURLs} uses. */
export interface CacheURLsContainer {
  /** The worker that controls the page, which is the one asked. */
  readonly controller: CacheURLsWorker | null;
}

/** What became of a URL. */
export interface CacheURLsItem {
  /** The URL, without its hash. */
  readonly url: string;
  /** "stored": it was fetched; "found": it was there before; "failed": it is not there. */
  readonly status: "stored" | "found" | "failed";
  /** Why it failed, as text. */
  readonly error: string | undefined;
}

/** Options for {@linkcode cacheURLs}. */
export interface CacheURLsOptions {
  /**
   * Ends it; the promise then rejects with the signal's reason, and what the
   * worker has not stored yet is not stored. It replaces the default deadline,
   * after which the promise rejects with a "TimeoutError": 30 seconds without a
   * sign of the worker.
   */
  signal?: AbortSignal | undefined;
  /** Is told of each URL, as soon as it is done. Without it, the result tells. */
  progress?:
    | ((item: CacheURLsItem, done: number, total: number) => void)
    | undefined;
}

/** A cache, as {@linkcode handleCacheURLs} uses it: a `Cache` is one. */
export interface CacheURLsCache {
  /** Finds what is stored. */
  match(request: Request): Promise<Response | undefined>;
  /** Stores a response. */
  put(request: Request, response: Response): Promise<void>;
}

/** The part of a worker's `self` that {@linkcode handleCacheURLs} uses. */
export interface HandleCacheURLsScope {
  /** The caches of the origin. */
  readonly caches: {
    /** Opens a cache, made if need be. */
    open(name: string): Promise<CacheURLsCache>;
  };
  /** The registration of the worker. */
  readonly registration: {
    /** The URLs that it is for begin with this. */
    readonly scope: string;
  };
  /** Fetches. */
  fetch(request: Request): Promise<Response>;
}

/** The part of a `message` event that {@linkcode handleCacheURLs} uses. */
export interface HandleCacheURLsEvent {
  /** The message. */
  readonly data: unknown;
  /** The ports that came with it; the first is answered on. */
  readonly ports: readonly MessagePort[];
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** Options for {@linkcode handleCacheURLs}. */
export interface HandleCacheURLsOptions {
  /** The cache to store in: its name, or a cache such as that of `expireCache`. */
  cache: string | CacheURLsCache;
  /**
   * Whether a URL may be stored: any script of the origin can ask. Without it,
   * those may that are in the scope of the registration, hence of its origin.
   */
  isAllowed?: ((url: URL) => boolean) | undefined;
  /**
   * How many URLs one question may name; those beyond fail.
   *
   * @default {1_000}
   */
  maxURLs?: number | undefined;
  /**
   * How many are fetched at once.
   *
   * @default {6}
   */
  concurrency?: number | undefined;
  /**
   * After how many milliseconds a URL has failed that is not stored.
   *
   * @default {60_000}
   */
  timeout?: number | undefined;
}

const KEY = "@serviceworker/std";
const TICK = 1_000;
/** In ticks without a sign. */
const ASK_AGAIN = 5;
const DEADLINE = 30;

/**
 * Has the worker store what is at the URLs, unless it is stored already, and
 * resolves when each is done. A page that needs all or nothing looks at each
 * `status`.
 *
 * @param target The worker, or `navigator.serviceWorker` for the one that
 * controls this page.
 * @param urls The URLs; relative ones are relative to the page.
 * @param options Additional options.
 * @returns What became of each URL, in the order given.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {TypeError} If a URL is invalid.
 * @throws {DOMException} Named "NotSupportedError" if `target` is undefined, as
 * `navigator.serviceWorker` is on insecure origins; "NoWorkerError" if it is
 * null or has no controller; "TimeoutError" if there was no sign of the worker
 * for 30 seconds, as from one that does not use {@linkcode handleCacheURLs}.
 *
 * @example Storing the pictures of an article
 * ```ts
 * import { cacheURLs, handleCacheURLs } from "@serviceworker/std/fetch/cache-urls";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost({ network: () => new Response("picture") });
 * await host.register((self) => {
 *   self.addEventListener("message", handleCacheURLs(self, { cache: "articles" }));
 * });
 * const page = await host.openWindow("/");
 *
 * // In a page: cacheURLs(navigator.serviceWorker, ["/1.jpg", "/2.jpg"])
 * const items = await cacheURLs(page.serviceWorker, [
 *   "https://example.test/1.jpg",
 *   "https://elsewhere.test/2.jpg",
 * ]);
 * assertEquals(items.map(({ status }) => status), ["stored", "failed"]);
 * host.close();
 * ```
 */
export async function cacheURLs(
  target: CacheURLsWorker | CacheURLsContainer | null | undefined,
  urls: Iterable<string | URL>,
  options: CacheURLsOptions = {},
): Promise<CacheURLsItem[]> {
  const { signal, progress } = options;
  signal?.throwIfAborted();
  if (target === undefined) {
    throw failure("NotSupportedError", "there are no service workers here");
  }
  const wanted = Array.from(urls, (url) => withoutHash(new Request(url).url));
  const left = new Set(wanted);
  const total = left.size;
  const items = new Map<string, CacheURLsItem>();
  const id = crypto.randomUUID();
  const ports: MessagePort[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let ticks = 0;

  function ask(): void {
    const worker = target && "controller" in target
      ? target.controller
      : target;
    if (!worker) throw failure("NoWorkerError", "there is no worker");
    const { port1, port2 } = new MessageChannel();
    ports.push(port1);
    port1.onmessage = ({ data }) => hear(markOf(data));
    worker.postMessage({ [KEY]: { cacheURLs: [...left], id } }, [port2]);
  }

  function hear(mark: Fields | undefined): void {
    if (mark === undefined) return;
    ticks = 0;
    const item = mark.cached;
    // What was asked for twice may be answered twice.
    if (!isItem(item) || !left.delete(item.url)) return;
    items.set(item.url, item);
    try {
      progress?.(item, items.size, total);
    } catch (error) {
      reject(error);
    }
    if (left.size === 0) resolve();
  }

  function tick(): void {
    ticks++;
    if (signal === undefined && ticks >= DEADLINE) {
      reject(
        failure(
          "TimeoutError",
          `there was no sign of the worker for ${DEADLINE} seconds`,
        ),
      );
    } else if (ticks % ASK_AGAIN === 0) {
      try {
        ask();
      } catch (error) {
        reject(error);
      }
    }
  }

  function abort(): void {
    for (const port of ports) port.postMessage({ [KEY]: { abort: true } });
    reject(signal?.reason);
  }

  if (total === 0) return [];
  ask();
  const timer = setInterval(tick, TICK);
  signal?.addEventListener("abort", abort);
  try {
    await promise;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", abort);
    for (const port of ports) port.close();
  }
  return wanted.flatMap((url) => items.get(url) ?? []);
}

/**
 * Makes the `message` listener that stores what {@linkcode cacheURLs} asks for,
 * inside `event.waitUntil()`. It leaves all other messages alone.
 *
 * Add it at top level, during the first evaluation of the worker's script. A
 * response is stored whose status is 200 to 299, except for a partial one (206),
 * with `Vary: *` or with `Cache-Control: no-store`; what is opaque is not.
 *
 * @param scope The worker's `self`.
 * @param options The cache, and additional options.
 * @returns The listener.
 *
 * @example Storing articles alone
 * ```ts
 * import { handleCacheURLs } from "@serviceworker/std/fetch/cache-urls";
 * import { assertEquals } from "@std/assert";
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * const isAllowed = ({ origin, pathname }: URL) =>
 *   origin === sw.location.origin && pathname.startsWith("/articles/");
 *
 * const listener = handleCacheURLs(sw, { cache: "articles", isAllowed });
 * sw.addEventListener("message", listener);
 * assertEquals(listener.length, 1);
 * ```
 */
export function handleCacheURLs(
  scope: HandleCacheURLsScope,
  options: HandleCacheURLsOptions,
): (event: HandleCacheURLsEvent) => void {
  const {
    cache,
    isAllowed = ({ href }) => href.startsWith(scope.registration.scope),
    maxURLs = 1_000,
    concurrency = 6,
    timeout = 60_000,
  } = options;
  /** The questions under way in this life of the worker. */
  const running = new Set<unknown>();

  async function store(
    text: string,
    opened: Promise<CacheURLsCache>,
    aborted: AbortSignal,
  ): Promise<CacheURLsItem["status"]> {
    if (!URL.canParse(text) || !isAllowed(new URL(text))) {
      throw new TypeError(`Cannot store ${text}: it is not allowed`);
    }
    const controller = new AbortController();
    const signal = AbortSignal.any([aborted, controller.signal]);
    const request = new Request(text, { signal });
    const to = await opened;
    if (await to.match(request)) return "found";
    const timer = setTimeout(() => {
      controller.abort(
        new DOMException(
          `Cannot store ${text}: it took more than ${timeout} ms`,
          "TimeoutError",
        ),
      );
    }, timeout);
    try {
      const response = await scope.fetch(request);
      const fault = faultOf(response);
      if (fault) {
        await response.body?.cancel();
        throw new TypeError(`Cannot store ${text}: ${fault}`);
      }
      await to.put(request, response);
      return "stored";
    } finally {
      clearTimeout(timer);
    }
  }

  async function run(
    urls: readonly string[],
    port: MessagePort,
  ): Promise<void> {
    const controller = new AbortController();
    port.onmessage = ({ data }) => {
      if (markOf(data)?.abort) controller.abort();
    };
    const opened = Promise.resolve(
      typeof cache === "string" ? scope.caches.open(cache) : cache,
    );
    // Each URL that fails says so.
    opened.catch(() => {});
    const queue = urls.entries();
    async function work(): Promise<void> {
      for (const [position, url] of queue) {
        let item: CacheURLsItem;
        try {
          controller.signal.throwIfAborted();
          if (position >= maxURLs) {
            throw new RangeError(
              `Cannot store ${url}: more than ${maxURLs} URLs were named`,
            );
          }
          const status = await store(url, opened, controller.signal);
          item = { url, status, error: undefined };
        } catch (error) {
          item = { url, status: "failed", error: String(error) };
        }
        port.postMessage({ [KEY]: { cached: item } });
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  return (event) => {
    const { data, ports: [port] } = event;
    const { cacheURLs: urls, id } = markOf(data) ?? {};
    if (!Array.isArray(urls) || !port) return;
    if (running.has(id)) {
      // The other port is answered on.
      port.postMessage({ [KEY]: { alive: true } });
      return port.close();
    }
    running.add(id);
    const isString = (url: unknown) => typeof url === "string";
    event.waitUntil(
      run(urls.filter(isString), port).finally(() => {
        running.delete(id);
        port.close();
      }),
    );
  };
}

/** Why a response must not be stored. */
function faultOf({ headers, ok, status }: Response): string | undefined {
  if (!ok || status === 206) return `its status is ${status}`;
  const rules = [["vary", "*"], ["cache-control", "no-store"]] as const;
  for (const [name, word] of rules) {
    const value = headers.get(name) ?? "";
    const words = value.toLowerCase().split(",").map((part) => part.trim());
    if (words.includes(word)) return `its ${name} is ${value}`;
  }
  return undefined;
}

function withoutHash(url: string): string {
  const hash = url.indexOf("#");
  return hash < 0 ? url : url.slice(0, hash);
}

function isItem(value: unknown): value is CacheURLsItem {
  return isObject(value) && typeof value.url === "string";
}

/** What a message has under our key, if it has anything. */
function markOf(data: unknown): Fields | undefined {
  const mark = isObject(data) ? data[KEY] : undefined;
  return isObject(mark) ? mark : undefined;
}

/** The fields of what came from elsewhere. */
type Fields = Readonly<
  Partial<
    Record<
      typeof KEY | "cacheURLs" | "id" | "cached" | "abort" | "url",
      unknown
    >
  >
>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}

function failure(name: string, fact: string): DOMException {
  return new DOMException(`Cannot have the URLs cached: ${fact}`, name);
}
