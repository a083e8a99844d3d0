// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Activate a new version without breaking the tabs of an older one. Runs in the
 * worker: `activate` claims the pages, enables navigation preload and deletes
 * what is outdated; `matchGenerations` finds what an open tab still needs.
 *
 * A worker that skips waiting takes over pages that were loaded with the files of
 * an older version, and which will yet ask for some of them: a chunk that is
 * imported later is on no server any more. So each version, a generation, has a
 * cache of its own, and that stays until the last window is gone that was open
 * when a newer version was activated.
 *
 * ```text
 * cache  "<name> <scope> <version>": the files of a generation
 * cache  "<name> <scope>": which windows need which older generation, under
 *        "<scope>@serviceworker/std/generations", as JSON
 *        { current: version, older: [version, ids of windows][] }, newest first;
 *        missing until there was a second generation
 * ```
 *
 * The name of a cache holds the scope of the registration, so that two apps on
 * one origin never delete each other's; no other cache is ever touched.
 *
 * @module
 */

/** A generation of an app's files. */
export interface CacheGeneration {
  /** The name of the app, or of a set of its files; without spaces. */
  readonly name: string;
  /** The version of the files: one for each build, such as a hash. */
  readonly version: string;
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode cacheName} uses. */
export interface CacheNameRegistration {
  /** The URLs it is for begin with this. */
  readonly scope: string;
}

/** The part of a worker's `self` that {@linkcode matchGenerations} uses. */
export interface MatchGenerationsScope {
  /** The caches of the origin. */
  readonly caches: {
    /** Finds a response in the cache of a name. */
    match(
      request: Request | string,
      options: {
        cacheName: string;
        ignoreSearch?: boolean;
        ignoreVary?: boolean;
      },
    ): Promise<Response | undefined>;
    /** Resolves with the names of the caches, the oldest first. */
    keys(): Promise<string[]>;
  };
  /** The registration of the worker. */
  readonly registration: CacheNameRegistration & {
    /** A newer worker that is being installed. */
    readonly installing: object | null;
    /** A newer worker that waits. */
    readonly waiting: object | null;
  };
}

/** The part of a worker's `self` that {@linkcode deleteOutdatedCaches} uses. */
export interface DeleteOutdatedCachesScope extends MatchGenerationsScope {
  /** The caches of the origin. */
  readonly caches: MatchGenerationsScope["caches"] & {
    /** Opens a cache. */
    open(name: string): Promise<{
      put(request: string, response: Response): Promise<void>;
    }>;
    /** Deletes a cache. */
    delete(name: string): Promise<boolean>;
  };
  /** The pages of the origin. */
  readonly clients: {
    /** Resolves with the windows. */
    matchAll(options: {
      includeUncontrolled: boolean;
      type: "window";
    }): Promise<readonly { readonly id: string; readonly url: string }[]>;
  };
}

/** The part of a worker's `self` that {@linkcode activate} uses. */
export interface ActivateScope extends DeleteOutdatedCachesScope {
  /** The pages of the origin. */
  readonly clients: DeleteOutdatedCachesScope["clients"] & {
    /** Takes control of the pages in scope. */
    claim(): Promise<void>;
  };
  /** The registration of the worker. */
  readonly registration: DeleteOutdatedCachesScope["registration"] & {
    /** Missing in browsers that have no navigation preload. */
    readonly navigationPreload?: {
      enable(): Promise<void>;
      disable(): Promise<void>;
    } | undefined;
  };
}

/** Options for {@linkcode activate}. */
export interface ActivateOptions extends CacheGeneration {
  /**
   * Whether to take control of pages that no worker controls. Without it they are
   * controlled from their next navigation on.
   *
   * @default {true}
   */
  readonly claim?: boolean | undefined;
  /**
   * Whether navigations are requested while the worker starts: the `fetch`
   * listener must then use `event.preloadResponse`, lest everything is requested
   * twice. Without it, that stays as an older version has set it.
   */
  readonly navigationPreload?: boolean | undefined;
}

