// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Store the files that an app needs before it needs them, each version complete
 * or not at all. Runs in the worker: what is required is stored while the version
 * is being installed, the rest afterwards, both going on from where a stopped
 * worker left off.
 *
 * What there is to store says a manifest, which `precacheManifest()` makes from a
 * folder when the app is built.
 *
 * ```text
 * cache  "<name> <scope> <version>": the responses, under their plain URLs
 *        under "<scope>@serviceworker/std/precache", as JSON:
 *        { state: "started" | "installed" | "complete",
 *          revisions: { [URL]: revision } }
 * ```
 *
 * The cache is named like those of `lifecycle/activate`: its `activate()` deletes
 * the versions that are outdated, its `matchGenerations()` finds what an old tab
 * still needs, and a static route with the source `{ cacheName }` is served from
 * it. So it holds all files of its version: one that an older version has is copied
 * from there, which asks nothing of the network, but takes the time and the space
 * to store it. While the version of the manifest is the same, an installation
 * costs one read.
 *
 * What it costs, in Chromium: as much as to fetch and store the files by hand, six
 * at a time; if the server takes 20 ms to answer and a tenth is required, the whole
 * is there in 0.6 of that time. An update asks the network for what is new alone,
 * and takes 1.5 ms for each file of 2 KB that it copies, 2 ms for each of 200 KB.
 *
 * @module
 */

/** A file that is to be stored. */
export interface PrecacheEntry {
  /** Its URL, absolute or relative to the scope of the registration. */
  readonly url: string;
  /**
   * What differs whenever its content does, such as a hash. Without it, the URL
   * alone must do so, as that of `app.7f3a9c21.js`: it is then taken from the
   * browser's HTTP cache where that has it.
   */
  readonly revision?: string | undefined;
  /**
   * The hash that the browser compares the content with, such as `"sha384-…"`.
   * Without it, what a server answers that has moved on to another version is
   * stored as if it were of this one, and in WebKitGTK what came of a broken
   * answer without `Content-Length` as if it were the whole.
   */
  readonly integrity?: string | undefined;
  /** Its size in bytes, for {@linkcode PrecacheProgress}. */
  readonly size?: number | undefined;
  /**
   * Whether the version cannot be installed without it.
   *
   * @default {true}
   */
  readonly required?: boolean | undefined;
}

/** What a version of the app consists of. */
export interface PrecacheManifest {
  /** What differs whenever an entry does, such as a hash over all of them. */
  readonly version: string;
  /** The files, of which each URL is there once. */
  readonly entries: readonly PrecacheEntry[];
}

/** What {@linkcode PrecacheScope.fetch} is given. */
export interface PrecacheFetchInit {
  /** Whether the HTTP cache may answer. */
  readonly cache: "default" | "reload";
  /** Whether the user waits for it; engines that do not know this ignore it. */
  readonly priority: "auto" | "low";
  /** What the content is compared with, or nothing. */
  readonly integrity: string;
  /** Aborts it. */
  readonly signal: AbortSignal;
}

/** The part of a worker's `self` that {@linkcode precache} uses. */
export interface PrecacheScope {
  /** The caches of the origin. */
  readonly caches: {
    /** Opens a cache. */
    open(name: string): Promise<{
      keys(): Promise<readonly { readonly url: string }[]>;
      match(
        url: string,
        options: { ignoreVary: boolean },
      ): Promise<Response | undefined>;
      put(url: string, response: Response): Promise<void>;
    }>;
    /** Finds a response in the cache of a name. */
    match(
      url: string,
      options: { cacheName: string; ignoreVary: boolean },
    ): Promise<Response | undefined>;
    /** Resolves with the names of the caches, the oldest first. */
    keys(): Promise<string[]>;
    /** Deletes a cache. */
    delete(name: string): Promise<boolean>;
  };
  /** The registration of the worker. */
  readonly registration: {
    /** The URLs it is for begin with this. */
    readonly scope: string;
  };
  /** Asks the network. */
  fetch(request: Request | string, init?: PrecacheFetchInit): Promise<Response>;
}

