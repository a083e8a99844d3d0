// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Work that can wait until the page has its response: bookkeeping, clean-up,
 * a refresh. Runs in the worker.
 *
 * It costs the page nothing: no work is begun before the response is handed over.
 * There is one `waitUntil()` for each call, and no timer where the browser has
 * `event.handled`.
 *
 * @module
 */

/** The part of a `FetchEvent` that {@linkcode afterHandled} uses. */
export interface AfterHandledEvent {
  /** Settles when the event has been handled; missing in older browsers. */
  readonly handled?: Promise<unknown> | undefined;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * Calls `work` once the event has been handled, and keeps the worker alive until
 * the work is done. An event has been handled when its response is handed over
 * (the body may still be on its way), when it failed, or when no listener
 * responded and the browser has taken over: the work is done in each case.
 *
 * Call it while the event is being handled: in the listener, or before the promise
 * that was given to `respondWith()` settles. Without `event.handled`, the work
 * begins a task later. Since that can be before a response that takes longer, do
 * not read what only the response makes.
 *
 * The browser may stop the worker before the work is done, or begun. What must not
 * be lost does not belong here.
 *
 * @see https://w3c.github.io/ServiceWorker/#fetch-event-handled
 *
 * @typeParam T What the work returns.
 * @param event The event.
 * @param work What to do.
 * @returns What the work returns. It need not be awaited.
 * @throws {DOMException} "InvalidStateError" if the event is over; the work is not
 * begun.
 * @throws What the work throws.
 *
 * @example Counting what was asked for, after it was answered
 * ```ts
 * import { afterHandled } from "@serviceworker/std/fetch/after-handled";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const visits: string[] = [];
 * const host = createHost();
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(new Response("Hello"));
 *     afterHandled(event, () => visits.push(event.request.url));
 *   });
 * });
 *
 * await host.openWindow("/");
 * await host.idle();
 * assertEquals(visits, ["https://example.test/"]);
 * host.close();
 * ```
 */
export function afterHandled<T>(
  event: AfterHandledEvent,
  work: () => T | Promise<T>,
): Promise<T> {
  const handled = Promise.withResolvers<void>();
  const done = handled.promise.then(work);
  try {
    event.waitUntil(done);
  } catch (error) {
    return Promise.reject(error);
  }
  if (event.handled) {
    event.handled.then(() => handled.resolve(), handled.resolve);
  } else setTimeout(handled.resolve);
  return done;
}
