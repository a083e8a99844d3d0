// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A cache with limits: so many entries, so many bytes, for so long since they were
 * stored or since they were used. Strategies take it in the place of a cache.
 *
 * What was stored and used when is noted in a store. A hit notes its time in
 * memory, which costs the same whatever the cache holds; a second later a batch
 * is written. A worker that is stopped before loses no more than when something
 * was used. The first entry that is put in the life of a worker reads all notes,
 * one for each entry, and keeps them; after that, putting costs the same whatever
 * the cache holds. Limits hold after each `put()`, but for what other tabs and
 * workers have put in the last ten minutes.
 *
 * What it costs, in Chromium with 10,000 entries: a hit takes 0.1 to 0.2 ms more
 * than the 1.8 ms of one without limits, notes and all; to expire a tenth takes
 * one and a half times as long as to delete it from the cache alone, 0.4 ms for
 * each entry.
 *
 * Once a day, and whenever the clock was set back, cache and notes are compared:
 * entries without a note are adopted as if they had just been stored, notes
 * without an entry are dropped.
 *
 * The clock may be wrong. If it has jumped, by more than an entry may be old or a
 * day back, it is watched for a day: meanwhile what is too old by the clock is not
 * found, but what was young enough before the jump is not deleted, and what was
 * stored in the future is found. After that day the clock is right, the one is
 * deleted, and the other counts as stored then.
 *
 * ```text
 * store  "expire-cache/<name>": { seen, since, before, compared }, of the clock
 *        "expire-cache/<name>/<url>": { stored, used, bytes }, of all variants
 * ```
 *
 * @module
 */

/** What a query of an {@linkcode ExpiringCache} compares, as in a `Cache`. */
export interface ExpireCacheQueryOptions {
  /** Whether the query of the URL is left out of account. */
  ignoreSearch?: boolean;
  /** Whether a request of any method matches. */
  ignoreMethod?: boolean;
  /** Whether the `Vary` header of what is stored is left out of account. */
  ignoreVary?: boolean;
}

/** The part of a `Cache` that {@linkcode expireCache} uses. */
export interface ExpireCacheCache {
  /** Stores a response. */
  put(request: Request | string, response: Response): Promise<void>;
  /** Deletes what matches. */
  delete(
    request: Request | string,
    options: ExpireCacheQueryOptions,
  ): Promise<boolean>;
  /** Resolves with the requests that have a response, or those that match. */
  keys(
    request?: Request | string,
    options?: ExpireCacheQueryOptions,
  ): Promise<readonly Request[]>;
  /** Resolves with the responses that match. */
  matchAll(
    request: string,
    options: ExpireCacheQueryOptions,
  ): Promise<readonly Response[]>;
}

/** The part of `caches` that {@linkcode expireCache} uses. */
export interface ExpireCacheStorage {
  /** Opens a cache, made if need be. */
  open(name: string): Promise<ExpireCacheCache>;
  /** Finds a response in the cache of a name. */
  match(
    request: Request | string,
    options: ExpireCacheQueryOptions & { cacheName: string },
  ): Promise<Response | undefined>;
}

/** The part of a store's transaction that {@linkcode expireCache} uses. */
export interface ExpireCacheTransaction {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): void;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): void;
}

/** Where {@linkcode expireCache} keeps its notes: any store that outlives the worker. */
export interface ExpireCacheStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Resolves with keys that begin with the prefix, and their values. */
  list(options: { prefix: string }): Promise<[key: string, value: unknown][]>;
  /** Runs `work` in a transaction over all keys. */
  transact<T>(
    work: (transaction: ExpireCacheTransaction) => Promise<T>,
  ): Promise<T>;
}

