// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Look for a new version of the worker, now, and say what came of it. Browsers
 * look by themselves when a page of the scope is loaded; an app that stays open
 * for days has to.
 *
 * @module
 */

/** The part of a `ServiceWorker` that {@linkcode checkForUpdate} uses. */
export interface CheckForUpdateWorker {
  /** Where it is in its life. */
  readonly state: string;
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode checkForUpdate} uses. */
export interface CheckForUpdateRegistration {
  /** The worker that is being installed. */
  readonly installing: CheckForUpdateWorker | null;
  /** The worker that is installed, and waits for the active one to go. */
  readonly waiting: CheckForUpdateWorker | null;
  /** Fetches the script, and installs it if it is another one. */
  update(): Promise<unknown>;
  /** Tells that a worker is being installed. */
  addEventListener(
    type: "updatefound",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** Options for {@linkcode checkForUpdate}. */
export interface CheckForUpdateOptions {
  /**
   * Ends the wait; the promise then rejects with the signal's reason, while the
   * browser goes on. It replaces the default deadline of 60 seconds, after which
   * the check counts as failed.
   */
  signal?: AbortSignal | undefined;
}

const DEADLINE = 60_000;

/**
 * Looks for a new version of the worker. `watchUpdates` tells what becomes of
 * it, and is told of it by whatever check found it: call both, this one when the
 * user asks, or every hour in an app that stays open.
 *
 * The browser asks the server for the script, and takes what it imports from the
 * HTTP cache if it can; the registration's `updateViaCache` says otherwise, and a
 * day after the last check nothing comes from there. Checks at the same time may
 * run one after the other. See
 * {@link https://w3c.github.io/ServiceWorker/#update-algorithm}.
 *
 * @param registration The registration to update.
 * @param options Additional options.
 * @returns "none": the worker is the newest. "installing": a new version was
 * found and is being installed, or is past that already if it does not wait.
 * "waiting": a new version, found now or before, is installed. "failed": there is
 * no answer, as the server cannot be reached, its answer is no script, the script
 * throws, the new version could not be installed, or the registration was
 * unregistered. It does not say why; a page that wants to know, and every
 * console, sees the error of `registration.update()`.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 *
 * @example Answering a user who looks for updates
 * ```ts
 * import { checkForUpdate } from "@serviceworker/std/lifecycle/check-for-update";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for the browser, and its server.
 * let script = "// 1";
 * const headers = { "content-type": "text/javascript" };
 * const host = createHost({ network: () => new Response(script, { headers }) });
 * const page = await host.openWindow("/");
 * const registration = await page.serviceWorker.register("/sw.js");
 * await host.idle();
 *
 * assertEquals(await checkForUpdate(registration), "none");
 * script = "// 2";
 * assertEquals(await checkForUpdate(registration), "installing");
 * host.network.offline = true;
 * assertEquals(await checkForUpdate(registration), "failed");
 *
 * host.close();
 * ```
 */
export async function checkForUpdate(
  registration: CheckForUpdateRegistration,
  options: CheckForUpdateOptions = {},
): Promise<"none" | "installing" | "waiting" | "failed"> {
  const { signal } = options;
  signal?.throwIfAborted();
  const over = new AbortController();
  let found: CheckForUpdateWorker | null = null;
  registration.addEventListener("updatefound", () => {
    found = registration.installing;
  }, { signal: over.signal });

  async function check(): Promise<
    "none" | "installing" | "waiting" | "failed"
  > {
    try {
      await registration.update();
    } catch {
      return "failed";
    }
    const { installing, waiting } = registration;
    const newest = installing ?? found ?? waiting;
    if (newest?.state === "redundant") return "failed";
    if (newest === null) return "none";
    return newest === waiting ? "waiting" : "installing";
  }

  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new Promise<"failed">((resolve, reject) => {
    if (!signal) timer = setTimeout(() => resolve("failed"), DEADLINE);
    signal?.addEventListener("abort", () => reject(signal.reason), {
      signal: over.signal,
    });
  });
  try {
    return await Promise.race([check(), end]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