/** Options for {@linkcode matchGenerations}. */
export interface MatchGenerationsOptions extends CacheGeneration {
  /**
   * Whether to ignore the query of the URL.
   *
   * @default {false}
   */
  readonly ignoreSearch?: boolean | undefined;
  /**
   * Whether to ignore the `Vary` header of what is stored.
   *
   * @default {false}
   */
  readonly ignoreVary?: boolean | undefined;
}

/** Which windows need which generation. */
interface Generations {
  readonly current: string;
  /** The newest first. */
  readonly older: readonly (readonly [version: string, ids: string[]])[];
}

/**
 * The name of the cache that holds a generation of files: `name`, the scope of the
 * registration and `version`, with spaces between. Store them there while the
 * worker is being installed.
 *
 * @param registration The registration: `self.registration` in a worker.
 * @param generation The name and the version.
 * @returns The name of the cache.
 * @throws {TypeError} If the name is empty or has a space in it.
 *
 * @example Storing the files of a version
 * ```ts
 * import { cacheName } from "@serviceworker/std/lifecycle/activate";
 * import { assertEquals } from "@std/assert";
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * const files = { name: "podcast", version: "7f3a" };
 *
 * async function install(): Promise<void> {
 *   const cache = await sw.caches.open(cacheName(sw.registration, files));
 *   await cache.addAll(["/", "/app.7f3a.js"]);
 * }
 * sw.addEventListener("install", (event) => event.waitUntil(install()));
 *
 * const registration = { scope: "https://a.test/" }; // Stands for the real one.
 * assertEquals(
 *   cacheName(registration, files),
 *   "podcast https://a.test/ 7f3a",
 * );
 * ```
 */
export function cacheName(
  registration: CacheNameRegistration,
  generation: CacheGeneration,
): string {
  return `${recordName(registration, generation)} ${generation.version}`;
}

/**
 * Does what a new version has to do when it is activated: takes control of the
 * pages, sets navigation preload, and deletes the outdated caches as
 * {@linkcode deleteOutdatedCaches} does. Each is done even if another fails.
 *
 * Hand the promise to the `activate` event. If it rejects, as where storage is
 * blocked, the worker is activated nevertheless.
 *
 * @param scope The worker's `self`.
 * @param options The name and version of the files, and additional options.
 * @returns A promise that resolves when all is done.
 * @throws {TypeError} If the name is empty or has a space in it.
 * @throws {DOMException} As the platform rejects, if caches cannot be read or
 * deleted, or preload cannot be set.
 *
 * @example Activating a version
 * ```ts
 * import { activate } from "@serviceworker/std/lifecycle/activate";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * const page = await host.openWindow("/");
 *
 * await host.register((self) => {
 *   const files = { name: "podcast", version: "7f3a" };
 *   self.addEventListener("activate", (event) => {
 *     event.waitUntil(activate(self, files));
 *   });
 * });
 *
 * assertEquals(page.serviceWorker.controller?.state, "activated");
 * host.close();
 * ```
 */
export async function activate(
  scope: ActivateScope,
  options: ActivateOptions,
): Promise<void> {
  const { claim = true, navigationPreload } = options;
  const results = await Promise.allSettled([
    // First: pages wait for it.
    claim && claimClients(scope),
    deleteOutdatedCaches(scope, options),
    setNavigationPreload(scope, navigationPreload),
  ]);
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}

