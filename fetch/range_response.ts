// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answer a request for a range of bytes out of a complete, stored response, so
 * that audio and video play and seek offline: Safari plays nothing that was
 * asked for by range and comes whole, and no browser can seek in it.
 *
 * What is stored has to be complete. A cache takes no partial response, so store
 * media with `cache.add(url)`, not by the request of an `<audio>`, which has a
 * `Range` header.
 *
 * For media of another origin put `crossorigin` on the element and store a CORS
 * response: an opaque one has no bytes that a worker could read.
 *
 * It makes no request and stores nothing; it costs a `blob()` of the whole, of
 * which just the slice is read.
 *
 * @module
 */

const RANGE_REGEXP =
  /^bytes=(?:,[ \t,]*)?(?:(\d+)-(\d*)|-(\d+))(?:[ \t]*,[ \t,]*)?$/i;

/**
 * Answers `request` with the bytes of `response` that its `Range` header asks
 * for, as RFC 9110 (section 14) says: with 206 and the range, cut to what there
 * is; or with 416 if there is none of it. The body is a slice of the response's
 * Blob, which Chromium and Firefox do not hold in memory, whatever its size;
 * WebKit does. The slice has the headers of the response, with `Content-Range`,
 * `Content-Length` and `Accept-Ranges` its own. Of an empty file, the last bytes
 * are the whole, with 200.
 *
 * `response` is passed on as it is, which is always allowed, where
 *
 * - the request has no `Range` header, or is not a `GET`;
 * - the header is malformed or of another unit than bytes;
 * - it asks for several ranges, which no media element does: there is no
 *   `multipart/byteranges` here;
 * - it has an `If-Range` header of another version. An `ETag` has to be the same
 *   and strong. A date has to be that of `Last-Modified`, and the `Date` of the
 *   response a second later or more: what changes twice in a second has the same
 *   date twice;
 * - its status is not 200, as of a 206, which the server has cut itself, of an
 *   error, and of an opaque response;
 * - it has a `Content-Encoding`: ranges are of the encoded bytes, and a script
 *   sees those decoded.
 *
 * @param request The request of the event.
 * @param response The complete response, its body not read.
 * @returns The answer.
 * @throws {TypeError} If a range is wanted and the response's body was read.
 *
 * @example Serving media from a cache
 * ```ts
 * import { rangeResponse } from "@serviceworker/std/fetch/range-response";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * using host = createHost({ network: () => new Response("0123456789") });
 * await host.register((scope) => {
 *   const { caches } = scope;
 *   scope.addEventListener("install", (event) => {
 *     event.waitUntil(caches.open("media").then((cache) => cache.add("/a.mp3")));
 *   });
 *   scope.addEventListener("fetch", (event) => {
 *     const { request } = event;
 *     if (!request.url.endsWith(".mp3")) return;
 *     event.respondWith(caches.match(request.url).then((response) =>
 *       response ? rangeResponse(request, response) : scope.fetch(request)
 *     ));
 *   });
 * });
 *
 * const page = await host.openWindow("/");
 * host.network.offline = true;
 * const headers = { range: "bytes=-4" };
 * const response = await page.fetch("/a.mp3", { headers });
 * assertEquals(response.headers.get("content-range"), "bytes 6-9/10");
 * assertEquals(await response.text(), "6789");
 * ```
 */
export async function rangeResponse(
  request: Request,
  response: Response,
): Promise<Response> {
  const [, first, last, suffix] =
    request.headers.get("range")?.match(RANGE_REGEXP) ?? [];
  if (
    first === undefined && suffix === undefined ||
    last && Number(last) < Number(first) ||
    request.method !== "GET" || response.status !== 200 ||
    (response.headers.get("content-encoding") ?? "identity") !== "identity" ||
    !isSameVersion(request.headers.get("if-range"), response.headers)
  ) return response;

  const blob = await response.blob();
  const { size } = blob;
  const start = Number(first ?? Math.max(0, size - Number(suffix)));
  const end = last ? Math.min(size, Number(last) + 1) : size;
  if (start >= size) {
    // No range is in an empty file, though its end may be asked for (14.1.2).
    if (Number(suffix) > 0) return new Response(blob, response);
    return new Response(null, {
      status: 416,
      headers: { "content-range": `bytes */${size}`, "content-length": "0" },
    });
  }
  const headers = new Headers(response.headers);
  headers.set("accept-ranges", "bytes");
  headers.set("content-range", `bytes ${start}-${end - 1}/${size}`);
  headers.set("content-length", String(end - start));
  return new Response(blob.slice(start, end), { status: 206, headers });
}

/** Whether the condition of `If-Range` holds: RFC 9110, section 13.1.5. */
function isSameVersion(ifRange: string | null, headers: Headers): boolean {
  if (ifRange === null) return true;
  if (ifRange.startsWith('"')) return ifRange === headers.get("etag");
  const modified = headers.get("last-modified");
  // Section 8.8.2.2.
  return ifRange === modified &&
    Date.parse(headers.get("date") ?? "") - Date.parse(modified) >= 1000;
}