/** The part of a `fetch` event that {@linkcode ExpiringCache.during} uses. */
export interface ExpireCacheEvent {
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What became of a response for which there was no room. */
export interface ExpireCacheReport {
  /** The URL of the request. */
  readonly url: string;
  /** How many other entries were deleted for it. */
  readonly evicted: number;
  /** Whether it could be stored then. */
  readonly stored: boolean;
}

/** Limits of an {@linkcode ExpiringCache}, and where it keeps its notes. */
export interface ExpireCacheOptions {
  /** Where the notes are kept. Caches of different names can share it. */
  store: ExpireCacheStore;
  /**
   * How many entries it holds. Then those go that were not used for the longest
   * time.
   *
   * @default {Infinity}
   */
  maxEntries?: number | undefined;
  /**
   * How many bytes of bodies it holds, as they are where they can be read, or as
   * `Content-Length` says. Then those go that were not used for the longest time;
   * a larger response is not stored.
   *
   * @default {Infinity}
   */
  maxBytes?: number | undefined;
  /**
   * How many milliseconds after it was stored an entry is no longer found, and
   * deleted. Using it makes no difference.
   *
   * @default {Infinity}
   */
  maxAge?: number | undefined;
  /**
   * How many milliseconds after it was stored or used last an entry is no longer
   * found, and deleted.
   *
   * @default {Infinity}
   */
  maxIdle?: number | undefined;
  /**
   * How many bytes an opaque response counts as, whose size nobody may know.
   * Chromium counts a random number, of seven million on average.
   *
   * @default {7_000_000}
   */
  opaqueBytes?: number | undefined;
  /**
   * Is told of each response that did not fit: the storage of the origin was
   * full, or it is larger than `maxBytes`. Without it, nobody is.
   */
  report?: ((report: ExpireCacheReport) => void) | undefined;
}

/** What {@linkcode ExpiringCache.expire} did. */
export interface ExpireCacheResult {
  /** How many entries were deleted. */
  readonly deleted: number;
  /** How many are left. */
  readonly entries: number;
  /** How many bytes they have; 0 for those without a known size if there is no `maxBytes`. */
  readonly bytes: number;
}

/** A cache with limits, made by {@linkcode expireCache}. */
export interface ExpiringCache {
  /**
   * Finds a response, as `match()` of a cache does, unless it is too old. Where
   * there is a limit of age or idleness, the note of a URL is read the first time
   * in the life of a worker, at the same time as the cache.
   */
  match(
    request: Request | string,
    options?: ExpireCacheQueryOptions,
  ): Promise<Response | undefined>;
  /**
   * Stores a response, as `put()` of a cache does, and keeps to the limits. If the
   * storage of the origin is full, at least a tenth of the entries is deleted,
   * those first that were not used for the longest time, and the response is
   * stored then, unless `Content-Length` says that it has more than 8 MB: those
   * find the room next time. If there still is none it resolves all the same, and
   * `report` is told. For anything else it rejects as `put()` of a cache does.
   */
  put(request: Request | string, response: Response): Promise<void>;
  /**
   * Deletes the response, with all its `Vary` variants. Resolves with whether it
   * was there.
   */
  delete(
    request: Request | string,
    options?: ExpireCacheQueryOptions,
  ): Promise<boolean>;
  /**
   * Writes what was noted, and deletes what is too old or too much. There is no
   * need for it after `put()`; use it where something is only read for a long
   * time, on `activate` or `periodicsync`. It takes as long as deleting the
   * entries does, and the reading of all notes. Rejects as the store and the cache
   * do; whatever failed is done by the next call.
   */
  expire(): Promise<ExpireCacheResult>;
  /**
   * The same cache, whose hits keep the worker alive until their times are
   * written.
   */
  during(
    event: ExpireCacheEvent,
  ): Pick<ExpiringCache, "match" | "put" | "delete">;
}

/** The note of an entry. */
interface Entry {
  readonly stored: number;
  readonly used: number;
  readonly bytes: number;
}

/** What is known of the clock. */
interface Clock {
  /** What it said last. */
  readonly seen: number;
  /** What it said after it had jumped, */
  readonly since: number;
  /** and before, or then if that is less. */
  readonly before: number;
  /** When cache and notes were compared. */
  readonly compared: number;
}

/** What is to be written: a new note, the time of a use, or that it is gone. */
type Change = Entry | number | undefined;

const DAY = 86_400_000;
/** After how long a batch is written. */
const DELAY = 1_000;
/** After how long notes are read again, which other contexts write too. */
const FRESH = 600_000;
/** Up to how many bytes of a response are kept for a second try. */
const COPIED = 8_000_000;
/** How many entries are deleted at once. */
const BATCH = 100;

/**
 * Makes a cache with limits out of the cache of a name, of which all entries are
 * under its care, whoever has put them there. Give it to a strategy as its cache.
 *
 * Make it once for each start of the worker, at top level. What may be stored is
 * for the strategy to decide.
 *
 * @param caches The caches of the origin: `self.caches`.
 * @param name The name of the cache.
 * @param options The limits, and where the notes are kept.
 * @returns The cache.
 *
 * @example Keeping two covers, for a week
 * ```ts
 * import { expireCache } from "@serviceworker/std/fetch/expire-cache";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { createCacheStorage } from "@serviceworker/std/testing/cache-storage";
 * import { assertEquals } from "@std/assert";
 *
 * // In a worker: expireCache(self.caches, "covers", { store: openStore("app") })
 * const covers = expireCache(createCacheStorage(), "covers", {
 *   store: memoryStore(),
 *   maxEntries: 2,
 *   maxAge: 7 * 24 * 60 * 60_000,
 * });
 *
 * await covers.put("https://a.test/1.jpg", new Response("1"));
 * await covers.put("https://a.test/2.jpg", new Response("2"));
 * await covers.match("https://a.test/1.jpg");
 * await covers.put("https://a.test/3.jpg", new Response("3"));
 *
 * assertEquals(await covers.match("https://a.test/2.jpg"), undefined);
 * assertEquals((await covers.expire()).entries, 2);
 * ```
 */
export function expireCache(
  caches: ExpireCacheStorage,
  name: string,
  options: ExpireCacheOptions,
): ExpiringCache {
  const {
    store,
    maxEntries = Infinity,
    maxBytes = Infinity,
    maxAge = Infinity,
    maxIdle = Infinity,
    opaqueBytes = 7_000_000,
    report,
  } = options;
  const clockKey = `expire-cache/${encodeURIComponent(name)}`;
  const prefix = `${clockKey}/`;
  const patience = Math.min(maxAge, maxIdle);

  // All of it lasts as long as this life of the worker, and only saves reading.
  /** What is known of entries, those first that were not used for the longest time. */
  let index = new Map<string, Entry>();
  let total = 0;
  /** When all of them were read. */
  let loaded = -Infinity;
  let clock: Clock | undefined;
  let written: Clock | undefined;
  let changes = new Map<string, Change>();
  let last: Promise<unknown> = Promise.resolve();
  let saving: Promise<void> | undefined;
  let keeping: Promise<void> | undefined;
  /** Whether a hit has shown that something is to be deleted or corrected. */
  let untidy = false;
  let scheduled: { wake: () => void; saved: Promise<void> } | undefined;

  function isLapsed({ stored, used }: Entry, now: number): boolean {
    return now - stored > maxAge || now - used > maxIdle;
  }

  function learn(key: string, entry: Entry | undefined): void {
    total += (entry?.bytes ?? 0) - (index.get(key)?.bytes ?? 0);
    index.delete(key);
    if (entry) index.set(key, entry);
  }

  function noteUse(key: string, used: number): void {
    const change = changes.get(key);
    changes.set(key, typeof change === "object" ? { ...change, used } : used);
    const entry = index.get(key);
    if (entry) learn(key, { ...entry, used });
    schedule();
  }

  function note(key: string, entry: Entry | undefined): void {
    changes.set(key, entry);
    learn(key, entry);
  }

  /** One after the other, whatever became of the one before. */
  function enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  }

