// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Compose a page of parts, such as a header from the cache, content from the
 * network and a footer, in one response that is streamed: the browser shows the
 * header while the content is on its way.
 *
 * It costs no request of its own, and holds one chunk of one part, whatever the
 * length of the page.
 *
 * @module
 */

/** The part of a `fetch` event that {@linkcode compose} uses. */
export interface ComposeEvent {
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What a response can be composed of; null and undefined are nothing. */
export type ComposeContent =
  | string
  | Uint8Array
  | Response
  | ReadableStream<Uint8Array>
  | AsyncIterable<string | Uint8Array>
  | null
  | undefined;

/**
 * One part: content, a promise of it, or a function that is called when all
 * before it has been read. A promise stands for what has been started already,
 * such as a `fetch()` that runs beside the others. The signal which a function is
 * given aborts when nobody reads any more.
 */
export type ComposePart =
  | ComposeContent
  | Promise<ComposeContent>
  | ((signal: AbortSignal) => ComposeContent | Promise<ComposeContent>);

/** Options for {@linkcode compose}. */
export interface ComposeOptions {
  /**
   * Makes the part that takes the place of one that failed, from its error and
   * its index. What came of the failed part stays. Without it, or if it fails
   * too, the response ends with the error.
   */
  fallback?:
    | ((error: unknown, index: number) => ComposePart)
    | undefined;
  /**
   * Ends the response with the signal's reason. Without it a part may take as
   * long as whoever reads the response is willing to wait.
   */
  signal?: AbortSignal | undefined;
  /**
   * The status of the response.
   *
   * @default {200}
   */
  status?: number | undefined;
  /**
   * The headers of the response.
   *
   * @default {{ "content-type": "text/html; charset=utf-8" }}
   */
  headers?: HeadersInit | undefined;
}

/** A part that is being read. */
interface Source {
  next(): Promise<{
    readonly done?: boolean | undefined;
    readonly value?: string | Uint8Array | undefined;
  }>;
  cancel(reason: unknown): void;
}

/** The index of what stands for a part that failed. */
const FALLBACK = -1;
const CHARSET_REGEXP = /;\s*charset=\s*"?([^\s;"]+)/i;

/**
 * Joins parts into one response, which can be answered with at once. A chunk is
 * read when there is room for it, from one part at a time. The parts after it
 * are let go, as is the one that is read, when the response is cancelled, as by
 * a user who leaves: streams are cancelled, iterators returned, and functions not
 * called. The worker is kept alive until then.
 *
 * Text is encoded as UTF-8, and so is the body of a response whose
 * `Content-Type` names another charset. A response that is not `ok`, be it a 404
 * or opaque, counts as a part that failed.
 *
 * Text is joined as it is: what comes from a user has to be escaped.
 *
 * @param event The event, during its dispatch or before its response is there.
 * @param parts The parts, in order.
 * @param options Additional options.
 * @returns The response.
 * @throws {DOMException} "InvalidStateError" if the event is over.
 *
 * @example A template for all articles
 * ```ts
 * import { compose } from "@serviceworker/std/fetch/compose";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const articles = new URLPattern({ pathname: "/articles/:id" });
 * using host = createHost({ network: () => new Response("<p>Hello") });
 * await host.register((scope) => {
 *   scope.addEventListener("fetch", (event) => {
 *     const { id } = articles.exec(event.request.url)?.pathname.groups ?? {};
 *     if (id === undefined) return;
 *     event.respondWith(compose(event, [
 *       `<!doctype html><title>Article ${Number(id)}</title>`,
 *       scope.fetch(`/fragments/${id}`),
 *       scope.caches.match("/footer.html"),
 *     ], { fallback: () => "<p>This article cannot be shown offline." }));
 *   });
 * });
 *
 * const { response } = await host.openWindow("/articles/7");
 * assertEquals(
 *   await response.text(),
 *   "<!doctype html><title>Article 7</title><p>Hello",
 * );
 * ```
 */
