// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Remove a registration, from a page. `unregister` does what the platform does:
 * pages that are open stay controlled until they go. If it is to be immediate,
 * which no browser offers, it asks the worker, where `handleUnregister` aborts the
 * requests that are being answered and reloads the pages.
 *
 * ```text
 * ask    { "@serviceworker/std": { unregister: {} } }, with a port
 * reply  { "@serviceworker/std": { unregistered: {} } }
 * ```
 *
 * @module
 */

/** The part of a `ServiceWorkerRegistration` that {@linkcode unregister} uses. */
export interface UnregisterRegistration {
  /** The worker that gets the events. */
  readonly active: UnregisterWorker | null;
  /** Removes it, for pages that are loaded from now on. */
  unregister(): Promise<boolean>;
}

/** The part of a `ServiceWorker` that {@linkcode unregister} uses. */
export interface UnregisterWorker {
  /** "redundant" if it is no more. */
  readonly state: string;
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
  /** Tells when the state is another. */
  addEventListener(
    type: "statechange",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** The part of a worker's `self` that {@linkcode handleUnregister} uses. */
export interface HandleUnregisterScope {
  /** The pages of the origin. */
  readonly clients: {
    /** Resolves with the windows that the worker controls. */
    matchAll(options: { type: "window" }): Promise<
      readonly {
        readonly url: string;
        navigate(url: string): Promise<unknown>;
      }[]
    >;
  };
  /** The registration of the worker. */
  readonly registration: {
    /** Removes it. */
    unregister(): Promise<boolean>;
  };
}

/** The part of a `message` event that {@linkcode handleUnregister} uses. */
export interface HandleUnregisterEvent {
  /** The message. */
  readonly data: unknown;
  /** The ports that came with it; the first is replied on. */
  readonly ports: readonly MessagePort[];
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** Options for {@linkcode unregister}. */
export interface UnregisterOptions {
  /**
   * Whether the worker is to let go of its pages at once. They are reloaded, this
   * one as well, also if there is no network; what they have not saved is lost.
   *
   * @default {false}
   */
  readonly immediate?: boolean | undefined;
  /**
   * Ends the wait; the promise then rejects with the signal's reason, though the
   * registration may be removed. It replaces the default deadline of 10 seconds,
   * after which a worker that has not replied is left alone.
   */
  readonly signal?: AbortSignal | undefined;
}

const KEY = "@serviceworker/std";
const DEADLINE = 10_000;

/**
 * Removes a registration. What is registered afterwards, for the same scope, is
 * a new registration; but in Chromium the old one comes back for as long as it
 * controls a page, unless it was removed at once.
 *
 * If it need not be immediate, `registration.unregister()` is enough.
 *
 * @param registration The registration.
 * @param options Additional options.
 * @returns "none" if it was removed before; "unregistered" if it is removed, and
 * open pages stay controlled until they go; "immediate" if no page is controlled
 * any more, or will be in a moment, when it is reloaded.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {DOMException} As `registration.unregister()` rejects.
 *
 * @example Leaving at once
 * ```ts
 * import { handleUnregister, unregister } from "@serviceworker/std/lifecycle/unregister";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * const registration = await host.register((self) => {
 *   const left = new AbortController();
 *   self.addEventListener("message", handleUnregister(self, left));
 * });
 * const page = await host.openWindow("/");
 *
 * assertEquals(await unregister(registration, { immediate: true }), "immediate");
 * await host.idle();
 * assertEquals(page.serviceWorker.controller, null);
 * host.close();
 * ```
 */
export async function unregister(
  registration: UnregisterRegistration,
  options: UnregisterOptions = {},
): Promise<"immediate" | "none" | "unregistered"> {
  const { immediate = false, signal } = options;
  signal?.throwIfAborted();
  const { active } = registration;
  const over = new AbortController();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  signal?.addEventListener("abort", () => reject(signal.reason), {
    signal: over.signal,
  });
  try {
    const unregistered = await Promise.race([
      registration.unregister(),
      aborted,
    ]);
    if (immediate && active) {
      const deadline = signal ? Infinity : DEADLINE;
      const leaving = leave(active, deadline, over.signal);
      if (await Promise.race([leaving, aborted])) return "immediate";
    }
    return unregistered ? "unregistered" : "none";
  } finally {
    over.abort();
  }
}

/**
 * Makes the `message` listener that does what {@linkcode unregister} asks for:
 * it aborts a controller, removes the registration, and reloads the windows that
 * the worker controls, without the fragments of their URLs.
 *
 * Add it at top level, and let the `fetch` listener heed the controller's signal:
 * as it aborts, what is being answered fails; afterwards, requests go to the
 * network.
 *
 * @param scope The worker's `self`.
 * @param controller What is aborted, with a "AbortError", when the worker leaves.
 * @returns The listener.
 *
 * @example Answering no more
 * ```ts
 * import { handleUnregister } from "@serviceworker/std/lifecycle/unregister";
 * import { assert } from "@std/assert";
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * const left = new AbortController();
 * const { signal } = left;
 *
 * sw.addEventListener("message", handleUnregister(sw, left));
 * sw.addEventListener("fetch", (event) => {
 *   if (signal.aborted) return;
 *   event.respondWith(fetch(event.request, { signal }));
 * });
 *
 * assert(!signal.aborted);
 * ```
 */
export function handleUnregister(
  scope: HandleUnregisterScope,
  controller: { abort(reason: unknown): void },
): (event: HandleUnregisterEvent) => void {
  async function answer(port: MessagePort | undefined): Promise<void> {
    await scope.registration.unregister();
    controller.abort(
      new DOMException(
        "Cannot answer a request: the worker was unregistered",
        "AbortError",
      ),
    );
    port?.postMessage({ [KEY]: { unregistered: {} } });
    port?.close();
    for (const client of await scope.clients.matchAll({ type: "window" })) {
      // With its fragment, the page would not be loaded again.
      client.navigate(client.url.replace(/#.*/, "")).catch(() => {});
    }
  }

  return (event) => {
    if (!has(event.data, "unregister")) return;
    event.waitUntil(answer(event.ports[0]));
  };
}

/** Has a worker leave, and resolves with whether it does. */
async function leave(
  worker: UnregisterWorker,
  deadline: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (worker.state === "redundant") return true;
  const { port1, port2 } = new MessageChannel();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = deadline === Infinity
    ? undefined
    : setTimeout(() => resolve(false), deadline);
  port1.onmessage = ({ data }) => {
    if (has(data, "unregistered")) resolve(true);
  };
  worker.addEventListener("statechange", () => {
    // It had no page, and went before the message came.
    if (worker.state === "redundant") resolve(true);
  }, { signal });
  signal.addEventListener("abort", () => resolve(false));
  try {
    worker.postMessage({ [KEY]: { unregister: {} } }, [port2]);
    return await promise;
  } finally {
    clearTimeout(timer);
    port1.close();
    port2.close();
  }
}

/** Whether a message is ours, with this in it. */
function has(data: unknown, type: string): boolean {
  const mark = isObject(data) ? data[KEY] : undefined;
  return isObject(mark) && isObject(mark[type]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object";
}
