// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Notices that the browser deleted what was stored. A canary is put into the
 * store and into witnesses: other places, which browsers clear by other rules.
 * If a witness remembers a canary that the store does not have, the store was
 * lost.
 *
 * A witness is only as good as what it survives:
 *
 * - A browser that runs short of space deletes IndexedDB, caches and worker of an
 *   origin together. Chromium leaves `localStorage`, Firefox does not; both leave
 *   cookies.
 * - Safari deletes all that scripts have stored, cookies included, after seven
 *   days of use without a visit. Cookies set by the server stay: make a witness
 *   of one, with a `getItem()` and a `setItem()` of your own.
 * - `caches` go with the store in both cases, but not where the database alone
 *   was deleted, or was damaged and began anew.
 * - In workers there is no `localStorage`, and the `cookieStore` of Firefox and
 *   WebKitGTK keeps nothing there, so that `caches` is all there is: detect it in
 *   pages as well.
 * - When a user clears the site's data everything goes, and it is a first visit.
 *
 * A host's cookies are the same on all of its ports: of two apps on `localhost`,
 * each needs a `name`.
 *
 * @module
 */

/** The part of a store that {@linkcode detectEviction} uses. */
export interface EvictionStore {
  /** Runs `work` in a transaction. */
  transact<T>(
    work: (transaction: {
      get(key: string): Promise<unknown>;
      set(key: string, value: unknown): void;
    }) => Promise<T>,
  ): Promise<T>;
}

/** A witness such as `localStorage`, or one of your own. */
export interface EvictionStorage {
  /** The item of a name, `null` if there is none. */
  getItem(name: string): string | null | Promise<string | null>;
  /** Keeps an item. */
  setItem(name: string, value: string): unknown;
}

/** A witness such as `cookieStore`. */
export interface EvictionCookies {
  /** Resolves with the cookie of a name. */
  get(name: string): Promise<{ value?: string | undefined } | null>;
  /** Keeps a cookie. */
  set(cookie: {
    name: string;
    value: string;
    expires: number;
    sameSite: "strict";
  }): Promise<void>;
}

/** A witness such as `caches`. */
export interface EvictionCaches {
  /** Opens a cache. */
  open(name: string): Promise<{
    match(request: string): Promise<Response | undefined>;
    put(request: string, response: Response): Promise<void>;
  }>;
}

/** Options for {@linkcode detectEviction}. */
export interface DetectEvictionOptions {
  /**
   * What the canary is called, in the store and in the witnesses. Two stores of
   * one origin need two names.
   *
   * @default {"serviceworker-std-canary"}
   */
  name?: string | undefined;
}

/** Names the one entry of the canary's cache. */
const ENTRY = "https://canary.invalid/";
/** The longest that browsers keep a cookie: 400 days. */
const EXPIRES = 400 * 24 * 60 * 60 * 1000;

/**
 * Tells whether a store is what it was at the last call: "kept"; "lost", if it
 * was deleted in between; or "new", if nothing remembers an earlier call. Call it
 * once per start of a page or worker, before anything relies on what is stored,
 * and fetch again what was lost.
 *
 * The first call after a loss is told, and each with a witness that no call had
 * since. A witness that cannot be read or written is passed over. Use a store
 * with strict durability, or a crash of the machine may look like a loss.
 *
 * @param store The store, which gets the canary as one more record.
 * @param witnesses Where the canary is remembered. What is missing here, such as
 * `cookieStore` in an older browser, is passed over.
 * @param options Additional options.
 * @returns "kept", "lost" or "new".
 * @throws {DOMException} If the store cannot be read or written.
 *
 * @example Noticing that downloads are gone
 * ```ts
 * import { detectEviction } from "@serviceworker/std/storage/detect-eviction";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * // In a page: [localStorage, globalThis.cookieStore]
 * // In a worker: [caches, self.cookieStore]
 * const items = new Map<string, string>();
 * const witness = {
 *   getItem: (name: string) => items.get(name) ?? null,
 *   setItem: (name: string, value: string) => items.set(name, value),
 * };
 *
 * const store = memoryStore(); // In the app: openStore("podcast").
 * assertEquals(await detectEviction(store, [witness]), "new");
 * assertEquals(await detectEviction(store, [witness]), "kept");
 *
 * const emptied = memoryStore();
 * assertEquals(await detectEviction(emptied, [witness]), "lost");
 * ```
 */
export async function detectEviction(
  store: EvictionStore,
  witnesses: readonly (
    | EvictionStorage
    | EvictionCookies
    | EvictionCaches
    | null
    | undefined
  )[],
  options: DetectEvictionOptions = {},
): Promise<"kept" | "lost" | "new"> {
  const { name = "serviceworker-std-canary" } = options;
  const present = witnesses.filter((witness) => witness != null)
    .map(toStorage);
  const remembered = await Promise.all(present.map(async (witness) => {
    try {
      return await witness.getItem(name);
    } catch {
      return null;
    }
  }));

  const fresh = crypto.randomUUID();
  // Two tabs that start at once agree on one.
  const canary = await store.transact(async (transaction) => {
    const found = await transaction.get(name);
    if (typeof found === "string") return found;
    transaction.set(name, fresh);
    return fresh;
  });
  const others = present.filter((_, index) => remembered[index] !== canary);
  await Promise.allSettled(
    others.map(async (witness) => await witness.setItem(name, canary)),
  );

  if (remembered.some((id) => id !== null && id !== canary)) return "lost";
  return canary === fresh ? "new" : "kept";
}

function toStorage(
  witness: EvictionStorage | EvictionCookies | EvictionCaches,
): EvictionStorage {
  if ("getItem" in witness) return witness;
  if ("get" in witness) {
    return {
      getItem: async (name) => (await witness.get(name))?.value ?? null,
      setItem: (name, value) =>
        witness.set({
          name,
          value,
          expires: Date.now() + EXPIRES,
          sameSite: "strict",
        }),
    };
  }
  return {
    async getItem(name) {
      const cache = await witness.open(name);
      return await (await cache.match(ENTRY))?.text() ?? null;
    },
    async setItem(name, value) {
      const cache = await witness.open(name);
      await cache.put(ENTRY, new Response(value));
    },
  };
}
