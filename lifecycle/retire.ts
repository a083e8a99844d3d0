// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A kill switch: a worker that takes the place of any older one, whoever wrote
 * it, and leaves nothing behind. Runs in the worker, deployed at the URL of the
 * one that is to go, and for as long as somebody may still have that:
 *
 * ```ts ignore
 * addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
 * addEventListener("activate", (event) => event.waitUntil(retire(self)));
 * addEventListener("fetch", (event) => {
 *   event.waitUntil(retire(self, { reload: false }));
 * });
 * ```
 *
 * The last listener answers nothing. It goes on where the browser stopped the
 * worker half-way, since nobody is activated twice.
 *
 * @module
 */

/** The part of a worker's `self` that {@linkcode retire} uses. */
export interface RetireScope {
  /** The caches of the origin. */
  readonly caches: {
    /** Resolves with the names of the caches. */
    keys(): Promise<string[]>;
    /** Deletes a cache. */
    delete(name: string): Promise<boolean>;
  };
  /** The pages of the origin. */
  readonly clients: {
    /** Resolves with the windows that the worker controls. */
    matchAll(options: { type: "window" }): Promise<readonly RetireClient[]>;
  };
  /** The registration of the worker. */
  readonly registration: {
    /** The URLs it is for begin with this. */
    readonly scope: string;
    /** Removes it. */
    unregister(): Promise<boolean>;
  };
  /** Asks the server. */
  fetch(
    url: string,
    init: {
      cache: "no-store";
      method: "HEAD";
      redirect: "manual";
      signal: AbortSignal;
    },
  ): Promise<unknown>;
}

/** The part of a `WindowClient` that {@linkcode retire} uses. */
export interface RetireClient {
  /** Where it is. */
  readonly url: string;
  /** Sends it to another URL. */
  navigate(url: string): Promise<unknown>;
}

/** Options for {@linkcode retire}. */
export interface RetireOptions {
  /**
   * Which caches to delete, by their names; `() => true` deletes those of every
   * app on the origin. Without it, those that are named for the scope of the
   * registration: by `cacheName()` of `activate`, or by Workbox.
   */
  readonly caches?: ((name: string) => boolean) | undefined;
  /**
   * Whether to reload the windows that the worker controls. Without it they go on
   * as they are, with nothing but the network to ask.
   *
   * @default {true}
   */
  readonly reload?: boolean | undefined;
  /**
   * Ends the wait for the server, which is asked whether it is there before a
   * window is reloaded; no window is then. It replaces the default deadline of 5
   * seconds.
   */
  readonly signal?: AbortSignal | undefined;
}

const DEADLINE = 5_000;

/**
 * Deletes the caches of the registration, removes the registration, and reloads
 * each window that is controlled, so that it is controlled no more. See the module
 * for where to call it.
 *
 * It cannot loop: it does not claim, so a page that registers the worker again is
 * not reloaded by it. A window is reloaded only if the server answers, so that a
 * user who is offline keeps the page. The fragment of its URL is lost, since to
 * navigate with one does not load the page again.
 *
 * @param scope The worker's `self`.
 * @param options Additional options.
 * @returns A promise that resolves when the registration is removed and the
 * windows are being reloaded.
 * @throws {DOMException} As the platform rejects, if caches cannot be deleted or
 * the registration cannot be removed. The rest is done nevertheless.
 *
 * @example Replacing a broken worker
 * ```ts
 * import { retire } from "@serviceworker/std/lifecycle/retire";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * await host.register((self) => {
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(new Response("broken"));
 *   });
 * });
 * const page = await host.openWindow("/");
 * const registration = await page.serviceWorker.ready;
 *
 * host.deploy("/sw.js", (self) => {
 *   self.addEventListener("install", () => void self.skipWaiting());
 *   self.addEventListener("activate", (event) => {
 *     event.waitUntil(retire(self));
 *   });
 * });
 * await registration.update();
 * await host.idle();
 *
 * assertEquals(page.serviceWorker.controller, null);
 * host.close();
 * ```
 */
export async function retire(
  scope: RetireScope,
  options: RetireOptions = {},
): Promise<void> {
  const { clients, registration } = scope;
  const {
    caches: isOwn = (name) => isNamedFor(registration.scope, name),
    reload = true,
    signal,
  } = options;

  const deleted = await settle(deleteCaches(scope, isOwn));
  // Later than the caches: what is unregistered is not started again.
  const unregistered = await settle(registration.unregister());
  if (reload && unregistered.status === "fulfilled") {
    const windows = await clients.matchAll({ type: "window" });
    if (windows.length > 0 && await isOnline(scope, signal)) {
      for (const client of windows) {
        // Not waited for, as the navigation may wait for this activation.
        client.navigate(withoutFragment(client.url)).catch(() => {});
      }
    }
  }
  for (const result of [deleted, unregistered]) {
    if (result.status === "rejected") throw result.reason;
  }
}

async function settle<T>(work: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([work]);
  return result;
}

async function deleteCaches(
  { caches }: RetireScope,
  isOwn: (name: string) => boolean,
): Promise<void> {
  const names = (await caches.keys()).filter(isOwn);
  await Promise.all(names.map((name) => caches.delete(name)));
}

/** Whether a cache is ours, "name scope version", or Workbox's, "prefix-scope". */
function isNamedFor(scope: string, name: string): boolean {
  return `${name} `.includes(` ${scope} `) || name.endsWith(`-${scope}`);
}

/** Whether the server answers, whatever it says. */
async function isOnline(
  scope: RetireScope,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await scope.fetch(scope.registration.scope, {
      cache: "no-store",
      method: "HEAD",
      redirect: "manual",
      signal: signal ?? AbortSignal.timeout(DEADLINE),
    });
    return true;
  } catch {
    return false;
  }
}

function withoutFragment(url: string): string {
  return url.replace(/#.*/, "");
}