export function compose(
  event: ComposeEvent,
  parts: Iterable<ComposePart>,
  options: ComposeOptions = {},
): Response {
  const {
    fallback,
    signal,
    status = 200,
    headers = { "content-type": "text/html; charset=utf-8" },
  } = options;
  const encoder = new TextEncoder();
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  const waiting = [...parts].map((part, index) => ({ part, index }));
  let source: Source | undefined;
  let current = 0;

  /** The next chunk that is not empty; undefined after the last. */
  async function read(): Promise<Uint8Array | undefined> {
    while (true) {
      try {
        if (!source) {
          const next = waiting.shift();
          if (!next) return;
          current = next.index;
          source = await open(next.part, stop.signal);
        }
        const { done, value = "" } = await source.next();
        if (done) source = undefined;
        else if (value.length > 0) {
          return typeof value === "string" ? encoder.encode(value) : value;
        }
      } catch (error) {
        source = undefined;
        if (!fallback || current === FALLBACK || stop.signal.aborted) {
          throw error;
        }
        waiting.unshift({ part: fallback(error, current), index: FALLBACK });
      }
    }
  }

  /** Lets go of all that has not been read. */
  function end(reason: unknown): void {
    stop.abort(reason);
    source?.cancel(reason);
    for (const { part } of waiting.splice(0)) {
      if (typeof part !== "function") discard(part, reason);
    }
    finish();
  }

  function finish(): void {
    signal?.removeEventListener("abort", abort);
    ended.resolve();
  }

  event.waitUntil(ended.promise);
  // What failed before its turn is reported in its turn.
  for (const { part } of waiting) {
    if (part instanceof Promise) part.catch(() => {});
  }
  let abort = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      abort = () => {
        controller.error(signal?.reason);
        end(signal?.reason);
      };
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
    },
    async pull(controller) {
      try {
        const chunk = await read();
        if (stop.signal.aborted) return;
        if (chunk) return controller.enqueue(chunk);
        controller.close();
        finish();
      } catch (error) {
        controller.error(error);
        end(error);
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return new Response(body, { status, headers });
}

async function open(part: ComposePart, signal: AbortSignal): Promise<Source> {
  const content = await (typeof part === "function" ? part(signal) : part);
  try {
    signal.throwIfAborted();
    if (isResponse(content) && !content.ok) {
      throw new TypeError(
        `Cannot compose the response: a part has the status ${content.status}`,
      );
    }
    return toSource(content);
  } catch (error) {
    discard(content, error);
    throw error;
  }
}

async function discard(
  part: ComposeContent | Promise<ComposeContent>,
  reason: unknown,
): Promise<void> {
  try {
    const content = await part;
    toSource(isResponse(content) ? content.body : content).cancel(reason);
  } catch {
    // It had failed, or others read it.
  }
}

function toSource(content: ComposeContent): Source {
  if (isResponse(content)) {
    const type = content.headers.get("content-type") ?? "";
    const charset = type.match(CHARSET_REGEXP)?.[1] ?? "utf-8";
    const decoder = new TextDecoder(charset);
    return content.body
      ? readStream(
        content.body,
        decoder.encoding === "utf-8" ? undefined : decoder,
      )
      : toSource(null);
  }
  if (content && typeof content === "object") {
    // Of a stream, not every engine has the iterator.
    if ("getReader" in content) return readStream(content);
    if (Symbol.asyncIterator in content) {
      const iterator = content[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        cancel: () => void iterator.return?.()?.catch(() => {}),
      };
    }
  }
  const once = [content ?? ""].values();
  return { next: () => Promise.resolve(once.next()), cancel() {} };
}

function readStream(
  stream: ReadableStream<Uint8Array>,
  decoder?: TextDecoder,
): Source {
  const reader = stream.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      if (done || !decoder) return { done, value };
      return { done, value: decoder.decode(value, { stream: true }) };
    },
    cancel: (reason) => void reader.cancel(reason).catch(() => {}),
  };
}

function isResponse(content: ComposeContent): content is Response {
  return typeof content === "object" && content !== null && "body" in content;
}