/** Options for {@linkcode precache}. */
export interface PrecacheOptions {
  /** The name of the app, or of a set of its files; without spaces. */
  readonly name: string;
  /**
   * Which parameters of a URL do not matter when a request is compared with the
   * entries: all, or those of the names in the list, in which a `*` at the end
   * stands for anything, as in `["utm_*", "fbclid"]`.
   *
   * @default {false}
   */
  readonly ignoreSearch?: boolean | readonly string[] | undefined;
  /**
   * How many files are stored at once. Chromium lets a worker that is being
   * installed have three requests in flight, and any browser lets an HTTP/1.1
   * server have six; more is of use with HTTP/2 after the installation.
   *
   * @default {6}
   */
  readonly concurrency?: number | undefined;
}

/** Options for {@linkcode Precache.install}. */
export interface PrecacheInstallOptions {
  /**
   * Ends it; what is stored by then stays for the next attempt. Without one, that
   * is after five minutes, when Chromium ends the event as well.
   *
   * @default {AbortSignal.timeout(300_000)}
   */
  readonly signal?: AbortSignal | undefined;
  /** Called at the beginning and whenever a file is there. Post it to the pages. */
  readonly onProgress?: ((progress: PrecacheProgress) => void) | undefined;
}

/** How far an installation is. */
export interface PrecacheProgress {
  /** How many of the required files are there. */
  readonly done: number;
  /** How many there are to be. */
  readonly total: number;
  /** Their bytes, as the entries say. */
  readonly doneBytes: number;
  /** The bytes of all that are to be there. */
  readonly totalBytes: number;
}

/** What was done. */
export interface PrecacheReport {
  /** How many files came from the network. */
  readonly fetched: number;
  /** How many came from the cache of an older version. */
  readonly copied: number;
  /** What is missing, and why. */
  readonly failed: readonly PrecacheFailure[];
}

/** A file that could not be stored. */
export interface PrecacheFailure {
  /** Its URL, as in the manifest. */
  readonly url: string;
  /** Why, as `install()` would reject. */
  readonly reason: DOMException;
}

/** The part of a `FetchEvent` that {@linkcode Precache.rest} uses. */
export interface PrecacheRestEvent {
  /** Settles when it is answered. Missing in some browsers. */
  readonly handled?: Promise<unknown> | undefined;
}

/** The part of a `FetchEvent` that {@linkcode Precache.respond} uses. */
export interface PrecacheEvent {
  /** What is asked for. */
  readonly request: Request;
  /** What came of navigation preload. */
  readonly preloadResponse?: Promise<Response | undefined> | undefined;
  /** Keeps the worker alive. */
  waitUntil(promise: Promise<unknown>): void;
}

/** The files of one version. Its `name` and `version` are what `activate()` takes. */
export interface Precache {
  /** As it was given. */
  readonly name: string;
  /** The version of the manifest. */
  readonly version: string;
  /** The name of the cache, as for a static route. */
  readonly cacheName: string;
  /**
   * Stores the required files that are not there, and resolves when the version
   * is complete. For the `install` event: it rejects if one cannot be stored, so
   * that the installation fails and the version before goes on. What was stored
   * stays for the next attempt, except where the quota is exceeded.
   */
  install(options?: PrecacheInstallOptions): Promise<PrecacheReport>;
  /**
   * Stores what is not there yet, in any event of the active worker, and resolves
   * when that was tried: once in a life of the worker, or again a minute after
   * something failed, or when `respond()` has missed a file. It begins when the
   * event is handled.
   *
   * Have a `fetch` event wait for it, not `activate`, since pages then wait too.
   * It rejects if the quota is exceeded, storage is blocked, or after five
   * minutes; the next life goes on. What the server says is not there (404 or 410)
   * is not asked for again.
   */
  rest(event?: PrecacheRestEvent): Promise<PrecacheReport>;
  /** Whether a request is for one of the files: what a `fetch` listener has to know at once. */
  has(request: Request | string): boolean;
  /** Finds the response to a request, or to the URL of an entry. Resolves with `undefined` if it is for none, or not there, or storage is blocked. */
  match(request: Request | string): Promise<Response | undefined>;
  /**
   * Answers a request from the cache, else from the network. A file that should be
   * there is then stored again, if its integrity or its hashed name tells that it
   * is the right one.
   */
  respond(event: PrecacheEvent): Promise<Response>;
}

