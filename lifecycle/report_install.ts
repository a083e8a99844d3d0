// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Tell the pages why a worker could not be installed. The platform does not: a
 * page sees no more than that the new worker became redundant. `watchUpdates` in
 * the page takes what is told here as the reason of its "failed".
 *
 * Every window of the origin is told, controlled or not, with one message:
 *
 * ```text
 * { "@serviceworker/std": { installFailed: { name, message } } }
 * ```
 *
 * @module
 */

/** The part of a worker's `clients` that {@linkcode reportInstall} uses. */
export interface ReportInstallClients {
  /** Resolves with the windows of the origin. */
  matchAll(
    options: { includeUncontrolled: true; type: "window" },
  ): Promise<readonly { postMessage(message: unknown): void }[]>;
}

const KEY = "@serviceworker/std";

/**
 * Runs the work of an `install` event, and passes its outcome on. If it fails,
 * be it that a file is missing, that there is no room, or that the code throws,
 * all windows are told why before the promise rejects with that same error. No
 * room in a cache is a "QuotaExceededError"; in Firefox, it is its own
 * "NS_ERROR_FILE_NO_DEVICE_SPACE".
 *
 * Hand the promise to `event.waitUntil()`: it has to reject, or the worker
 * counts as installed. What is thrown while the script is evaluated, or in an
 * `install` listener outside of the work, cannot be reported.
 *
 * @typeParam T What the work resolves with.
 * @param clients The worker's `clients`.
 * @param work What there is to do, or a promise of it. Of a function, what it
 * throws at once is reported as well.
 * @returns What the work resolves with.
 * @throws {unknown} What the work rejects with, untouched.
 *
 * @example Installing, or saying why not
 * ```ts
 * import { reportInstall } from "@serviceworker/std/lifecycle/report-install";
 * import { watchUpdates } from "@serviceworker/std/lifecycle/watch-updates";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for the browser; its server has no more than the worker.
 * const host = createHost();
 * host.deploy("/sw.js", (self) => {
 *   async function precache() {
 *     const cache = await self.caches.open("podcast-2");
 *     await cache.addAll(["/", "/app.js", "/app.css"]);
 *   }
 *   self.addEventListener("install", (event) => {
 *     event.waitUntil(reportInstall(self.clients, precache));
 *   });
 * });
 *
 * const { serviceWorker: container } = await host.openWindow("/");
 * const registration = await container.register("/sw.js");
 * for await (const update of watchUpdates(registration, { container })) {
 *   if (update.state !== "failed") continue;
 *   assertEquals(update.reason.name, "TypeError");
 *   break;
 * }
 *
 * host.close();
 * ```
 */
export async function reportInstall<T>(
  clients: ReportInstallClients,
  work: Promise<T> | (() => T | Promise<T>),
): Promise<T> {
  try {
    return await (typeof work === "function" ? work() : work);
  } catch (error) {
    // What goes wrong here must not hide what went wrong before.
    await tell(clients, error).catch(() => {});
    throw error;
  }
}

async function tell(
  clients: ReportInstallClients,
  error: unknown,
): Promise<void> {
  // Not all that engines throw is an Error: Firefox has others of its own.
  const { name = "Error", message = String(error) } = Object(error);
  const report = { name: String(name), message: String(message) };
  const windows = await clients.matchAll({
    includeUncontrolled: true,
    type: "window",
  });
  for (const client of windows) {
    client.postMessage({ [KEY]: { installFailed: report } });
  }
}