  function tidyLater(): void {
    untidy = true;
    schedule();
  }

  function schedule(): void {
    if (scheduled) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, DELAY);
    const wake = () => {
      clearTimeout(timer);
      resolve();
    };
    // What could not be written is written with the next batch.
    const work = () => untidy ? keep() : save();
    scheduled = { wake, saved: promise.then(work).catch(() => {}) };
  }

  function save(): Promise<void> {
    return saving ??= enqueue(async () => {
      saving = undefined;
      await write();
    });
  }

  async function write(): Promise<void> {
    scheduled?.wake();
    scheduled = undefined;
    if (changes.size === 0 && clock === written) return;
    const batch = changes;
    changes = new Map();
    try {
      await store.transact(async (transaction) => {
        await Promise.all([...batch].map(async ([url, change]) => {
          const key = prefix + url;
          if (change === undefined) transaction.delete(key);
          else if (typeof change === "object") transaction.set(key, change);
          else {
            const entry = await transaction.get(key) as Entry | undefined;
            if (entry && entry.used < change) {
              transaction.set(key, { ...entry, used: change });
            }
          }
        }));
        if (clock) transaction.set(clockKey, clock);
      });
      written = clock;
    } catch (error) {
      // What was noted meanwhile is newer.
      for (const [key, change] of changes) {
        const older = batch.get(key);
        const isUse = typeof change === "number" && typeof older === "object";
        batch.set(key, isUse ? { ...older, used: change } : change);
      }
      changes = batch;
      throw error;
    }
  }

  /** Looks at the clock, and returns whether it has gone steadily for a day. */
  function look(now: number): boolean {
    const { seen, ...known } = clock ?? {
      seen: now,
      since: -Infinity,
      before: now,
      compared: -Infinity,
    };
    const isJump = now - seen > patience || seen - now > DAY;
    clock = {
      seen: now,
      ...known,
      ...(isJump && { since: now, before: Math.min(seen, now) }),
    };
    return now - clock.since >= DAY;
  }

  /** Reads all notes. */
  async function load(now: number): Promise<void> {
    // Where there is no room to write, there is to be some soon.
    await write().catch(() => {});
    const [records, stored] = await Promise.all([
      store.list({ prefix }),
      store.get(clockKey),
    ]);
    clock = stored as Clock | undefined;
    untidy = false;
    const isSteady = look(now);
    const entries = new Map<string, Entry>();
    for (const [key, value] of records) {
      const url = key.slice(prefix.length);
      const noted = value as Entry;
      const entry = isSteady ? atMost(noted, now) : noted;
      if (entry !== noted) {
        const change = changes.get(url);
        if (typeof change === "number") {
          changes.set(url, { ...entry, used: change });
        } else if (!changes.has(url)) changes.set(url, entry);
      }
      entries.set(url, entry);
    }
    if (clock && Math.abs(now - clock.compared) > DAY) {
      await compare(new Set(entries.keys()), now);
      clock = { ...clock, compared: now };
    }
    index = new Map();
    total = 0;
    const sorted = [...entries].sort(([, a], [, b]) => a.used - b.used);
    for (const [key, entry] of sorted) learn(key, entry);
    // Of what was noted meanwhile, or has to be.
    for (const [key, change] of changes) {
      const entry = index.get(key);
      if (typeof change !== "number") learn(key, change);
      else if (entry) learn(key, { ...entry, used: change });
    }
    loaded = now;
  }

  /** Has the notes changed to those of the entries that there are. */
  async function compare(noted: Set<string>, now: number): Promise<void> {
    const cache = await caches.open(name);
    const urls = new Set((await cache.keys()).map(urlOf));
    for (const url of noted) {
      if (!urls.has(url) && !changes.has(url)) changes.set(url, undefined);
    }
    for (const url of urls) {
      if (noted.has(url) || changes.has(url)) continue;
      const bytes = await measure(cache, url);
      changes.set(url, { stored: now, used: now, bytes });
    }
  }

  /** How many bytes the variants of a URL have, where it matters. */
  async function measure(
    cache: ExpireCacheCache,
    url: string,
  ): Promise<number> {
    if (maxBytes === Infinity) return 0;
    let bytes = 0;
    for (const response of await cache.matchAll(url, { ignoreVary: true })) {
      bytes += sizeOf(response) ?? (await response.blob()).size;
    }
    return bytes;
  }

  function sizeOf({ headers, type }: Response): number | undefined {
    if (type === "opaque") return opaqueBytes;
    const length = headers.get("content-length") ?? "";
    return /^\d+$/.test(length) && !headers.has("content-encoding")
      ? Number(length)
      : undefined;
  }

  /** What is too old. */
  function lapsed(now: number): string[] {
    const time = look(now) ? now : clock?.before ?? now;
    return [...index]
      .filter(([, entry]) => isLapsed(entry, time))
      .map(([key]) => key);
  }

  /** What was not used for the longest time: at least so many, with so many bytes. */
  function oldest(count: number, bytes: number): string[] {
    const chosen: string[] = [];
    let freed = 0;
    for (const [key, entry] of index) {
      if (chosen.length >= count && freed >= bytes) break;
      chosen.push(key);
      freed += entry.bytes;
    }
    return chosen;
  }

  /** What is too much. */
  function excess(): string[] {
    return oldest(index.size - maxEntries, total - maxBytes);
  }

  /** Deletes entries, and meanwhile the notes of those before; writes what was noted. */
  async function evict(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return await write();
    const cache = await caches.open(name);
    let writing: Promise<void> | undefined;
    for (let from = 0; from < keys.length; from += BATCH) {
      const batch = keys.slice(from, from + BATCH);
      const dates = batch.map((key) => index.get(key)?.stored);
      await Promise.all([
        writing,
        ...batch.map((key) => cache.delete(key, { ignoreVary: true })),
      ]);
      batch.forEach((key, position) => {
        // It may have been stored again meanwhile.
        const isSame = index.get(key)?.stored === dates[position];
        if (isSame) note(key, undefined);
      });
      writing = write();
    }
    await writing;
  }

  /** Learns what other contexts have noted of entries. */
  async function verify(keys: readonly string[]): Promise<void> {
    const found = await store.transact((transaction) =>
      Promise.all(keys.map((key) => transaction.get(prefix + key)))
    );
    keys.forEach((key, position) => {
      if (changes.has(key)) return;
      const [entry, known] = [found[position] as Entry, index.get(key)];
      if (!entry) learn(key, undefined);
      else if (!known || entry.used > known.used) learn(key, entry);
    });
  }

  /** Reads all notes and deletes what is too old or too much; resolves with how many. */
  async function sweep(now: number): Promise<number> {
    await load(now);
    const old = lapsed(now);
    await evict(old);
    const more = excess();
    await evict(more);
    return old.length + more.length;
  }

  /** Writes what was noted, and deletes what is too much. */
  function keep(): Promise<void> {
    return keeping ??= enqueue(async () => {
      keeping = undefined;
      const now = Date.now();
      if (Math.abs(now - loaded) > FRESH) return void await sweep(now);
      await write();
      const verified = new Set<string>();
      const doubtful = () => excess().filter((key) => !verified.has(key));
      for (let keys = doubtful(); keys.length > 0; keys = doubtful()) {
        await verify(keys);
        for (const key of keys) verified.add(key);
      }
      await evict(excess());
    });
  }

  /** Deletes at least a tenth, and so many bytes if there are. */
  function makeRoom(bytes: number): Promise<number> {
    return enqueue(async () => {
      await load(Date.now());
      const chosen = oldest(index.size / 10, Math.min(bytes, total));
      await evict(chosen);
      return chosen.length;
    });
  }

  async function isTooOld(key: string, now: number): Promise<boolean> {
    if (patience === Infinity) return false;
    const known = index.get(key);
    if (known && known.stored <= now && !isLapsed(known, now)) return false;
    try {
      // Another context may have stored or used it since.
      const entry = await store.get(prefix + key) as Entry | undefined;
      if (!entry) return false;
      if (!changes.has(key)) learn(key, entry);
      const isOld = isLapsed(entry, now);
      if (isOld || entry.stored > now) tidyLater();
      return isOld;
    } catch {
      // Without its note it is as good as adopted.
      return false;
    }
  }

  async function match(
    request: Request | string,
    options: ExpireCacheQueryOptions = {},
  ): Promise<Response | undefined> {
    const now = Date.now();
    let key = urlOf(request);
    if (options.ignoreSearch) {
      const [first] = await (await caches.open(name)).keys(request, options);
      if (!first) return undefined;
      key = urlOf(first);
    }
    const [response, tooOld] = await Promise.all([
      caches.match(request, { ...options, cacheName: name }),
      isTooOld(key, now),
    ]);
    if (response && !tooOld) {
      noteUse(key, now);
      return response;
    }
    return undefined;
  }

  /** Stores it if there is or can be room for it. Resolves with whether it was. */
  async function putWithin(
    request: Request | string,
    response: Response,
  ): Promise<boolean> {
    const size = sizeOf(response) ?? 0;
    const url = urlOf(request);
    if (size > maxBytes) {
      await response.body?.cancel();
      report?.({ url, evicted: 0, stored: false });
      return false;
    }
    const copy = size <= COPIED ? response.clone() : undefined;
    try {
      await (await caches.open(name)).put(request, response);
      return true;
    } catch (error) {
      if (!isQuotaError(error)) throw error;
      let evicted = 0;
      let stored = false;
      try {
        evicted = await makeRoom(size);
        if (copy) await (await caches.open(name)).put(request, copy);
        stored = copy !== undefined;
      } catch {
        // It is served, and not stored.
      }
      report?.({ url, evicted, stored });
      return stored;
    } finally {
      // It would wait for the other copy.
      if (copy && !copy.bodyUsed) copy.body?.cancel().catch(() => {});
    }
  }

  async function put(
    request: Request | string,
    response: Response,
  ): Promise<void> {
    const exact = response.headers.has("vary") ? undefined : sizeOf(response);
    if (!await putWithin(request, response)) return;
    const key = urlOf(request);
    try {
      const bytes = exact ?? await measure(await caches.open(name), key);
      const now = Date.now();
      note(key, { stored: now, used: now, bytes });
      if (bytes > maxBytes) {
        await enqueue(() => evict([key]));
        report?.({ url: key, evicted: 0, stored: false });
      } else await keep();
    } catch {
      // It is stored: its note is written, and limits are kept, with the next.
    }
  }

  async function remove(
    request: Request | string,
    options: ExpireCacheQueryOptions = {},
  ): Promise<boolean> {
    const cache = await caches.open(name);
    const query = { ...options, ignoreVary: true };
    const requests = options.ignoreSearch
      ? await cache.keys(request, query)
      : [request];
    const deleted = await cache.delete(request, query);
    for (const request of requests) note(urlOf(request), undefined);
    // A note without an entry is dropped in time.
    await save().catch(() => {});
    return deleted;
  }

  return {
    match,
    put,
    delete: remove,
    expire: () =>
      enqueue(async () => {
        const deleted = await sweep(Date.now());
        return { deleted, entries: index.size, bytes: total };
      }),
    during: (event) => ({
      put,
      delete: remove,
      match(request, options) {
        const response = match(request, options);
        const isSaved = response.then(() => scheduled?.saved, () => {});
        event.waitUntil(isSaved);
        return response;
      },
    }),
  };
}

/** The URL under which a request is noted. */
function urlOf(request: Request | string): string {
  const { url } = typeof request === "string" ? new Request(request) : request;
  const hash = url.indexOf("#");
  return hash < 0 ? url : url.slice(0, hash);
}

/** The entry, with times that are yet to come made the present. */
function atMost(entry: Entry, now: number): Entry {
  const { stored, used } = entry;
  if (stored <= now && used <= now) return entry;
  return {
    ...entry,
    stored: Math.min(stored, now),
    used: Math.min(used, now),
  };
}

function isQuotaError(error: unknown): boolean {
  const { name } = Object(error) as { name?: unknown };
  // The second is what Firefox says.
  return name === "QuotaExceededError" ||
    name === "NS_ERROR_FILE_NO_DEVICE_SPACE";
}
