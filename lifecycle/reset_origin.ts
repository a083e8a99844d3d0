// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Reset an app that is beyond repair, from a page: no registration, cache or
 * database of the origin is left, and the page is loaded anew.
 *
 * What scripts cannot delete, such as the HTTP cache and cookies that are
 * `HttpOnly`, a response with the header `Clear-Site-Data: "*"` does, on HTTPS.
 * `localStorage.clear()` and `sessionStorage.clear()` are the caller's.
 *
 * @module
 */

/** The part of a `Window` that {@linkcode resetOrigin} uses. */
export interface ResetOriginScope {
  /** The caches; missing on insecure origins. */
  readonly caches?: {
    keys(): Promise<string[]>;
    delete(name: string): Promise<boolean>;
  } | undefined;
  /** The databases. */
  readonly indexedDB?: {
    /** Missing in older browsers. */
    databases?(): Promise<readonly { readonly name?: string | undefined }[]>;
    deleteDatabase(name: string): ResetOriginRequest;
  } | undefined;
  /** The page's URL. */
  readonly location: { reload(): void };
  /** The registrations; missing on insecure origins. */
  readonly navigator: {
    readonly serviceWorker?: {
      getRegistrations(): Promise<readonly ResetOriginRegistration[]>;
    } | undefined;
  };
  /** Where it is noted that the tab was reloaded. */
  readonly sessionStorage: {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
  };
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode resetOrigin} uses. */
export interface ResetOriginRegistration {
  /** The URLs it is for begin with this. */
  readonly scope: string;
  /** Removes it. */
  unregister(): Promise<boolean>;
}

/** The part of an `IDBOpenDBRequest` that {@linkcode resetOrigin} uses. */
export interface ResetOriginRequest {
  /** Why it failed. */
  readonly error: unknown;
  /** Tells how it ends, and if it has to wait. */
  addEventListener(
    type: "blocked" | "error" | "success",
    listener: () => void,
  ): void;
}

/** What there is to delete. */
export type ResetOriginKind = "cache" | "database" | "registration";

