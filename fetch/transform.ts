// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Compile on the way: a page loads TypeScript, or another language, and a worker
 * gives it what the browser understands. The result is stored under a hash of
 * its source, so that nothing is compiled twice.
 *
 * This is for development, for playgrounds and for small sites without a build.
 * What many people load is better compiled once, on the server.
 *
 * It costs the source and the result in memory, as text. With a cache, it is one
 * hash and one `match()` more for each request, a `put()` after the answer for
 * what is new, and no compiling for what is not.
 *
 * @module
 */

/** The part of a `fetch` event that {@linkcode transform} uses. */
export interface TransformEvent {
  /** The request that is answered. */
  readonly request: Request;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** The part of a `Cache` that {@linkcode transform} uses. */
export interface TransformCache {
  /** What is stored under the URL. */
  match(url: string): Promise<Response | undefined>;
  /** Stores a response under the URL. */
  put(url: string, response: Response): Promise<void>;
}

/** Compiles the text of the resource at `url`. */
export type TransformCompiler = (
  source: string,
  url: string,
) => string | Promise<string>;

/** Options for {@linkcode transform}. */
export interface TransformOptions {
  /**
   * Where results are stored: a cache, or the name of one. Without it everything
   * is compiled each time. Old results stay until somebody deletes them.
   */
  cache?: TransformCache | string | undefined;
  /**
   * What else the result depends on, such as the compiler's version and its
   * settings.
   *
   * @default {""}
   */
  version?: string | undefined;
  /**
   * The `Content-Type` of the result.
   *
   * @default {"text/javascript; charset=utf-8"}
   */
  type?: string | undefined;
}

/** Headers that are no longer true when the body is another. */
const OF_THE_BYTES = [
  "accept-ranges",
  "content-encoding",
  "content-length",
  "etag",
  "last-modified",
];
const SCRIPT_REGEXP = /^(text|application)\/javascript\b/i;

/**
 * Answers with what `compile` makes of `response`: with its status and headers,
 * less those that are about the source's bytes.
 *
 * If it cannot be compiled, the answer says why: a script is one that throws a
 * `SyntaxError` with the compiler's message, so that it is in the console with
 * the URL; anything else has the status 500 and the message as its text. Neither
 * is stored. A response that is not `ok` is passed on.
 *
 * A cache that fails, as one without room, costs time alone.
 *
 * @param event The event, before its response is there.
 * @param response The source.
 * @param compile The compiler.
 * @param options Additional options.
 * @returns The answer.
 * @throws {TypeError} If the source cannot be read to its end.
 *
 * @example TypeScript without a build
 * ```ts
 * import { transform } from "@serviceworker/std/fetch/transform";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for a compiler, such as sucrase or esbuild-wasm.
 * const compile = (source: string) => source.replaceAll(": string", "");
 *
 * using host = createHost({ network: () => new Response("let a: string;") });
 * await host.register((scope) => {
 *   scope.addEventListener("fetch", (event) => {
 *     if (!event.request.url.endsWith(".ts")) return;
 *     event.respondWith((async () => {
 *       const response = await scope.fetch(event.request);
 *       const cache = await scope.caches.open("compiled");
 *       return await transform(event, response, compile, { cache });
 *     })());
 *   });
 * });
 *
 * const page = await host.openWindow("/");
 * assertEquals(await (await page.fetch("/a.ts")).text(), "let a;");
 * await host.idle();
 * ```
 */
export async function transform(
  event: TransformEvent,
  response: Response,
  compile: TransformCompiler,
  options: TransformOptions = {},
): Promise<Response> {
  const { version = "", type = "text/javascript; charset=utf-8" } = options;
  if (!response.ok) return response;
  const { url } = event.request;
  const source = await response.text();
  const headers = new Headers(response.headers);
  headers.set("content-type", type);
  for (const name of OF_THE_BYTES) headers.delete(name);
  const { status } = response;

  const cache = await openCache(options.cache);
  // What is compiled may depend on its URL too, as a source map does.
  const key = cache && await toKey(url, [url, source, version, type]);
  const stored = key && await cache.match(key).catch(() => undefined);
  if (stored) return new Response(stored.body, { status, headers });
  let result: string;
  try {
    result = await compile(source, url);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `Cannot compile ${url}: ${reason}`;
    return SCRIPT_REGEXP.test(type)
      ? new Response(`throw new SyntaxError(${JSON.stringify(message)});`, {
        headers,
      })
      : new Response(message, { status: 500 });
  }
  if (key) {
    event.waitUntil(cache.put(key, new Response(result)).catch(() => {}));
  }
  return new Response(result, { status, headers });
}

async function openCache(
  cache: TransformCache | string | undefined,
): Promise<TransformCache | undefined> {
  if (typeof cache !== "string") return cache;
  // Storage may be blocked.
  return await caches.open(cache).catch(() => undefined);
}

/** A URL, as caches want one, that nobody asks for. */
async function toKey(url: string, parts: string[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(parts));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const name = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0"));
  return new URL(`/@serviceworker/std/transform/${name.join("")}`, url).href;
}