/**
 * Deletes the caches of older versions which no window needs any more: those that
 * are named by {@linkcode cacheName} for the same name and scope. Call it whenever
 * the active worker has an event that it alone gets, such as a navigation, so that
 * a generation goes when its last window has gone, and what an interrupted
 * activation left undone is done.
 *
 * A window needs the version that was active before the newer one took over; one
 * that is frozen counts. A page in the back/forward cache is no window meanwhile,
 * and one whose navigation was answered but has not begun to load counts for the
 * newer version. Nothing is deleted while a newer worker is being installed or
 * waits, since its files look like a leftover.
 *
 * @param scope The worker's `self`.
 * @param generation The name, and the version that is active.
 * @returns A promise that resolves when they are deleted.
 * @throws {TypeError} If the name is empty or has a space in it.
 * @throws {DOMException} As the platform rejects, if caches cannot be read or
 * deleted.
 *
 * @example Looking at every navigation
 * ```ts
 * import { deleteOutdatedCaches } from "@serviceworker/std/lifecycle/activate";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * await host.caches.open("podcast https://example.test/ 1");
 *
 * await host.register((self) => {
 *   const files = { name: "podcast", version: "2" };
 *   self.addEventListener("fetch", (event) => {
 *     if (event.request.mode !== "navigate") return;
 *     event.waitUntil(deleteOutdatedCaches(self, files));
 *   });
 * });
 * await host.openWindow("/");
 * await host.idle();
 *
 * assertEquals(await host.caches.has("podcast https://example.test/ 1"), false);
 * host.close();
 * ```
 */
export async function deleteOutdatedCaches(
  scope: DeleteOutdatedCachesScope,
  generation: CacheGeneration,
): Promise<void> {
  const { caches, clients, registration } = scope;
  const { version } = generation;
  const stored = await storedVersions(scope, generation);
  if (stored.every((other) => other === version)) return;
  // Read first: whoever is noted there was open before the windows are listed.
  let generations = await read(scope, generation);
  const windows = await clients.matchAll({
    includeUncontrolled: true,
    type: "window",
  });
  const open = new Set(windows.map(({ id }) => id));
  if (generations?.current !== version) {
    generations = await succeed(scope, generation, generations);
    // What a newer worker has stored looks like a leftover.
    if (isSucceeded(registration)) return;
    // Before anything is deleted: later nobody can tell who is how old.
    await write(scope, generation, generations);
  }

  const { older } = generations;
  const needed = older.filter(([, ids]) => ids.some((id) => open.has(id)));
  if (needed.length === older.length) return;
  for (const entry of older) {
    if (needed.includes(entry)) continue;
    // A version that comes back may be storing its files again.
    if (isSucceeded(registration)) return;
    const [version] = entry;
    await caches.delete(cacheName(registration, { ...generation, version }));
  }
  await write(scope, generation, { current: version, older: needed });
}

/**
 * Finds the response to a request in the generations that there are: in that of
 * `version` first, then in older ones that a window still needs, the newest first.
 * So a chunk that an old tab imports is found, if the names of files tell versions
 * apart, as the hashes of a bundler do.
 *
 * @param scope The worker's `self`.
 * @param request The request, or its URL.
 * @param options The name and version of the files, and additional options.
 * @returns The response, or `undefined` if there is none, or the caches cannot be
 * read: ask the network.
 * @throws {TypeError} If the name is empty or has a space in it.
 *
 * @example Answering from the caches
 * ```ts
 * import { cacheName, matchGenerations } from "@serviceworker/std/lifecycle/activate";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const files = { name: "podcast", version: "7f3a" };
 * const host = createHost();
 * const registration = await host.register((self) => {
 *   const respond = async (request: Request) =>
 *     await matchGenerations(self, request, files) ?? self.fetch(request);
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(respond(event.request));
 *   });
 * });
 * const cache = await host.caches.open(cacheName(registration, files));
 * await cache.put("/app.js", new Response("stored"));
 *
 * const page = await host.openWindow("/");
 * assertEquals(await (await page.fetch("/app.js")).text(), "stored");
 * host.close();
 * ```
 */
