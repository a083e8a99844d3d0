// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Do something now and then, with no page open where the browser lets an app do
 * that (Periodic Background Sync), and otherwise when the user is here and it
 * was not done for too long. One object does both, in pages and worker: the
 * store tells when it was last done, and a Web Lock that it is being done.
 *
 * Chromium wants the app to be installed and in use, decides itself how often,
 * and not more than twice a day. No other browser has it.
 *
 * @module
 */

/** The part of a store that {@linkcode createPeriodicSync} uses. */
export interface PeriodicSyncStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): Promise<void>;
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode createPeriodicSync} uses. */
export interface PeriodicSyncRegistration {
  /** The worker that the events would be for. */
  readonly active: object | null;
  /** Missing in browsers that have no Periodic Background Sync. */
  readonly periodicSync?: {
    register(tag: string, options: { minInterval: number }): Promise<void>;
    unregister(tag: string): Promise<void>;
    getTags(): Promise<readonly string[]>;
  } | undefined;
}

/** The part of `navigator.permissions` that {@linkcode createPeriodicSync} uses. */
export interface PeriodicSyncPermissions {
  /** Asks for the state of a permission. */
  query(
    descriptor: { name: "periodic-background-sync" },
  ): Promise<{ readonly state: string }>;
}

/** The part of `navigator.locks` that {@linkcode createPeriodicSync} uses. */
export interface PeriodicSyncLocks {
  /** Holds a lock until the promise of `callback` settles. */
  request<T>(
    name: string,
    options: { ifAvailable: true },
    callback: (lock: unknown) => Promise<T>,
  ): Promise<T>;
}