/** What a version notes of itself. */
interface PrecacheRecord {
  readonly state: "started" | "installed" | "complete";
  readonly revisions: Readonly<Record<string, string>>;
}

/** A cache that is open. */
type OpenCache = Awaited<ReturnType<PrecacheScope["caches"]["open"]>>;

/** An entry at its place. */
interface Located extends PrecacheEntry {
  readonly href: string;
  /** What tells its content from another at the same URL. */
  readonly key: string;
}

/** How entries are stored. */
interface StoreOptions extends PrecacheInstallOptions {
  readonly signal: AbortSignal;
  /** Where failures are noted. Without it, all or nothing is stored. */
  readonly failed?: PrecacheFailure[];
}

const DEADLINE = 300_000;
const RETRY_DELAY = 60_000;
const QUOTA = "QuotaExceededError";
const NOTHING: PrecacheReport = { fetched: 0, copied: 0, failed: [] };

/**
 * Makes the means to store the files of a manifest, and to answer requests from
 * them. Nothing happens before the first call of a method.
 *
 * Responses that were redirected are stored as if they were not, since navigations
 * refuse them otherwise, and without a `Vary` header that could hide them. A range
 * of a file is cut out by `rangeResponse()`.
 *
 * @param scope The worker's `self`.
 * @param manifest The files, and their version.
 * @param options The name, and additional options.
 * @returns The precache of that version.
 * @throws {TypeError} If the name is empty or has a space in it, or the version is
 * empty. Methods throw it, or reject with it, if a URL is in the manifest twice.
 * @throws {RangeError} If the concurrency is less than 1.
 * @throws {DOMException} As `install()` rejects: a "NotFoundError" (404 or 410) or
 * "NetworkError" that says which file could not be had and why, or the platform's
 * own, as a "QuotaExceededError", or where storage is blocked.
 *
 * @example Works offline after the first visit
 * ```ts
 * import { activate } from "@serviceworker/std/lifecycle/activate";
 * import { precache } from "@serviceworker/std/fetch/precache";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const manifest = { // As `precacheManifest()` makes it.
 *   version: "7f3a",
 *   entries: [
 *     { url: "/", revision: "51c2" },
 *     { url: "/app.9b1e44d0.js" },
 *     { url: "/help", revision: "80aa", required: false },
 *   ],
 * };
 * const host = createHost({ network: () => new Response("a file") });
 * await host.register((self) => {
 *   const files = precache(self, manifest, { name: "podcast" });
 *   self.addEventListener("install", (event) => {
 *     event.waitUntil(files.install());
 *   });
 *   self.addEventListener("activate", (event) => {
 *     event.waitUntil(activate(self, files));
 *   });
 *   self.addEventListener("fetch", (event) => {
 *     event.waitUntil(files.rest(event));
 *     if (files.has(event.request)) event.respondWith(files.respond(event));
 *   });
 * });
 * const page = await host.openWindow("/");
 * await host.idle();
 *
 * host.network.offline = true;
 * assertEquals(await (await page.fetch("/help")).text(), "a file");
 * host.close();
 * ```
 */
