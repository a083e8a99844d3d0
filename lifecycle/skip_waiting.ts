// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Let pages have a waiting worker take over: the worker's half of `applyUpdate`,
 * which pages call when the user wants the new version.
 *
 * ```text
 * asked    { type: "SKIP_WAITING", "@serviceworker/std": { skipWaiting: {} } }
 * answer   { "@serviceworker/std": { skippingWaiting: true } }, on the port
 * ```
 *
 * The message is the one that workbox-window posts, with a key added. So pages
 * with workbox-window can move on to this worker, and `applyUpdate` to one that
 * was built by Workbox.
 *
 * @module
 */

/** The part of a worker's `self` that {@linkcode skipWaiting} uses. */
export interface SkipWaitingScope {
  /** Makes the worker active, without waiting for pages to leave the old one. */
  skipWaiting(): Promise<void>;
}

/** The part of a `message` event that {@linkcode skipWaiting} uses. */
export interface SkipWaitingEvent {
  /** The message. */
  readonly data: unknown;
  /** The ports that came with it; the first is answered on. */
  readonly ports: readonly MessagePort[];
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

const KEY = "@serviceworker/std";

/**
 * Makes a listener for `message` events that skips waiting when a page asks for
 * it. It answers `applyUpdate`, within `event.waitUntil()`; other messages are
 * left to other listeners. Asking a worker that is active changes nothing.
 *
 * Any page of the origin can ask. Whether a tab holds the update is decided in
 * the page, by `applyUpdate`, before it asks.
 *
 * Do not call `self.skipWaiting()` in `install` as well: nobody would be asked,
 * and open tabs would be answered by a version that they do not know.
 *
 * @param scope The worker's `self`.
 * @returns The listener.
 *
 * @see https://w3c.github.io/ServiceWorker/#dom-serviceworkerglobalscope-skipwaiting
 *
 * @example Moving on when the user wants to
 * ```ts
 * import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { applyUpdate } from "@serviceworker/std/lifecycle/apply-update";
 * import { assert } from "@std/assert";
 *
 * const host = createHost();
 * await host.register(() => {});
 * const page = await host.openWindow("/");
 * const registration = await host.register((self) => {
 *   self.addEventListener("message", skipWaiting(self));
 * });
 *
 * assert(await applyUpdate(registration)); // In the page.
 * host.close();
 * ```
 */
function skipWaitingListener(
  scope: SkipWaitingScope,
): (event: SkipWaitingEvent) => void {
  return (event) => {
    const { data, ports: [port] } = event;
    if (!isObject(data) || data.type !== "SKIP_WAITING") return;
    event.waitUntil(scope.skipWaiting());
    if (!isObject(data[KEY])) return;
    port?.postMessage({ [KEY]: { skippingWaiting: true } });
    port?.close();
  };
}

// In a script whose functions are globals, as a bundle can be, one of this name
// would take the place of the platform's.
export { skipWaitingListener as skipWaiting };

/** The fields of what came from elsewhere. */
type Fields = Readonly<Partial<Record<typeof KEY | "type", unknown>>>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}
