// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A `CacheStorage` in memory that follows the Service Workers specification
 * where a runtime's own does not: `add()`, `addAll()` and `matchAll()`, all of
 * the query options, one entry per `Vary` variant, responses that keep their URL
 * and type and whose headers are immutable, and a quota that can be full.
 *
 * What it does not do: nothing is kept when the process ends, and an opaque
 * response, whose body nobody may read, is kept without it.
 *
 * @module
 */

/** What a query compares. */
export interface CacheQueryOptions {
  /**
   * Whether the query part of the URLs is left out of account.
   *
   * @default {false}
   */
  readonly ignoreSearch?: boolean | undefined;
  /**
   * Whether a request of any method matches.
   *
   * @default {false}
   */
  readonly ignoreMethod?: boolean | undefined;
  /**
   * Whether the `Vary` header of the response is left out of account.
   *
   * @default {false}
   */
  readonly ignoreVary?: boolean | undefined;
}

/** What a query over several caches compares. */
export interface MultiCacheQueryOptions extends CacheQueryOptions {
  /** The only cache to look in. Without it, all are, in the order they were opened. */
  readonly cacheName?: string | undefined;
}

/** A `Cache`. */
export interface MemoryCache {
  /** Fetches a URL and puts its response. */
  add(request: Request | string | URL): Promise<void>;
  /** Fetches all or puts none. */
  addAll(requests: Iterable<Request | string | URL>): Promise<void>;
  /** Puts a response in the place of those it replaces. */
  put(request: Request | string | URL, response: Response): Promise<void>;
  /** The first response that matches. */
  match(
    request: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<Response | undefined>;
  /** Every response that matches. */
  matchAll(
    request?: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<Response[]>;
  /** Deletes what matches, and resolves with whether anything did. */
  delete(
    request: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<boolean>;
  /** The requests whose responses are here. */
  keys(
    request?: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<Request[]>;
}

/** A `CacheStorage`, with what a test needs beyond it. */
export interface MemoryCacheStorage {
  /** Bytes that may be stored; more is refused with a `QuotaExceededError`. Can be changed at any time. */
  quota: number;
  /** Bytes that are stored: of bodies, headers and URLs. */
  readonly usage: number;
  /** Opens a cache, made if need be. */
  open(name: string): Promise<MemoryCache>;
  /** Resolves with whether there is a cache of that name. */
  has(name: string): Promise<boolean>;
  /** Deletes a cache; who has it open can go on using it. */
  delete(name: string): Promise<boolean>;
  /** The names, in the order they were opened first. */
  keys(): Promise<string[]>;
  /** The first response that matches in any cache. */
  match(
    request: Request | string | URL,
    options?: MultiCacheQueryOptions,
  ): Promise<Response | undefined>;
}

/** How {@linkcode createCacheStorage} sets up. */
export interface CacheStorageOptions {
  /**
   * What relative URLs are relative to.
   *
   * @default {"https://example.test/"}
   */
  readonly baseURL?: string | undefined;
  /** What `add()` and `addAll()` fetch with. Without it, the runtime's `fetch()`. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /**
   * Bytes that may be stored.
   *
   * @default {Infinity}
   */
  readonly quota?: number | undefined;
}

/**
 * Creates an empty `CacheStorage` in memory.
 *
 * Pass it to what takes a `CacheStorage`, or let `createHost()` make one for a
 * worker.
 *
 * @param options What it fetches with and how much it holds.
 * @returns The storage.
 *
 * @example Keep both variants of a URL
 * ```ts
 * import { createCacheStorage } from "@serviceworker/std/testing/cache-storage";
 * import { assertEquals } from "@std/assert";
 *
 * const caches = createCacheStorage();
 * const cache = await caches.open("v1");
 * for (const language of ["de", "fr"]) {
 *   await cache.put(
 *     new Request("https://example.test/", {
 *       headers: { "accept-language": language },
 *     }),
 *     new Response(language, { headers: { vary: "Accept-Language" } }),
 *   );
 * }
 *
 * const response = await caches.match(
 *   new Request("https://example.test/", { headers: { "accept-language": "fr" } }),
 * );
 * assertEquals(await response?.text(), "fr");
 * assertEquals((await cache.keys()).length, 2);
 * ```
 */
export function createCacheStorage(
  options: CacheStorageOptions = {},
): MemoryCacheStorage {
  const {
    baseURL = "https://example.test/",
    fetch: fetchRequest = fetch,
    quota = Infinity,
  } = options;
  const caches = new Map<string, RecordCache>();
  let usage = 0;

  const storage: MemoryCacheStorage = {
    quota,
    get usage() {
      return usage;
    },
    open(name) {
      let cache = caches.get(String(name));
      if (!cache) {
        cache = new RecordCache({
          baseURL,
          fetch: fetchRequest,
          resize(bytes) {
            if (bytes > 0 && usage + bytes > storage.quota) {
              throw new DOMException(
                `Cannot store ${bytes} more bytes: ${usage} of ${storage.quota} are used`,
                "QuotaExceededError",
              );
            }
            usage += bytes;
          },
        });
        caches.set(String(name), cache);
      }
      return Promise.resolve(cache);
    },
    has: (name) => Promise.resolve(caches.has(String(name))),
    delete(name) {
      const cache = caches.get(String(name));
      usage -= cache?.size ?? 0;
      cache?.detach();
      return Promise.resolve(caches.delete(String(name)));
    },
    keys: () => Promise.resolve([...caches.keys()]),
    async match(request, options = {}) {
      const { cacheName } = options;
      for (const [name, cache] of caches) {
        if (cacheName !== undefined && name !== String(cacheName)) continue;
        const response = await cache.match(request, options);
        if (response) return response;
      }
      return undefined;
    },
  };
  return storage;
}

/** What the entries of a storage have in common. */
interface Surroundings {
  readonly baseURL: string;
  readonly fetch: (request: Request) => Promise<Response>;
  /** Takes so many bytes more, or throws. */
  readonly resize: (bytes: number) => void;
}

/** A request and its response as they are kept. */
interface Entry {
  readonly request: { readonly url: string; readonly headers: Headers };
  readonly response: Facts & { readonly headers: Headers };
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly size: number;
}

/** What a `Response` that is constructed cannot be told. */
type Facts = Pick<
  Response,
  "status" | "statusText" | "ok" | "url" | "type" | "redirected"
>;

/** "Request response list", https://w3c.github.io/ServiceWorker/#cache-interface */
class RecordCache implements MemoryCache {
  #entries: Entry[] = [];
  #resize: Surroundings["resize"];
  readonly #baseURL: string;
  readonly #fetch: Surroundings["fetch"];

  constructor({ baseURL, fetch, resize }: Surroundings) {
    this.#baseURL = baseURL;
    this.#fetch = fetch;
    this.#resize = resize;
  }

  get size(): number {
    return sizeOf(this.#entries);
  }

  /** Counts no longer. */
  detach(): void {
    this.#resize = () => {};
  }

  add(request: Request | string | URL): Promise<void> {
    return this.addAll([request]);
  }

  async addAll(infos: Iterable<Request | string | URL>): Promise<void> {
    const requests = [...infos].map((info) => this.#requestOf(info));
    for (const request of requests) checkRequest("add", request);
    const entries = await Promise.all(requests.map(async (request) => {
      const response = await this.#fetch(request.clone());
      if (!response.ok) {
        throw new TypeError(
          `Cannot add ${request.url}: its status is ${response.status}`,
        );
      }
      checkResponse("add", request, response);
      return await entryOf(request, response);
    }));
    for (const [index, entry] of entries.entries()) {
      if (
        entries.slice(0, index).some((other) =>
          matches(entry.request, other, {})
        )
      ) {
        throw new DOMException(
          `Cannot add ${entry.request.url}: it is in the list twice`,
          "InvalidStateError",
        );
      }
    }
    this.#write(entries);
  }

  async put(
    info: Request | string | URL,
    response: Response,
  ): Promise<void> {
    const request = this.#requestOf(info);
    checkRequest("put", request);
    checkResponse("put", request, response);
    if (response.bodyUsed || response.body?.locked) {
      throw new TypeError(
        `Cannot put ${request.url}: the body of the response is in use`,
      );
    }
    this.#write([await entryOf(request, response)]);
  }

  async match(
    request: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<Response | undefined> {
    const [first] = await this.#query(request, options);
    return first && responseOf(first);
  }

  async matchAll(
    request?: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<Response[]> {
    return (await this.#query(request, options)).map(responseOf);
  }

  async delete(
    request: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<boolean> {
    const found = await this.#query(request, options);
    this.#entries = this.#entries.filter((entry) => !found.includes(entry));
    this.#resize(-sizeOf(found));
    return found.length > 0;
  }

  async keys(
    request?: Request | string | URL,
    options?: CacheQueryOptions,
  ): Promise<Request[]> {
    return (await this.#query(request, options)).map(({ request }) =>
      new Request(request.url, { headers: request.headers })
    );
  }

  #requestOf(info: Request | string | URL): Request {
    return info instanceof Request
      ? info
      : new Request(new URL(info, this.#baseURL));
  }

  /** https://w3c.github.io/ServiceWorker/#query-cache-algorithm */
  #query(
    info: Request | string | URL | undefined,
    options: CacheQueryOptions = {},
  ): Promise<Entry[]> {
    return new Promise((resolve) => {
      if (info === undefined) return resolve([...this.#entries]);
      const request = this.#requestOf(info);
      resolve(
        request.method === "GET" || options.ignoreMethod
          ? this.#entries.filter((entry) => matches(request, entry, options))
          : [],
      );
    });
  }

  /** Writes all entries or none: https://w3c.github.io/ServiceWorker/#batch-cache-operations-algorithm */
  #write(entries: Entry[]): void {
    const kept = this.#entries.filter((old) =>
      !entries.some(({ request }) => matches(request, old, {}))
    );
    this.#resize(sizeOf(kept) + sizeOf(entries) - sizeOf(this.#entries));
    this.#entries = [...kept, ...entries];
  }
}

function sizeOf(entries: Entry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

function checkRequest(verb: string, { method, url }: Request): void {
  if (!/^https?:/.test(url)) {
    throw new TypeError(`Cannot ${verb} ${url}: it is not of http or https`);
  }
  if (method !== "GET") {
    throw new TypeError(`Cannot ${verb} ${url}: its method is ${method}`);
  }
}

function checkResponse(
  verb: string,
  { url }: Request,
  { status, headers }: Response,
): void {
  if (status === 206) {
    throw new TypeError(`Cannot ${verb} ${url}: its status is 206`);
  }
  if (varyOf(headers).includes("*")) {
    throw new TypeError(`Cannot ${verb} ${url}: its Vary header is *`);
  }
}

/** Reads a response to its end. */
async function entryOf(request: Request, response: Response): Promise<Entry> {
  const { status, statusText, ok, url, type, redirected } = response;
  const requestHeaders = new Headers(request.headers);
  const headers = new Headers(response.headers);
  const body = response.body === null
    ? null
    : new Uint8Array(await response.arrayBuffer());
  const text = [request.url, ...requestHeaders, ...headers].join("");
  return {
    request: { url: request.url, headers: requestHeaders },
    response: { status, statusText, ok, url, type, redirected, headers },
    body,
    size: text.length + (body?.length ?? 0),
  };
}

/** A response to hand out. */
function responseOf(
  { response: { headers, ...facts }, body }: Entry,
): Response {
  const { status, url } = facts;
  const dress = (bare: Response): Response => {
    for (const [name, value] of Object.entries(facts)) {
      Object.defineProperty(bare, name, { value });
    }
    for (const name of ["append", "delete", "set"]) {
      const value = () => {
        throw new TypeError(
          `Cannot change the headers of ${url}: they are immutable`,
        );
      };
      Object.defineProperty(bare.headers, name, { value });
    }
    const clone = bare.clone.bind(bare);
    return Object.defineProperty(bare, "clone", {
      value: () => dress(clone()),
    });
  };
  // An opaque response has the status 0, with which none can be constructed.
  return dress(new Response(body, { headers, ...(status > 0 && { status }) }));
}

/** https://w3c.github.io/ServiceWorker/#request-matches-cached-item-algorithm */
function matches(
  { url, headers }: { url: string; headers: Headers },
  entry: Entry,
  { ignoreSearch = false, ignoreVary = false }: CacheQueryOptions,
): boolean {
  const { request, response } = entry;
  return comparable(url, ignoreSearch) ===
      comparable(request.url, ignoreSearch) &&
    (ignoreVary ||
      varyOf(response.headers).every((name) =>
        headers.get(name) === request.headers.get(name)
      ));
}

function comparable(text: string, ignoreSearch: boolean): string {
  const url = new URL(text);
  url.hash = "";
  if (ignoreSearch) url.search = "";
  return url.href;
}

function varyOf(headers: Headers): string[] {
  return headers.get("vary")?.split(",").map((name) => name.trim()) ?? [];
}