export function precache(
  scope: PrecacheScope,
  manifest: PrecacheManifest,
  options: PrecacheOptions,
): Precache {
  const { caches, registration } = scope;
  const { version } = manifest;
  const { name, ignoreSearch = false, concurrency = 6 } = options;
  if (name === "" || name.includes(" ") || version === "") {
    throw new TypeError(
      `Cannot name a cache: the name "${name}" or the version "${version}" is empty, or the name has a space in it`,
    );
  }
  if (!(concurrency >= 1)) {
    throw new RangeError(
      `Cannot store files: the concurrency is ${concurrency}`,
    );
  }
  const prefix = `${name} ${registration.scope} `;
  const cacheName = prefix + version;
  const recordURL = `${registration.scope}@serviceworker/std/precache`;
  let located: Map<string, Located> | undefined;
  let running: Promise<PrecacheReport> | undefined;
  let retryAt = 0;
  let isComplete = false;

  /** The entries by their URL, which no worker has to sort out as it starts. */
  const entries = (): Map<string, Located> =>
    located ??= locate(manifest, registration.scope);

  const find = (request: Request | string): Located | undefined => {
    const { method, url } = typeof request === "string"
      ? { method: "GET", url: new URL(request, registration.scope).href }
      : request;
    if (method !== "GET") return undefined;
    const [href = url] = url.split("#");
    return entries().get(href) ??
      (ignoreSearch === false || !href.includes("?")
        ? undefined
        : entries().get(withoutSearch(href, ignoreSearch)));
  };

  const matchIn = (
    cacheName: string,
    href: string,
  ): Promise<Response | undefined> =>
    caches.match(href, { cacheName, ignoreVary: true });

  const read = async (
    cacheName: string,
  ): Promise<PrecacheRecord | undefined> => {
    const stored = await matchIn(cacheName, recordURL);
    // One that is broken must not end all installations to come.
    const record: PrecacheRecord | null | undefined = await stored?.json()
      .catch(() => undefined);
    return record?.revisions ? record : undefined;
  };

  const write = async (
    cache: OpenCache,
    state: PrecacheRecord["state"],
  ): Promise<void> => {
    const revisions = Object.fromEntries(
      [...entries().values()].map(({ href, key }) => [href, key]),
    );
    await cache.put(recordURL, Response.json({ state, revisions }));
  };

  /** What the other versions note, the newest first. */
  const readOlder = async (): Promise<[OpenCache, PrecacheRecord][]> => {
    const older: [OpenCache, PrecacheRecord][] = [];
    for (const name of (await caches.keys()).reverse()) {
      if (!name.startsWith(prefix) || name === cacheName) continue;
      const record = await read(name);
      // Opened once: each query by name would open it again.
      if (record) older.push([await caches.open(name), record]);
    }
    return older;
  };

  /** Finds the content of an entry in another version, of which not all may have been stored. */
  const findCopy = async (
    { href, key }: Located,
    older: [OpenCache, PrecacheRecord][],
  ): Promise<Response | undefined> => {
    for (const [cache, { revisions }] of older) {
      if (revisions[href] !== key) continue;
      const copy = await cache.match(href, { ignoreVary: true });
      if (copy) return copy;
    }
    return undefined;
  };

  /** Stores those of some entries that are not there. */
  const store = async (
    cache: OpenCache,
    wanted: Located[],
    record: PrecacheRecord | undefined,
    { signal, onProgress, failed }: StoreOptions,
  ): Promise<PrecacheReport> => {
    if (!record) await write(cache, "started");
    // Without a record, nobody knows of which version it is.
    const stored = new Set(
      record && (await cache.keys()).map(({ url }) => url),
    );
    const missing = wanted.filter(({ href }) => !stored.has(href));
    const older = missing.length > 0 ? await readOlder() : [];
    const progress = { done: 0, total: wanted.length, doneBytes: 0 };
    const totalBytes = sizeOf(wanted);
    const advance = (entries: Located[]) => {
      progress.done += entries.length;
      progress.doneBytes += sizeOf(entries);
      onProgress?.({ ...progress, totalBytes });
    };
    const count = { fetched: 0, copied: 0 };
    advance(wanted.filter(({ href }) => stored.has(href)));
    await forEach(missing, { concurrency, signal }, async (entry, signal) => {
      const { href, url } = entry;
      try {
        const copy = await findCopy(entry, older);
        const response = copy ??
          await fetchEntry(scope, entry, { signal, priority: "low" });
        await cache.put(href, await storable(response));
        count[copy ? "copied" : "fetched"]++;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const reason = reasonOf(entry, error);
        // Where the disk is full, there is no room for the others either.
        if (!failed || isQuotaExceeded(reason)) throw reason;
        failed.push({ url, reason });
        return;
      }
      advance([entry]);
    });
    return { ...count, failed: failed ?? [] };
  };

  const install = async (
    options: PrecacheInstallOptions = {},
  ): Promise<PrecacheReport> => {
    const { signal = AbortSignal.timeout(DEADLINE), onProgress } = options;
    signal.throwIfAborted();
    const record = await read(cacheName);
    if (record && record.state !== "started") return NOTHING;
    const all = [...entries().values()];
    const wanted = all.filter(({ required = true }) => required);
    // What is written there is lost together, if the user clears the storage.
    const cache = await caches.open(cacheName);
    try {
      const how = { signal, onProgress };
      const report = await store(cache, wanted, record, how);
      // WebKitGTK 2.50 loses what is put where a failed installation had put it.
      const kept = new Set((await cache.keys()).map(({ url }) => url));
      const lost = wanted.find(({ href }) => !kept.has(href));
      if (lost) {
        await caches.delete(cacheName);
        throw new DOMException(
          `Cannot precache ${lost.href}: the browser has lost what was stored`,
          "InvalidStateError",
        );
      }
      const isAll = wanted.length === all.length;
      await write(cache, isAll ? "complete" : "installed");
      return report;
    } catch (error) {
      // What works needs the space.
      if (isQuotaExceeded(error)) await caches.delete(cacheName);
      throw error;
    }
  };

  const storeRest = async (
    { handled }: PrecacheRestEvent,
  ): Promise<PrecacheReport> => {
    await handled?.catch(() => {});
    const record = await read(cacheName);
    if (record?.state === "complete") return NOTHING;
    const cache = await caches.open(cacheName);
    const failed: PrecacheFailure[] = [];
    const signal = AbortSignal.timeout(DEADLINE);
    const how = { signal, failed };
    const report = await store(cache, [...entries().values()], record, how);
    const isGone = ({ reason }: PrecacheFailure) =>
      reason.name === "NotFoundError";
    if (failed.every(isGone)) await write(cache, "complete");
    return report;
  };

  const match = async (
    request: Request | string,
  ): Promise<Response | undefined> => {
    const entry = find(request);
    // Where storage is blocked, what is stored may as well not be there.
    return entry && await matchIn(cacheName, entry.href).catch(() => undefined);
  };

  /** Fetches an entry and stores it again, if it can be had, and trusted. */
  const repair = async (
    event: PrecacheEvent,
  ): Promise<Response | undefined> => {
    const { signal } = event.request;
    const entry = find(event.request);
    // Without a hash, the file of a newer version looks like that of this one.
    if (!entry || entry.revision !== undefined && !entry.integrity) {
      return undefined;
    }
    try {
      const fetched = await fetchEntry(scope, entry, {
        signal,
        priority: "auto",
      });
      const response = await storable(fetched);
      const copy = response.clone();
      const put = caches.open(cacheName)
        .then((cache) => cache.put(entry.href, copy));
      event.waitUntil(put.catch(() => {}));
      return response;
    } catch {
      // The server answers for itself, be it with a newer version.
      return undefined;
    }
  };

  const respond = async (event: PrecacheEvent): Promise<Response> => {
    const { request, preloadResponse } = event;
    const preloaded = preloadResponse?.catch(() => undefined);
    const stored = await match(request);
    // If the storage was cleared, there is more to restore.
    if (!stored && isComplete && find(request)) retryAt = 0;
    const response = stored ?? await repair(event);
    if (!response) return await preloaded ?? await scope.fetch(request);
    // Chromium complains of a preload that is not read to its end.
    const drained = preloaded
      ?.then((unused) => unused?.body?.pipeTo(new WritableStream()))
      .catch(() => {});
    if (drained) event.waitUntil(drained);
    return response;
  };

  return {
    name,
    version,
    cacheName,
    install,
    rest(event = {}) {
      if (running && Date.now() < retryAt) return running;
      retryAt = Infinity;
      isComplete = false;
      const settle = (report?: PrecacheReport) => {
        isComplete = report?.failed.length === 0;
        if (!isComplete) retryAt = Date.now() + RETRY_DELAY;
      };
      running = storeRest(event);
      running.then(settle, () => settle());
      return running;
    },
    has: (request) => find(request) !== undefined,
    match,
    respond,
  };
}

