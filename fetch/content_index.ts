// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Tell the browser which pages open offline, so that it can show them, as
 * Chrome for Android does among the downloads. An entry of the index and the
 * page in the cache belong together: what is not stored is not listed, and both
 * are deleted together.
 *
 * A browser without a content index keeps the cache in order all the same.
 *
 * It costs one `match()` in the cache to add a page, one for each page to list
 * them, and a `delete()` in index and cache to delete one.
 *
 * @module
 */

/** What the browser shows of a page. */
export interface ContentIndexEntry {
  /** The page: an absolute URL in the scope of the registration. */
  readonly url: string;
  /** Its title. */
  readonly title: string;
  /** A sentence on it. */
  readonly description: string;
  /**
   * Its kind.
   *
   * @default {""}
   */
  readonly category?:
    | ""
    | "homepage"
    | "article"
    | "video"
    | "audio"
    | undefined;
  /**
   * Images, of which the browser takes those that it needs.
   *
   * @default {[]}
   */
  readonly icons?: readonly ContentIndexIcon[] | undefined;
}

/** An image of an entry. */
export interface ContentIndexIcon {
  /** Its URL. */
  readonly src: string;
  /** Its sizes, such as "128x128". */
  readonly sizes?: string;
  /** Its type, such as "image/png". */
  readonly type?: string;
}

/** The browser's index: `registration.index`. */
export interface ContentIndexIndex {
  /** Lists a page, in place of what has its id. */
  add(description: ContentIndexEntry & { readonly id: string }): Promise<void>;
  /** Lists it no more. */
  delete(id: string): Promise<void>;
  /** What is listed. */
  getAll(): Promise<
    readonly (ContentIndexEntry & { readonly id: string })[]
  >;
}

/** The part of a `ServiceWorkerRegistration` that a content index uses. */
export interface ContentIndexRegistration {
  /** The URL that all entries begin with. */
  readonly scope: string;
  /** The browser's index, where there is one. */
  readonly index?: ContentIndexIndex | undefined;
}

/** The part of a `Cache` that a content index uses. */
export interface ContentIndexCache {
  /** What is stored under the URL. */
  match(
    url: string,
    options: { ignoreVary: boolean },
  ): Promise<Response | undefined>;
  /** Deletes what is stored under the URL. */
  delete(url: string, options: { ignoreVary: boolean }): Promise<boolean>;
}

/** The pages of a cache that the browser lists. */
export interface ContentIndex {
  /**
   * Lists a page that is stored, or lists it anew. Resolves with false where
   * there is no index. Rejects with a `TypeError` if the entry is not valid, and
   * with an "InvalidStateError" if the page is not in the cache.
   */
  add(entry: ContentIndexEntry): Promise<boolean>;
  /**
   * Deletes a page from the index, and then from the cache. Resolves with whether
   * it was in the cache.
   */
  delete(url: string): Promise<boolean>;
  /**
   * What is listed. What is no longer in the cache is deleted from the index
   * first. Resolves with false where there is no index.
   */
  list(): Promise<ContentIndexEntry[] | false>;
}

const CATEGORIES = ["", "homepage", "article", "video", "audio"];
const ANY = { ignoreVary: true };

/**
 * Makes an index of the pages in a cache, for a page or a worker. Each is known
 * by its URL, which is also its id in the browser's index.
 *
 * A user may delete an entry where the browser shows it: call `delete(event.id)` in
 * `event.waitUntil()` of a `contentdelete` event.
 *
 * @param registration The registration, with an active worker that has a `fetch`
 * listener.
 * @param cache The cache of the pages, or its name.
 * @returns The index.
 *
 * @example Listing an article
 * ```ts
 * import { createContentIndex } from "@serviceworker/std/fetch/content-index";
 * import { createCacheStorage } from "@serviceworker/std/testing/cache-storage";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = await createCacheStorage().open("articles");
 * await cache.put("https://example.com/articles/1", new Response("Hello"));
 *
 * // As in a browser that has no index.
 * const registration = { scope: "https://example.com/" };
 * const articles = createContentIndex(registration, cache);
 * const listed = await articles.add({
 *   url: "https://example.com/articles/1",
 *   title: "Hello",
 *   description: "The first article",
 *   category: "article",
 * });
 * assertEquals(listed, false);
 * ```
 */
export function createContentIndex(
  registration: ContentIndexRegistration,
  cache: ContentIndexCache | string,
): ContentIndex {
  const { scope } = registration;
  const open = async () =>
    typeof cache === "string" ? await caches.open(cache) : cache;

  return {
    async add(entry) {
      const { category = "", icons = [], title, description } = entry;
      const url = toURL(entry, scope);
      if (!await (await open()).match(url, ANY)) {
        throw new DOMException(
          `Cannot list ${url}: it is not in the cache`,
          "InvalidStateError",
        );
      }
      if (!registration.index) return false;
      const listed = { id: url, url, title, description, category, icons };
      await registration.index.add(listed);
      return true;
    },

    async delete(url) {
      const { href } = new URL(url, scope);
      // In this order nothing is listed that does not open.
      await registration.index?.delete(href);
      return await (await open()).delete(href, ANY);
    },

    async list() {
      const { index } = registration;
      if (!index) return false;
      const stored = await open();
      const listed: ContentIndexEntry[] = [];
      for (const { id, ...entry } of await index.getAll()) {
        // Others have ids of their own.
        if (id !== new URL(entry.url, scope).href) continue;
        if (await stored.match(id, ANY)) listed.push(entry);
        else await index.delete(id);
      }
      return listed;
    },
  };
}

/** The URL of an entry that is valid. */
function toURL(entry: ContentIndexEntry, scope: string): string {
  const url = URL.canParse(entry.url, scope)
    ? new URL(entry.url, scope).href
    : entry.url;
  const refuse = (fact: string) => {
    throw new TypeError(`Cannot list ${url}: ${fact}`);
  };
  if (!url.startsWith(scope)) refuse(`it is not in the scope ${scope}`);
  for (const name of ["title", "description"] as const) {
    const value: unknown = entry[name];
    if (typeof value === "string" && value !== "") continue;
    refuse(`its ${name} is ${JSON.stringify(value)}, not a text`);
  }
  const { category = "", icons = [] } = entry;
  if (!CATEGORIES.includes(category)) {
    refuse(`"${category}" is none of the categories`);
  }
  const wrong = icons.find(({ src }) => !URL.canParse(src, url));
  if (wrong) refuse(`"${wrong.src}" is no URL of an icon`);
  return url;
}
