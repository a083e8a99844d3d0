// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A number on the app's icon, which page and worker change together. The platform
 * sets a badge and does not tell what it is; so the count is in a store, and a Web
 * Lock has one context at a time change it and show what it has stored.
 *
 * ```text
 * badge/count  the count, missing if it is 0
 * ```
 *
 * @module
 */

/** The part of `navigator` that {@linkcode createBadge} uses. */
export interface BadgeNavigator {
  /** Missing in browsers that have no badges. */
  setAppBadge?(count: number): Promise<void>;
  /** Missing in browsers that have no badges. */
  clearAppBadge?(): Promise<void>;
  /** What keeps two contexts from changing the count at once. */
  readonly locks?: {
    request<T>(
      name: string,
      options: { signal: AbortSignal },
      callback: () => Promise<T>,
    ): Promise<T>;
  } | undefined;
}

/** Where the count is; any store that lasts. */
export interface BadgeStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): Promise<void>;
  /** Deletes a key. */
  delete(key: string): Promise<void>;
}

/** Options for the methods of a {@linkcode Badge}. */
export interface BadgeOptions {
  /**
   * Ends the wait for other contexts; the promise then rejects with the signal's
   * reason. It replaces the default deadline of 30 seconds, after which the promise
   * rejects with a "TimeoutError".
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A badge, made by {@linkcode createBadge}. Its methods change the count in any
 * case, and resolve with whether it is shown: `false` where the browser has no
 * badges, or refuses one, as to an app that is not installed.
 */
export interface Badge {
  /** Resolves with the count. */
  get(): Promise<number>;
  /** Sets the count; 0 takes the badge away. */
  set(count: number, options?: BadgeOptions): Promise<boolean>;
  /** Adds to the count, 1 unless said otherwise; it does not fall below 0. */
  add(count?: number, options?: BadgeOptions): Promise<boolean>;
  /** Sets the count to 0, and takes the badge away. */
  clear(options?: BadgeOptions): Promise<boolean>;
  /**
   * Shows the count once more: when a page starts, as the worker may have been
   * stopped between the two steps of a change.
   */
  show(options?: BadgeOptions): Promise<boolean>;
}

const PATH = "badge/count";
const LOCK = `@serviceworker/std ${PATH}`;
const DEADLINE = 30_000;

/**
 * Makes a badge. Make it in pages and worker, over the same store. For one that is
 * set by one side alone, `navigator.setAppBadge()` is enough.
 *
 * Browsers show it on the icon of an installed app; Safari on phones if
 * notifications are permitted.
 *
 * Spec: https://w3c.github.io/badging/
 *
 * @param target The `navigator` of the page or worker.
 * @param store Where the count is.
 * @returns The badge.
 *
 * @example Counting episodes that nobody has seen
 * ```ts
 * import { createBadge } from "@serviceworker/std/push/badge";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const store = memoryStore(); // openStore("podcast")
 * const host = createHost();
 * await host.register((self) => { // The worker.
 *   const badge = createBadge(self.navigator, store);
 *   self.addEventListener("push", (event) => event.waitUntil(badge.add()));
 * });
 * await host.deliverPushMessage();
 * await host.deliverPushMessage();
 * assertEquals(host.badge, 2);
 *
 * const page = await host.openWindow("/");
 * await createBadge(page.navigator, store).clear();
 * assertEquals(host.badge, undefined);
 * host.close();
 * ```
 */
export function createBadge(
  target: BadgeNavigator,
  store: BadgeStore,
): Badge {
  async function get(): Promise<number> {
    const count = await store.get(PATH);
    return isCount(count) ? count : 0;
  }

  /** Stores a count, if it is another, and shows it. */
  function change(
    next: (count: number) => number,
    { signal = AbortSignal.timeout(DEADLINE) }: BadgeOptions = {},
  ): Promise<boolean> {
    const work = async () => {
      signal.throwIfAborted();
      const before = await get();
      const count = next(before);
      if (count !== before) {
        await (count === 0 ? store.delete(PATH) : store.set(PATH, count));
      }
      return await display(count);
    };
    const { locks } = target;
    return locks ? locks.request(LOCK, { signal }, work) : work();
  }

  async function display(count: number): Promise<boolean> {
    if (!target.setAppBadge || !target.clearAppBadge) return false;
    try {
      await (count === 0 ? target.clearAppBadge() : target.setAppBadge(count));
      return true;
    } catch {
      return false;
    }
  }

  return {
    get,
    async set(count, options) {
      if (!isCount(count)) throw outOfRange(count);
      return await change(() => count, options);
    },
    async add(count = 1, options) {
      if (!Number.isSafeInteger(count)) throw outOfRange(count);
      return await change((before) => Math.max(0, before + count), options);
    },
    clear: (options) => change(() => 0, options),
    show: (options) => change((count) => count, options),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function outOfRange(count: number): RangeError {
  return new RangeError(
    `Cannot change the badge: the count must be a whole number and not be negative, got ${count}`,
  );
}