/** The entries by the URLs that they have in a registration. */
function locate(
  manifest: PrecacheManifest,
  scope: string,
): Map<string, Located> {
  const located = new Map<string, Located>();
  for (const entry of manifest.entries) {
    const { href } = new URL(entry.url, scope);
    const key = entry.revision ?? entry.integrity ?? "";
    const other = located.get(href);
    if (other && other.key !== key) {
      throw new TypeError(
        `Cannot precache ${href}: the manifest has its revisions "${other.key}" and "${key}"`,
      );
    }
    located.set(href, { ...entry, href, key });
  }
  return located;
}

/** A URL without those parameters that do not matter. */
function withoutSearch(
  href: string,
  ignored: true | readonly string[],
): string {
  const [path = "", ...search] = href.split("?");
  const isIgnored = (name: string) =>
    ignored === true ||
    ignored.some((pattern) =>
      pattern.endsWith("*")
        ? name.startsWith(pattern.slice(0, -1))
        : name === pattern
    );
  // The others stay as they are encoded.
  const kept = search.join("?").split("&").filter((parameter) => {
    const [name] = new URLSearchParams(`&${parameter}`).keys();
    return name !== undefined && !isIgnored(name);
  });
  return kept.length > 0 ? `${path}?${kept.join("&")}` : path;
}

