// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Server-sent events.
 *
 * @module
 */

/**
 * Keeps a connection open. By it a page knows that the server is there.
 *
 * @param target Whose events the page is told of.
 * @param type The type of these events.
 */
export function answerEvents(target?: EventTarget, type = ""): Response {
  const ended = new AbortController();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      send("retry: 500\n\n");
      target?.addEventListener(type, () => send(`data: ${type}\n\n`), {
        signal: ended.signal,
      });
    },
    cancel: () => ended.abort(),
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
    },
  });
}
