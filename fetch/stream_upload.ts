// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Upload what is still being made, such as a recording, by a request whose body
 * is a stream. Only Chromium can, over HTTP/2 or later. Elsewhere the stream is
 * read to its end and then sent.
 *
 * A service worker that has no business with uploads leaves them to the browser:
 * it calls no `respondWith()` for them, and does not read or clone them.
 *
 * It costs one request. Streamed, one chunk is held; buffered, all of the body is.
 *
 * @module
 */

/** Options for {@linkcode streamUpload}. */
export interface StreamUploadOptions {
  /**
   * Ends the upload, with the signal's reason, and cancels the stream. Without
   * it, that of the request does. There is no deadline: an upload may last, and
   * a connection that was lost is noticed by the browser.
   */
  signal?: AbortSignal | undefined;
  /**
   * Is called with the number of bytes that were taken from the stream so far:
   * by the network, as it makes room for them, or by the buffer, before anything
   * is sent.
   */
  progress?: ((bytes: number) => void) | undefined;
}

/** What became of an upload. */
export interface StreamUploadResult {
  /** The server's answer, whatever its status. */
  readonly response: Response;
  /** Whether the body was sent while it was made, or after it. */
  readonly sent: "streamed" | "buffered";
}

/**
 * Sends `request` with `body` once. The stream is not read twice, so nothing is
 * tried again after its first chunk was taken, and a request that is streamed
 * follows no redirect but a 303.
 *
 * The body is streamed if the browser can do so. Firefox lets a script think that
 * it can, and sends the text "[object ReadableStream]". Where a resource of the
 * same origin came by HTTP/1.1, or the browser refuses the stream unread, the
 * body is buffered: it is held as a Blob until the answer is there. To
 * another origin a stream is always preceded by a preflight request.
 *
 * @param request Where and how to send: a request without a body, of a method
 * that has one.
 * @param body The body. It becomes locked.
 * @param options Additional options.
 * @returns The answer, and how the body was sent.
 * @throws {AbortSignal["reason"]} If the signal is aborted first.
 * @throws {unknown} What the stream fails with.
 * @throws {TypeError} If `body` is locked, or the request fails.
 *
 * @example Uploading while compressing
 * ```ts
 * import { streamUpload } from "@serviceworker/std/fetch/stream-upload";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve(
 *   { hostname: "127.0.0.1", port: 0, onListen() {} },
 *   async (request) => new Response(String((await request.bytes()).length)),
 * );
 *
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const log = new Blob(["a line\n".repeat(1000)]);
 * const { response, sent } = await streamUpload(
 *   new Request(url, { method: "POST" }),
 *   log.stream().pipeThrough(new CompressionStream("gzip")),
 * );
 * assertEquals(Number(await response.text()) < 100, true);
 * assertEquals(sent, "buffered"); // Deno does not say that it could stream.
 * ```
 */
export async function streamUpload(
  request: Request,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  options: StreamUploadOptions = {},
): Promise<StreamUploadResult> {
  const { signal = request.signal, progress } = options;
  signal.throwIfAborted();
  const reader = body.getReader();
  let failure: { error: unknown } | undefined;
  let begun = false;
  let bytes = 0;

  async function read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    begun = true;
    try {
      const { value } = await reader.read();
      // What ends because it was cancelled is not complete.
      signal.throwIfAborted();
      bytes += value?.length ?? 0;
      if (value) progress?.(bytes);
      return value;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }

  /** Nothing, if the browser refuses before it has read anything. */
  async function stream(): Promise<Response | undefined> {
    const streamed = new ReadableStream({
      async pull(controller) {
        const chunk = await read();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
    const init = { body: streamed, duplex: "half", signal };
    try {
      return await fetch(request, init as RequestInit);
    } catch (error) {
      if (begun || signal.aborted) throw error;
      return undefined;
    }
  }

  async function buffer(): Promise<Response> {
    const chunks = [];
    for (let chunk; (chunk = await read());) chunks.push(chunk);
    return await fetch(request, { body: new Blob(chunks), signal });
  }

  const abort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", abort);
  try {
    const streamed = canStream(request) ? await stream() : undefined;
    return streamed
      ? { response: streamed, sent: "streamed" }
      : { response: await buffer(), sent: "buffered" };
  } catch (error) {
    reader.cancel(error).catch(() => {});
    if (signal.aborted) throw signal.reason;
    if (failure) throw failure.error;
    throw new TypeError(
      `Cannot upload to ${request.url}: the request failed, and ${bytes} bytes of the stream are read`,
      { cause: error },
    );
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Whether the browser streams bodies, and nothing is known against the server. */
function canStream({ url }: Request): boolean {
  let asked = false;
  const init = {
    method: "POST",
    body: new ReadableStream(),
    get duplex() {
      asked = true;
      return "half";
    },
  };
  try {
    // To Firefox a stream is text, which has a type.
    const isText = new Request(url, init).headers.has("content-type");
    return asked && !isText && !isHTTP1(url);
  } catch {
    return false;
  }
}

/** Whether the latest resource from the same origin came by HTTP/1. */
function isHTTP1(url: string): boolean {
  const { origin } = new URL(url);
  const entries: { name: string; nextHopProtocol?: string }[] = [
    ...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource"),
  ];
  const latest = entries.findLast(({ name, nextHopProtocol }) =>
    nextHopProtocol && name.startsWith(`${origin}/`)
  );
  return latest?.nextHopProtocol?.startsWith("http/1") ?? false;
}