function sizeOf(entries: Located[]): number {
  return entries.reduce((sum, { size = 0 }) => sum + size, 0);
}

/** Works on several items at a time. The first failure ends it, and the work on all others. */
async function forEach<T>(
  items: T[],
  { concurrency, signal }: { concurrency: number; signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const rest = items.values();
  const workOff = async () => {
    for (const item of rest) {
      either.throwIfAborted();
      await work(item, either);
    }
  };
  const workers = Array.from(
    { length: Math.min(concurrency, items.length) },
    () => workOff().catch((error) => failure.abort(error)),
  );
  await Promise.all(workers);
  either.throwIfAborted();
}

/** Fetches an entry; rejects if the answer is none. */
async function fetchEntry(
  scope: PrecacheScope,
  { href, revision, integrity = "" }: Located,
  init: Pick<PrecacheFetchInit, "signal" | "priority">,
): Promise<Response> {
  const fetchWith = (cache: "default" | "reload") =>
    scope.fetch(href, { ...init, cache, integrity });
  const response = revision === undefined
    ? await fetchWith("default").catch((error) => {
      if (integrity === "" || init.signal.aborted) throw error;
      // The HTTP cache may have what a broken connection left there.
      return fetchWith("reload");
    })
    : await fetchWith("reload");
  const { ok, status } = response;
  if (ok) return response;
  await response.body?.cancel();
  throw new DOMException(
    `Cannot precache ${href}: its status is ${status}`,
    status === 404 || status === 410 ? "NotFoundError" : "NetworkError",
  );
}

/** The response in a form that answers every request for its URL. */
async function storable(response: Response): Promise<Response> {
  // Not its body, of which the browser would make a stream that nobody reads.
  const { redirected, status, statusText } = response;
  const vary = response.headers.get("vary") ?? "accept-encoding";
  if (!redirected && vary.toLowerCase() === "accept-encoding") return response;
  const headers = new Headers(response.headers);
  headers.delete("vary");
  return new Response(response.body && await response.blob(), {
    status,
    statusText,
    headers,
  });
}

/** What went wrong with an entry, as an error that says with which. */
function reasonOf(
  { href, integrity }: Located,
  error: unknown,
): DOMException {
  const { name, message } = error as DOMException;
  if (name === QUOTA || message.startsWith("Cannot precache ")) {
    return error as DOMException;
  }
  const isFull = isQuotaExceeded(error);
  const hint = integrity === undefined || isFull
    ? ""
    : `it cannot be fetched, or differs from its integrity "${integrity}": `;
  return new DOMException(
    `Cannot precache ${href}: ${hint}${message}`,
    isFull ? QUOTA : name === "TypeError" ? "NetworkError" : name,
  );
}

function isQuotaExceeded(error: unknown): boolean {
  const { name } = Object(error) as { name?: unknown };
  // The second is what Firefox says.
  return name === QUOTA || name === "NS_ERROR_FILE_NO_DEVICE_SPACE";
}