/** The part of a `periodicsync` event that {@linkcode createPeriodicSync} uses. */
export interface PeriodicSyncEvent {
  /** The tag that was registered. */
  readonly tag: string;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What the work is given. */
export interface PeriodicSyncContext {
  /** When it was last done, as of `Date.now()`; `undefined` if never. */
  readonly lastRun: number | undefined;
  /** Aborts after four minutes, when the browser may end the worker. */
  readonly signal: AbortSignal;
}

/** Options for {@linkcode createPeriodicSync}. */
export interface PeriodicSyncOptions {
  /**
   * The tag to register, and the name in the store.
   *
   * @default {"periodic"}
   */
  tag?: string | undefined;
  /**
   * After how many milliseconds to do it again.
   *
   * @default {43200000}
   */
  minInterval?: number | undefined;
  /**
   * What tells whether the browser permits it; `null` to try without asking.
   *
   * @default {navigator.permissions}
   */
  permissions?: PeriodicSyncPermissions | null | undefined;
  /**
   * What keeps it from being done twice at once.
   *
   * @default {navigator.locks}
   */
  locks?: PeriodicSyncLocks | undefined;
}

/** The listener made by {@linkcode createPeriodicSync}. */
export interface PeriodicSync {
  /** Handles a `periodicsync` event; those with another tag are left alone. */
  (event: PeriodicSyncEvent | Event): void;
  /**
   * Has the browser fire events. Resolves with whether it will: "registered";
   * "unsupported": it cannot; "denied" or "prompt": it has no permission, which
   * an app that is not installed does not get; "refused": for another reason,
   * as there is no active worker. But for "registered", `catchUp()` has to do.
   */
  register(
    registration: PeriodicSyncRegistration,
  ): Promise<"registered" | "unsupported" | "denied" | "prompt" | "refused">;
  /**
   * Has the browser fire no more events. Resolves with whether it would have,
   * had it been asked to.
   */
  unregister(registration: PeriodicSyncRegistration): Promise<boolean>;
  /** Resolves with whether the browser fires events. */
  isRegistered(registration: PeriodicSyncRegistration): Promise<boolean>;
  /**
   * Does the work if it was last done longer ago than `minInterval`. Resolves
   * with "done"; "fresh": it is too early; or "running": somebody is at it.
   * Call it when a page is opened or shown.
   *
   * Rejects as the work does, which is then still to be done; with a
   * "TimeoutError" after four minutes; with a "NotSupportedError" if there are
   * no locks.
   */
  catchUp(): Promise<"done" | "fresh" | "running">;
  /** Resolves with when the work was last done, as of `Date.now()`. */
  lastRun(): Promise<number | undefined>;
}

const KEY = "@serviceworker/std";
const HALF_A_DAY = 43_200_000;
/** Browsers end an event that takes five minutes. */
const LIMIT = 240_000;

/**
 * Makes a listener for `periodicsync` events, with which pages register and
 * catch up. In a worker, add it at top level, during the first evaluation of its
 * script.
 *
 * @param store Where to keep when the work was last done.
 * @param work What to do; `signal` tells it to end.
 * @param options Additional options.
 * @returns The listener.
 *
 * @example News that are at most half a day old
 * ```ts
 * import { createPeriodicSync } from "@serviceworker/std/sync/periodic-sync";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * let refreshed = 0;
 * const news = createPeriodicSync(memoryStore(), async () => {
 *   refreshed++; // Stands for what fetches them.
 * }, { tag: "news" });
 *
 * // In the worker:
 * addEventListener("periodicsync", news);
 * // In the page:
 * assertEquals(await news.register({ active: null }), "unsupported");
 * assertEquals(await news.catchUp(), "done");
 * assertEquals(await news.catchUp(), "fresh");
 * assertEquals(refreshed, 1);
 * ```
 */
export function createPeriodicSync(
  store: PeriodicSyncStore,
  work: (context: PeriodicSyncContext) => unknown,
  options: PeriodicSyncOptions = {},
): PeriodicSync {
  const {
    tag = "periodic",
    minInterval = HALF_A_DAY,
    permissions = platform().permissions,
    locks = platform().locks,
  } = options;
  const path = `periodic-sync/${tag}`;

  async function lastRun(): Promise<number | undefined> {
    const last = await store.get(path);
    return typeof last === "number" ? last : undefined;
  }

  /** Does the work, unless it is too early or somebody is at it. */
  async function run(
    interval: number,
  ): Promise<"done" | "fresh" | "running"> {
    if (!locks) {
      throw new DOMException(
        "Cannot do the work once: navigator.locks is undefined",
        "NotSupportedError",
      );
    }
    const once = { ifAvailable: true } as const;
    return await locks.request(`${KEY} ${path}`, once, async (lock) => {
      if (!lock) return "running";
      const last = await lastRun();
      const now = Date.now();
      // A stamp from the future is of a clock that was put back.
      const isFresh = last !== undefined && last <= now &&
        now - last < interval;
      if (isFresh) return "fresh";
      await limited(tag, (signal) => work({ lastRun: last, signal }));
      await store.set(path, now);
      return "done";
    });
  }

  function listener(event: PeriodicSyncEvent | Event): void {
    // TypeScript does not know the event.
    const sync = event as PeriodicSyncEvent;
    if (sync.tag === tag) sync.waitUntil(run(0));
  }

  return Object.assign(listener, {
    async register({ active, periodicSync }: PeriodicSyncRegistration) {
      if (!periodicSync) return "unsupported" as const;
      if (!active) return "refused" as const;
      const name = "periodic-background-sync";
      try {
        // Where it cannot be asked, the answer is that to the attempt.
        const state = (await permissions?.query({ name }).catch(() =>
          undefined
        ))
          ?.state;
        if (state === "denied" || state === "prompt") return state;
        await periodicSync.register(tag, { minInterval });
        return "registered" as const;
      } catch (error) {
        const isDenied = (error as Error | null)?.name === "NotAllowedError";
        return isDenied ? "denied" as const : "refused" as const;
      }
    },
    async unregister({ periodicSync }: PeriodicSyncRegistration) {
      await periodicSync?.unregister(tag);
      return periodicSync !== undefined;
    },
    async isRegistered({ periodicSync }: PeriodicSyncRegistration) {
      return await periodicSync?.getTags().then((tags) => tags.includes(tag)) ??
        false;
    },
    catchUp: () => run(minInterval),
    lastRun,
  });
}

/** Does the work, and waits for it no longer than the browser would. */
async function limited(
  tag: string,
  work: (signal: AbortSignal) => unknown,
): Promise<void> {
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const late = new DOMException(
      `Cannot end "${tag}": ${LIMIT / 1_000} seconds have passed`,
      "TimeoutError",
    );
    controller.abort(late);
    reject(late);
  }, LIMIT);
  try {
    await Promise.race([work(controller.signal), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function platform(): {
  permissions?: PeriodicSyncPermissions;
  locks?: PeriodicSyncLocks;
} {
  return (globalThis as { navigator?: object }).navigator ?? {};
}
