// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Store one response, as the strategies do: nothing that must not be stored, and
 * without a failure where there is no room. For what a listener or a page stores by
 * hand. Runs in both.
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
 * It costs one `put()`, and a second one if room was made. Where room can be made,
 * the body is kept in memory until it is stored, lest it has to be fetched again.
 *
 * @module
 */

/** The part of a `Cache` that {@linkcode putInCache} uses. */
export interface PutInCacheCache {
  /** Stores a response. */
  put(request: Request, response: Response): Promise<void>;
}

/** Options for {@linkcode putInCache}. */
export interface PutInCacheOptions {
  /**
   * Whether a response is good enough to be stored, within what the module's table
   * allows. Without it, one that is `ok`.
   */
  readonly isStorable?: ((response: Response) => boolean) | undefined;
  /**
   * Makes room when the storage of the origin is full, for so many bytes as far as
   * `Content-Length` says; then the response is stored after all, if it can be and
   * says of no more than 8 MB. Others find the room next time. Delete entries, not
   * a whole cache, whose room Chromium gives back when nobody has it open any more.
   * Without it, nothing is tried.
   */
  readonly makeRoom?:
    | ((bytes: number | undefined) => unknown)
    | undefined;
}

/** Up to how many bytes of a response are kept for a second try. */
const COPIED = 8_000_000;

/**
 * Stores a response, if it may be stored and there is room. What was stored under
 * the URL before is replaced when the last byte is there, and stays if the body
 * breaks off. (Without a `Content-Length`, WebKitGTK takes what has come by then
 * for the whole.)
 *
 * The body is used up, whatever comes of it: give a page the response itself, and
 * this its `clone()`. Storing takes as long as the body does; to give up, abort the
 * request. In a worker, hand the promise to `event.waitUntil()`.
 *
 * Strategies decide the same by themselves. A cache of `expireCache()` makes room by
 * itself, where it was not used for the longest time; give it to them or to this.
 *
 * @param cache The name of the cache, or the cache itself, or a promise of it.
 * @param request What was asked for, or its URL.
 * @param response The response.
 * @param options Additional options.
 * @returns Whether it is stored: `false` if it must not be, or there is no room.
 * @throws {TypeError} If the body was used before.
 * @throws {DOMException} As the platform rejects, if the body breaks off, the
 * request was aborted, or storage is blocked.
 *
 * @example Keeping what a page has loaded, as far as there is room
 * ```ts
 * import { putInCache } from "@serviceworker/std/fetch/put-in-cache";
 * import { createCacheStorage } from "@serviceworker/std/testing/cache-storage";
 * import { assertEquals } from "@std/assert";
 *
 * const caches = createCacheStorage({ quota: 100_000 }); // Stands for the real one.
 * const covers = await caches.open("covers");
 * const put = (cache: Cache, url: string) =>
 *   putInCache(cache, url, new Response(new Uint8Array(60_000)), {
 *     makeRoom: async () => {
 *       for (const cover of await covers.keys()) await covers.delete(cover);
 *     },
 *   });
 *
 * const saved = await caches.open("saved");
 * assertEquals(await put(covers, "https://a.test/1.jpg"), true);
 * assertEquals(await put(saved, "https://a.test/2.jpg"), true);
 * assertEquals(await put(saved, "https://a.test/3.jpg"), false);
 * assertEquals((await covers.keys()).length, 0);
 * ```
 */
export async function putInCache(
  cache: string | PutInCacheCache | Promise<PutInCacheCache>,
  request: Request | URL | string,
  response: Response,
  options: PutInCacheOptions = {},
): Promise<boolean> {
  const { makeRoom } = options;
  const key = typeof request === "object" && "url" in request
    ? request
    : new Request(request);
  if (!mayStore(key, response, options)) {
    await response.body?.cancel();
    return false;
  }
  const put = async (response: Response) => {
    const opened =
      await (typeof cache === "string" ? caches.open(cache) : cache);
    await opened.put(key, response);
  };
  const bytes = sizeOf(response);
  const isCopied = makeRoom !== undefined && (bytes ?? 0) <= COPIED;
  const copy = isCopied ? response.clone() : undefined;
  try {
    if (await isRoomFor(() => put(response))) return true;
    await makeRoom?.(bytes);
    return copy !== undefined && await isRoomFor(() => put(copy));
  } finally {
    // It would wait for the other copy.
    if (copy && !copy.bodyUsed) copy.body?.cancel().catch(() => {});
  }
}

/** The module's table. */
function mayStore(
  request: Request,
  response: Response,
  { isStorable = ({ ok }) => ok }: PutInCacheOptions,
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

function sizeOf({ headers }: Response): number | undefined {
  const length = headers.get("content-length") ?? "";
  return /^\d+$/.test(length) && !headers.has("content-encoding")
    ? Number(length)
    : undefined;
}

/** Does it, and resolves with whether there was room for it. */
async function isRoomFor(put: () => Promise<void>): Promise<boolean> {
  try {
    await put();
    return true;
  } catch (error) {
    const { name } = Object(error) as { name?: unknown };
    // The second is what Firefox says.
    if (
      name === "QuotaExceededError" || name === "NS_ERROR_FILE_NO_DEVICE_SPACE"
    ) return false;
    throw error;
  }
}
