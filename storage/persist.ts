// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Asks the browser to keep what the origin stored, and tells how much room there
 * is. Without it a browser that runs short of space may delete everything that an
 * origin stored; `detectEviction` notices that afterwards.
 *
 * @module
 */

/** The part of `navigator.storage` that {@linkcode persist} uses. */
export interface PersistStorage {
  /** Resolves with whether the storage is kept. */
  persisted?(): Promise<boolean>;
  /** Asks to keep it; only in pages. */
  persist?(): Promise<boolean>;
  /** Resolves with how much is used, and how much may be. */
  estimate?(): Promise<{
    usage?: number | undefined;
    quota?: number | undefined;
  }>;
}

/** The part of `navigator.permissions` that {@linkcode persist} uses. */
export interface PersistPermissions {
  /** Resolves with the state of a permission. */
  query(
    descriptor: { name: "persistent-storage" },
  ): Promise<{ readonly state: string }>;
}

/** The part of a store that {@linkcode persist} uses. */
export interface PersistStore {
  /** Runs `work` in a transaction. */
  transact<T>(
    work: (transaction: {
      get(key: string): Promise<unknown>;
      set(key: string, value: unknown): void;
    }) => Promise<T>,
  ): Promise<T>;
}

/** Options for {@linkcode persist}. */
export interface PersistOptions {
  /**
   * `navigator.permissions`, which tells whether the user refused before. Without
   * it the browser is asked, and answers for itself.
   */
  permissions?: PersistPermissions | undefined;
  /**
   * Where it is written down that the browser was asked, so that it is not asked
   * again, in any tab, before the `interval` is over. Without one it is asked at
   * each call; Firefox then shows its prompt each time, unless the user decided.
   */
  store?: PersistStore | undefined;
  /**
   * For how many milliseconds a browser that did not agree is not asked again.
   * One without a prompt may agree later, when the user comes back often.
   *
   * @default {2_592_000_000} 30 days.
   */
  interval?: number | undefined;
  /**
   * Ends the wait for an answer; the promise then rejects with the signal's
   * reason. It replaces the default deadline of one minute, after which an
   * unanswered prompt counts as a refusal.
   */
  signal?: AbortSignal | undefined;
}

/** What {@linkcode persist} resolves with. */
export interface PersistResult {
  /** Whether the browser keeps the storage until the user clears it. */
  readonly persisted: boolean;
  /** About how many bytes are used, if the browser tells. */
  readonly usage: number | undefined;
  /** How many bytes may be used in all, if the browser tells. */
  readonly quota: number | undefined;
  /** How many bytes are left of them, if the browser tells. */
  readonly available: number | undefined;
}

const KEY = "@serviceworker/std/persist";
const MONTH = 30 * 24 * 60 * 60 * 1000;
const DEADLINE = 60_000;

/**
 * Asks the browser to keep the storage, unless it does already or the user has
 * refused, and measures it. Firefox asks the user: call it when the user has just
 * done something worth keeping. Others decide by themselves, by how the site is
 * used.
 *
 * Workers cannot ask: there it tells what was decided. To measure alone,
 * `navigator.storage.estimate()` is enough.
 *
 * @param storage `navigator.storage`. Where it is undefined, as on insecure
 * origins, nothing is kept and nothing is known.
 * @param options Additional options.
 * @returns Whether the storage is kept, and its measures.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 *
 * @example Asking when there is something to lose
 * ```ts
 * import { persist, type PersistStorage } from "@serviceworker/std/storage/persist";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for `navigator.storage`.
 * const storage: PersistStorage = {
 *   persisted: () => Promise.resolve(false),
 *   persist: () => Promise.resolve(true),
 *   estimate: () => Promise.resolve({ usage: 200, quota: 1000 }),
 * };
 *
 * const store = memoryStore(); // In the app: openStore("podcast").
 * const { persisted, available } = await persist(storage, { store });
 *
 * assertEquals(persisted, true);
 * assertEquals(available, 800);
 * ```
 */
export async function persist(
  storage: PersistStorage | null | undefined,
  options: PersistOptions = {},
): Promise<PersistResult> {
  const { permissions, store, interval = MONTH, signal } = options;
  signal?.throwIfAborted();

  async function ask(): Promise<boolean> {
    if (await storage?.persisted?.()) return true;
    if (!storage?.persist) return false;
    const state = await stateOf(permissions);
    if (state === "denied") return false;
    if (state !== "granted" && !await isDue(store, interval)) return false;
    return await storage.persist();
  }

  const persisted = await answer(ask(), signal);
  const { usage, quota } = await storage?.estimate?.() ?? {};
  const available = usage === undefined || quota === undefined
    ? undefined
    : Math.max(0, quota - usage);
  return { persisted, usage, quota, available };
}

async function stateOf(
  permissions: PersistPermissions | undefined,
): Promise<string | undefined> {
  try {
    return (await permissions?.query({ name: "persistent-storage" }))?.state;
  } catch {
    // WebKit does not know the name.
    return undefined;
  }
}

/** Whether it is time to ask; if so, it is the caller who does. */
function isDue(
  store: PersistStore | undefined,
  interval: number,
): Promise<boolean> {
  if (!store) return Promise.resolve(true);
  return store.transact(async (transaction) => {
    const now = Date.now();
    const asked = await transaction.get(KEY);
    // A clock that was set back does not count.
    if (typeof asked === "number" && asked <= now && now < asked + interval) {
      return false;
    }
    transaction.set(KEY, now);
    return true;
  });
}

/** Waits for an answer until the signal is aborted or, without one, the deadline. */
async function answer(
  asking: Promise<boolean>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const over = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new Promise<boolean>((resolve, reject) => {
    if (!signal) timer = setTimeout(() => resolve(false), DEADLINE);
    signal?.addEventListener("abort", () => reject(signal.reason), {
      signal: over.signal,
    });
  });
  try {
    return await Promise.race([asking, end]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