export async function matchGenerations(
  scope: MatchGenerationsScope,
  request: Request | string,
  options: MatchGenerationsOptions,
): Promise<Response | undefined> {
  const { caches, registration } = scope;
  const { name, ignoreSearch = false, ignoreVary = false } = options;
  const matchIn = (version: string) =>
    caches.match(request, {
      cacheName: cacheName(registration, { name, version }),
      ignoreSearch,
      ignoreVary,
    });
  assertName(options);
  try {
    const response = await matchIn(options.version);
    if (response) return response;
    const generations = await read(scope, options);
    // Another is current for as long as this activation has not been noted.
    const versions = generations
      ? [generations.current, ...generations.older.map(([version]) => version)]
      : isSucceeded(registration)
      ? []
      : await storedVersions(scope, options);
    for (const version of versions) {
      if (version === options.version) continue;
      const response = await matchIn(version);
      if (response) return response;
    }
  } catch {
    // Storage is blocked: what is stored may as well not be there.
  }
  return undefined;
}

async function claimClients({ clients }: ActivateScope): Promise<void> {
  try {
    await clients.claim();
  } catch (error) {
    // Another worker is active by now, and claims for itself.
    const { name } = error as { name?: unknown };
    if (name !== "InvalidStateError") throw error;
  }
}

async function setNavigationPreload(
  { registration: { navigationPreload } }: ActivateScope,
  enabled: boolean | undefined,
): Promise<void> {
  if (enabled === undefined) return;
  await (enabled ? navigationPreload?.enable() : navigationPreload?.disable());
}

/** The generations once another version is the current one. */
async function succeed(
  scope: DeleteOutdatedCachesScope,
  generation: CacheGeneration,
  before: Generations | undefined,
): Promise<Generations> {
  const { clients, registration } = scope;
  const { version: current } = generation;
  const recorded = before?.older ?? [];
  const noted = new Set(recorded.flatMap(([, ids]) => ids));
  const query = { type: "window" } as const;
  const [controlled, all] = await Promise.all([
    clients.matchAll({ ...query, includeUncontrolled: false }),
    clients.matchAll({ ...query, includeUncontrolled: true }),
  ]);
  const mine = new Set(controlled.map(({ id }) => id));
  const ids = all
    .filter(({ id, url }) => mine.has(id) || url.startsWith(registration.scope))
    .map(({ id }) => id)
    .filter((id) => !noted.has(id));

  // What is not recorded was left by an activation or installation that failed.
  const stored = await storedVersions(scope, generation);
  const versions = new Set(before ? [before.current, ...stored] : stored);
  for (const [version] of recorded) versions.delete(version);
  const latest = [...versions].map((version) => [version, ids] as const);
  return {
    current,
    older: [...latest, ...recorded].filter(([version]) => version !== current),
  };
}

/** Whether there is a newer worker, whose files are not for this one's pages. */
function isSucceeded(
  { installing, waiting }: MatchGenerationsScope["registration"],
): boolean {
  return installing !== null || waiting !== null;
}

/** The versions that have a cache, the newest first. */
async function storedVersions(
  { caches, registration }: MatchGenerationsScope,
  generation: CacheGeneration,
): Promise<string[]> {
  const prefix = cacheName(registration, { ...generation, version: "" });
  return (await caches.keys())
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .reverse();
}

async function read(
  scope: MatchGenerationsScope,
  generation: CacheGeneration,
): Promise<Generations | undefined> {
  const { caches, registration } = scope;
  const response = await caches.match(recordURL(registration), {
    cacheName: recordName(registration, generation),
  });
  return await response?.json();
}

async function write(
  scope: DeleteOutdatedCachesScope,
  generation: CacheGeneration,
  generations: Generations,
): Promise<void> {
  const { caches, registration } = scope;
  const cache = await caches.open(recordName(registration, generation));
  await cache.put(recordURL(registration), Response.json(generations));
}

function recordURL({ scope }: CacheNameRegistration): string {
  return `${scope}@serviceworker/std/generations`;
}

function recordName(
  { scope }: CacheNameRegistration,
  generation: CacheGeneration,
): string {
  assertName(generation);
  return `${generation.name} ${scope}`;
}

function assertName({ name }: CacheGeneration): void {
  if (name !== "" && !name.includes(" ")) return;
  throw new TypeError(
    `Cannot name a cache: the name "${name}" is empty or has a space in it`,
  );
}
