// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Reload a page when another version of its worker has taken over, so that page
 * and worker are of one version again. Every page runs it; one of them calls
 * `applyUpdate`, and all of them move on.
 *
 * A page that holds the update by `holdUpdate` reloads when it lets go. The two
 * meet by events of `navigator.serviceWorker`, which other code may use as well:
 * the cancelable `"@serviceworker/std:reload"` comes before the page reloads, and
 * `"@serviceworker/std:release"` tells that nothing keeps it any more.
 *
 * @module
 */

/** The part of `navigator.serviceWorker` that {@linkcode reloadOnUpdate} uses. */
export interface ReloadOnUpdateContainer {
  /** The worker that controls the page. */
  readonly controller: object | null;
  /** Resolves with the registration that the page belongs to. */
  getRegistration(): Promise<{ readonly active: object | null } | undefined>;
  /** Tells when another one does. */
  addEventListener(
    type: string,
    listener: () => void,
    options: AddEventListenerOptions,
  ): void;
  /** Asks whether something keeps the page. */
  dispatchEvent(event: Event): boolean;
}

/** The part of a `Window` that {@linkcode reloadOnUpdate} uses. */
export interface ReloadOnUpdatePage {
  /** Tells when the page is shown, as when it is back from the back/forward cache. */
  addEventListener(
    type: "pageshow",
    listener: (event: Event) => void,
    options: AddEventListenerOptions,
  ): void;
}

/** Options for {@linkcode reloadOnUpdate}. */
export interface ReloadOnUpdateOptions {
  /**
   * Called, once, instead of reloading: to save a scroll position before, or to
   * wait for the next navigation of an app with one page.
   *
   * @default {() => location.reload()}
   */
  reload?: (() => void) | undefined;
  /** Ends it: the page is reloaded no more. Without it, it lasts as the page does. */
  signal?: AbortSignal | undefined;
  /**
   * The page.
   *
   * @default {globalThis}
   */
  page?: ReloadOnUpdatePage | undefined;
}

const RELOAD = "@serviceworker/std:reload";
const RELEASE = "@serviceworker/std:release";

/**
 * Reloads the page, once, when the worker that controls it has been replaced by
 * another, whoever asked for that. A page that had no worker and is claimed, as
 * on the first visit, or after a forced reload, is not reloaded. Nor is one whose
 * worker went away with no other to follow.
 *
 * Call it early, in every page: what happened before the call is not noticed. A
 * page that is frozen reloads when it is resumed. One in the back/forward cache
 * is dropped from there by the browser, or reloads when it is back.
 *
 * @param container `navigator.serviceWorker`; nothing is done where that is missing,
 * as on insecure origins.
 * @param options Additional options.
 *
 * @see https://w3c.github.io/ServiceWorker/#navigator-service-worker-oncontrollerchange
 *
 * @example Reloading when the worker is replaced
 * ```ts
 * import { reloadOnUpdate } from "@serviceworker/std/lifecycle/reload-on-update";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for `navigator.serviceWorker` in a page that was not controlled yet.
 * const container = Object.assign(new EventTarget(), {
 *   controller: null as object | null,
 *   getRegistration: () => Promise.resolve(undefined),
 * });
 * let reloads = 0;
 * reloadOnUpdate(container, { reload: () => reloads++ });
 *
 * container.controller = { scriptURL: "/sw.js" };
 * container.dispatchEvent(new Event("controllerchange"));
 * assertEquals(reloads, 0); // The first one claimed the page.
 *
 * container.controller = { scriptURL: "/sw.js" };
 * container.dispatchEvent(new Event("controllerchange"));
 * assertEquals(reloads, 1);
 * ```
 */
export function reloadOnUpdate(
  container: ReloadOnUpdateContainer | undefined,
  options: ReloadOnUpdateOptions = {},
): void {
  if (!container) return;
  const { reload = reloadPage, signal, page = globalThis } = options;
  const over = new AbortController();
  const until = {
    signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal,
  };
  let { controller } = container;
  let replaced = false;

  const reloadUnlessKept = () => {
    if (!replaced) return;
    const event = new Event(RELOAD, { cancelable: true });
    if (!container.dispatchEvent(event)) return;
    over.abort();
    reload();
  };

  const look = (next: object | null) => {
    replaced ||= controller !== null && next !== null && next !== controller;
    controller = next;
    reloadUnlessKept();
  };

  container.addEventListener(
    "controllerchange",
    () => look(container.controller),
    until,
  );
  // In the back/forward cache, pages of Firefox and WebKit are told nothing, and
  // in WebKit they still have the old controller when they are back.
  page.addEventListener("pageshow", async (event) => {
    const { persisted } = event as Event & { readonly persisted?: boolean };
    if (!persisted || controller === null) return;
    const registration = await container.getRegistration()
      .catch(() => ({ active: controller }));
    look(registration?.active ?? null);
  }, until);
  container.addEventListener(RELEASE, reloadUnlessKept, until);
}

function reloadPage(): void {
  const { location } = globalThis as unknown as {
    readonly location?: { reload(): void };
  };
  location?.reload();
}
