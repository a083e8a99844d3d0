// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Navigation preload: the browser requests a page while it starts the worker, so
 * that a navigation does not wait for both in turn. Runs in the worker.
 *
 * Once it is enabled, every navigation is requested, and what is requested has to
 * be read: if the event is over before, the browser complains ("the preload
 * request was cancelled before 'preloadResponse' settled"), and a page that is
 * fetched all the same is requested twice. So a `fetch` listener calls,
 * for a navigation, one of `usePreloadResponse` and `drainPreloadResponse`.
 *
 * The browser remembers that it is enabled for as long as there is the
 * registration: a worker that no longer uses it calls
 * `registration.navigationPreload.disable()` when it is activated.
 *
 * It costs one request for each navigation, even if a cache answers it, and a
 * drained one is transferred whole. To enable it is written once, by the browser.
 *
 * @module
 */

/** The part of a `ServiceWorkerRegistration` that {@linkcode enableNavigationPreload} uses. */
export interface EnableNavigationPreloadRegistration {
  /** Missing in browsers that have no navigation preload. */
  readonly navigationPreload?: {
    /** Has navigations requested. */
    enable(): Promise<void>;
    /** Sets what `Service-Worker-Navigation-Preload` says. */
    setHeaderValue(value: string): Promise<void>;
  } | undefined;
}

/** Options for {@linkcode enableNavigationPreload}. */
export interface EnableNavigationPreloadOptions {
  /**
   * What the header `Service-Worker-Navigation-Preload` of the requests says, by
   * which a server can tell them from others: to send, for example, only what the
   * worker has not stored. Such a server has to say `Vary` with its name. Without
   * it, the value stays as it is, "true" at first.
   */
  readonly headerValue?: string | undefined;
}

/** The part of a `FetchEvent` that {@linkcode drainPreloadResponse} uses. */
export interface DrainPreloadResponseEvent {
  /** What the browser requested; missing where it knows nothing of that. */
  readonly preloadResponse?: Promise<Response | undefined> | undefined;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** The part of a `FetchEvent` that {@linkcode usePreloadResponse} uses. */
export interface UsePreloadResponseEvent extends DrainPreloadResponseEvent {
  /** What is asked for. */
  readonly request: Request;
}

/**
 * Enables navigation preload. Call it when the worker is activated: there is
 * nothing to enable it for before. `activate()` can do so as well.
 *
 * @see https://w3c.github.io/ServiceWorker/#navigation-preload-manager
 *
 * @param registration The registration of the worker.
 * @param options What the server is told.
 * @returns Whether it is enabled: `false` if the browser has no navigation preload,
 * or no worker is active yet, as in an `install` event.
 * @throws {TypeError} If the value cannot be that of a header.
 *
 * @example Preloading from the first version on
 * ```ts
 * import {
 *   enableNavigationPreload,
 *   usePreloadResponse,
 * } from "@serviceworker/std/fetch/navigation-preload";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost({ network: () => new Response("Hello") });
 * await host.register((self) => {
 *   self.addEventListener("activate", (event) => {
 *     event.waitUntil(enableNavigationPreload(self.registration));
 *   });
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(usePreloadResponse(event));
 *   });
 * });
 *
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "Hello");
 * const request = host.network.requests.at(-1);
 * assertEquals(request?.headers.get("service-worker-navigation-preload"), "true");
 * host.close();
 * ```
 */
export async function enableNavigationPreload(
  registration: EnableNavigationPreloadRegistration,
  options: EnableNavigationPreloadOptions = {},
): Promise<boolean> {
  const { navigationPreload } = registration;
  const { headerValue } = options;
  if (!navigationPreload) return false;
  try {
    if (headerValue !== undefined) {
      await navigationPreload.setHeaderValue(headerValue);
    }
    await navigationPreload.enable();
    return true;
  } catch (error) {
    // No worker is active: `registration.active` need not say so yet.
    const { name } = error as { name?: unknown };
    if (name !== "InvalidStateError") throw error;
    return false;
  }
}

/**
 * Resolves with the response to the preload, or, if there is none, with that of
 * the network. It waits as long as the browser does.
 *
 * @param event The event.
 * @returns The response, as it came: one that is not `ok` as well.
 * @throws {TypeError} If the network cannot be reached.
 *
 * @example Answering a page, or else from a cache
 * ```ts
 * import { usePreloadResponse } from "@serviceworker/std/fetch/navigation-preload";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 * import { AsyncLocalStorage } from "node:async_hooks";
 *
 * const host = createHost({
 *   globals: globalThis,
 *   context: new AsyncLocalStorage(),
 * });
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(
 *       usePreloadResponse(event).catch(() => new Response("You are offline")),
 *     );
 *   });
 * });
 *
 * host.network.offline = true;
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "You are offline");
 * host.close();
 * ```
 */
export async function usePreloadResponse(
  event: UsePreloadResponseEvent,
): Promise<Response> {
  const response = await event.preloadResponse ?? await fetch(event.request);
  if (response.type !== "error") return response;
  // So a preload that has failed resolves in Firefox.
  throw new TypeError(
    `Cannot fetch ${event.request.url}: the network failed`,
  );
}

/**
 * Keeps the worker alive until the response to the preload has been read to its
 * end, and drops it. Call it, while the event is being handled, wherever a
 * navigation is answered without the network, or left to the browser. (To wait for
 * `preloadResponse` alone, as often advised, is not enough: Chromium complains if
 * the event is over before the body is there.)
 *
 * @param event The event.
 *
 * @example Answering every page from memory
 * ```ts
 * import { drainPreloadResponse } from "@serviceworker/std/fetch/navigation-preload";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     drainPreloadResponse(event);
 *     event.respondWith(new Response("Hello"));
 *   });
 * });
 *
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "Hello");
 * host.close();
 * ```
 */
export function drainPreloadResponse(event: DrainPreloadResponseEvent): void {
  const { preloadResponse } = event;
  if (!preloadResponse) return;
  const drained = preloadResponse
    .then((response) => response?.body?.pipeTo(new WritableStream()))
    .catch(() => {});
  event.waitUntil(drained);
}