/** Options for {@linkcode resetOrigin}. */
export interface ResetOriginOptions {
  /**
   * Tells what to keep, by its kind and its name, which of a registration is its
   * scope. Without it nothing is kept, also of other apps on the origin.
   */
  readonly keep?:
    | ((kind: ResetOriginKind, name: string) => boolean)
    | undefined;
  /**
   * The names of databases, for browsers which do not tell them. Without it, these
   * report the databases as failed, without a name.
   */
  readonly databases?: readonly string[] | undefined;
  /**
   * Whether to load the page again when all is deleted.
   *
   * @default {true}
   */
  readonly reload?: boolean | undefined;
  /**
   * Ends the wait; the promise then rejects with the signal's reason. It replaces
   * the default deadline of 5 seconds, after which what is not deleted is
   * reported as failed.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What could not be deleted. */
export interface ResetOriginFailure {
  /** What it is. */
  readonly kind: ResetOriginKind;
  /** Its name; `undefined` if the browser did not tell what there is. */
  readonly name: string | undefined;
  /** Why: named "TimeoutError" if it took too long. */
  readonly error: unknown;
}

/** What {@linkcode resetOrigin} resolves with. */
export interface ResetOriginResult {
  /** What could not be deleted. */
  readonly failed: readonly ResetOriginFailure[];
  /** Whether the page is being loaded again. */
  readonly reloading: boolean;
}

/** What there is to delete, by its name. */
interface Item {
  readonly name: string;
  readonly remove: () => Promise<unknown>;
}

const KEY = "@serviceworker/std/reset-origin";
const DEADLINE = 5_000;
const MINUTE = 60_000;

/**
 * Removes all registrations, caches and databases of the origin, and loads the
 * page again. It does not if something could not be deleted, so that it can be
 * told, nor if it did so in this tab less than a minute ago, so that a page
 * which resets whenever it fails does not do so for ever.
 *
 * Close the page's own databases first, and have other tabs closed: they are
 * controlled by their worker until then, and hold or make what is deleted here. A
 * database that another page has open is deleted when that lets go of it, be it
 * after it was reported.
 *
 * @param scope The page's `window`.
 * @param options Additional options.
 * @returns What could not be deleted, and whether the page is being loaded again.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 *
 * @example Resetting all but the drafts
 * ```ts
 * import { resetOrigin } from "@serviceworker/std/lifecycle/reset-origin";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * await host.register(() => {});
 * const page = await host.openWindow("/");
 * const { caches, navigator } = page;
 * await caches.open("assets");
 * await caches.open("drafts");
 *
 * // Stands for `window`.
 * const window = {
 *   caches,
 *   navigator,
 *   location: { reload() {} },
 *   sessionStorage: { getItem: () => null, setItem() {} },
 * };
 * const { failed, reloading } = await resetOrigin(window, {
 *   keep: (_kind, name) => name === "drafts",
 * });
 *
 * assertEquals([failed, reloading], [[], true]);
 * assertEquals(await host.caches.keys(), ["drafts"]);
 * assertEquals(await navigator.serviceWorker.getRegistrations(), []);
 * host.close();
 * ```
 */
export async function resetOrigin(
  scope: ResetOriginScope,
  options: ResetOriginOptions = {},
): Promise<ResetOriginResult> {
  const { keep = () => false, databases, reload = true, signal } = options;
  signal?.throwIfAborted();
  const late = new AbortController();
  const over = signal ?? late.signal;
  const timer = signal ? undefined : setTimeout(() => {
    const fact = `${DEADLINE / 1_000} seconds have passed`;
    late.abort(
      new DOMException(`Cannot reset the origin: ${fact}`, "TimeoutError"),
    );
  }, DEADLINE);
  const failed: ResetOriginFailure[] = [];

  async function deleteAll(
    kind: ResetOriginKind,
    listing: Promise<Item[]>,
  ): Promise<void> {
    let items: Item[] = [];
    try {
      items = await until(listing, over);
    } catch (error) {
      failed.push({ kind, name: undefined, error });
    }
    await Promise.all(items.map(async ({ name, remove }) => {
      if (keep(kind, name)) return;
      try {
        await until(remove(), over);
      } catch (error) {
        failed.push({ kind, name, error });
      }
    }));
  }

  try {
    // One after the other, as a worker opens caches and databases.
    await deleteAll("registration", listRegistrations(scope));
    await deleteAll("cache", listCaches(scope));
    await deleteAll("database", listDatabases(scope, databases, over));
  } finally {
    clearTimeout(timer);
  }
  signal?.throwIfAborted();

  const reloading = reload && failed.length === 0 && noteReload(scope);
  if (reloading) scope.location.reload();
  return { failed, reloading };
}

async function listRegistrations(
  { navigator: { serviceWorker } }: ResetOriginScope,
): Promise<Item[]> {
  const registrations = await serviceWorker?.getRegistrations() ?? [];
  return registrations.map((registration) => ({
    name: registration.scope,
    remove: () => registration.unregister(),
  }));
}

async function listCaches({ caches }: ResetOriginScope): Promise<Item[]> {
  if (!caches) return [];
  const names = await caches.keys();
  return names.map((name) => ({ name, remove: () => caches.delete(name) }));
}

async function listDatabases(
  { indexedDB }: ResetOriginScope,
  known: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<Item[]> {
  if (!indexedDB) return [];
  if (!indexedDB.databases && !known) {
    throw new DOMException(
      "Cannot delete the databases: the browser does not tell their names",
      "NotSupportedError",
    );
  }
  const found = await indexedDB.databases?.() ?? [];
  const names = new Set(known);
  for (const { name } of found) {
    if (name !== undefined) names.add(name);
  }
  return [...names].map((name) => ({
    name,
    remove: () => deleteDatabase(indexedDB.deleteDatabase(name), name, signal),
  }));
}

/** Waits for a database to be deleted; if nothing comes of it, says why. */
function deleteDatabase(
  request: ResetOriginRequest,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve());
    request.addEventListener("error", () => reject(request.error));
    request.addEventListener("blocked", () => {
      signal.addEventListener("abort", () => {
        const fact = "another page has it open";
        reject(
          new DOMException(
            `Cannot delete the database "${name}": ${fact}`,
            "TimeoutError",
          ),
        );
      });
    });
  });
}

/** Waits for work, but not longer than until the signal is aborted. */
async function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const settled = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    // After those who know better why the work did not end.
    const abort = () => queueMicrotask(() => reject(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { signal: settled.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    settled.abort();
  }
}

/** Notes that the tab is reloaded; returns whether it may be, once a minute. */
function noteReload({ sessionStorage }: ResetOriginScope): boolean {
  const now = Date.now();
  try {
    const last = Number(sessionStorage.getItem(KEY) ?? -MINUTE);
    // A clock that was set back does not count.
    if (last <= now && now < last + MINUTE) return false;
    sessionStorage.setItem(KEY, String(now));
    return true;
  } catch {
    // Without a note it might be done for ever.
    return false;
  }
}
