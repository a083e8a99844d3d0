// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Run what could not be done offline as soon as it can be: an outbox's `flush`,
 * for one. `backgroundSync` runs it in pages, and in a worker while that is
 * awake; `handleSync` runs it in the worker when the browser is online again,
 * with no page open, where the browser has Background Sync.
 *
 * Many have not, or refuse it, or never fire the event. So it is one trigger of
 * several: the start of a page or worker, the network coming back, the page
 * being shown again or coming back from the back/forward cache, the time at
 * which `flush` says that there is more to do, and whatever the caller takes for
 * a sign, such as a fetch that went well. Then nothing is lost but this: the
 * user has to come back.
 *
 * @module
 */

/** What there is to be done. */
export interface BackgroundSyncWork {
  /**
   * Does what can be done now, and resolves with when there is more to do. The
   * signal aborts when it is to end, as when the page goes away.
   */
  (options: { signal: AbortSignal }):
    | BackgroundSyncResult
    | Promise<BackgroundSyncResult | void>
    | void;
}

/** What the work resolves with. */
export interface BackgroundSyncResult {
  /** When there is more to do, as of `Date.now()`; `undefined` if never. */
  readonly next?: number | undefined;
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode backgroundSync} uses. */
export interface BackgroundSyncRegistration {
  /** The worker that the event would be for. */
  readonly active: object | null;
  /** Missing in browsers that have no Background Sync. */
  readonly sync?: { register(tag: string): Promise<void> } | undefined;
}

/** The part of a `Window`, or of a worker's `self`, that {@linkcode backgroundSync} uses. */
export interface BackgroundSyncScope {
  /** Missing in workers. */
  readonly document?: {
    /** Whether the page is seen. */
    readonly visibilityState: string;
    /** Tells when that changes. */
    addEventListener(
      type: "visibilitychange",
      listener: () => void,
      options: { signal: AbortSignal },
    ): void;
  } | undefined;
  /** Tells when the network is back, and when the page goes and is back. */
  addEventListener(
    type: "online" | "pagehide" | "pageshow",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** The part of a `sync` event that {@linkcode handleSync} uses. */
export interface BackgroundSyncEvent {
  /** The tag that was registered. */
  readonly tag: string;
  /** Whether the browser gives up after this one. */
  readonly lastChance: boolean;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** Options for {@linkcode backgroundSync}. */
export interface BackgroundSyncOptions {
  /**
   * The tag to register.
   *
   * @default {"outbox"}
   */
  tag?: string | undefined;
  /** Ends it, as {@linkcode BackgroundSync.close} does. */
  signal?: AbortSignal | undefined;
  /**
   * The page or worker.
   *
   * @default {globalThis}
   */
  scope?: BackgroundSyncScope | undefined;
}

/** Options for {@linkcode handleSync}. */
export interface HandleSyncOptions {
  /**
   * The tag that was registered.
   *
   * @default {"outbox"}
   */
  tag?: string | undefined;
}

/** Runs work whenever there is a reason to, made by {@linkcode backgroundSync}. */
export interface BackgroundSync {
  /**
   * Has the work run now and, if there is no network, when there is again.
   * Resolves with how: "registered": the browser will fire a `sync` event, even
   * if the page is closed by then; "unsupported": the browser cannot, so that it
   * is up to the other triggers, while a page or the worker is open; "refused":
   * the same, as the user or the browser does not want it, or there is no active
   * worker after ten seconds.
   */
  request(): Promise<"registered" | "unsupported" | "refused">;
  /**
   * Runs the work now or, if it is running, once more. Settles as the work does.
   * Call it when there is a sign of a network, in a worker within `waitUntil()`.
   */
  run(): Promise<void>;
  /**
   * Ends it: the work's signal is aborted, no trigger runs it again, and both
   * other methods reject.
   */
  close(): void;
}

const SECOND = 1_000;
const READY = 10_000;
/** After work that rejected. */
const RETRY = 60_000;
/** The longest that a timer can wait. */
const MAX_TIMEOUT = 2_147_483_647;
/** Browsers end a `sync` event that takes five minutes. */
const LIMIT = 240_000;
/** How long the event waits for more to do; the last one waits up to its end. */
const PATIENCE = 15_000;

/**
 * Runs work at once, and from then on whenever there is a reason to: see the
 * module. It never runs twice at the same time in one page; among pages and
 * worker, that is up to the work, as an outbox takes care of it.
 *
 * @param registration The registration, or a promise of it such as
 * `navigator.serviceWorker.ready`, where `sync` is registered; `undefined` to do
 * without.
 * @param work What there is to be done, again and again.
 * @param options Additional options.
 * @returns An object to request it with.
 *
 * @example Sending from a page
 * ```ts
 * import { backgroundSync } from "@serviceworker/std/sync/background-sync";
 * import { createOutbox } from "@serviceworker/std/sync/outbox";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * const sent: string[] = [];
 * const outbox = createOutbox(memoryStore(), {
 *   send: async (request) => void sent.push(await request.text()),
 * });
 * const sync = backgroundSync(navigator.serviceWorker?.ready, outbox.flush);
 *
 * await outbox.add(new Request("https://a.test", { method: "POST", body: "Hi" }));
 * const how = await sync.request();
 * await sync.run();
 * sync.close();
 *
 * assertEquals(how, "unsupported"); // There are no service workers in Deno.
 * assertEquals(sent, ["Hi"]);
 * ```
 */
export function backgroundSync(
  registration:
    | BackgroundSyncRegistration
    | PromiseLike<BackgroundSyncRegistration>
    | undefined,
  work: BackgroundSyncWork,
  options: BackgroundSyncOptions = {},
): BackgroundSync {
  const { tag = "outbox", signal, scope = globalThis } = options;
  const closed = new AbortController();
  const until = { signal: closed.signal };
  /** Aborts when the page goes; there is another when it is back. */
  let gone = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  let following: Promise<void> | undefined;

  function run(): Promise<void> {
    if (closed.signal.aborted) return Promise.reject(closed.signal.reason);
    if (!running) {
      return running = runNow().finally(() => running = undefined);
    }
    // What led to this call may be too late for the work under way.
    const again = () => {
      following = undefined;
      return run();
    };
    return following ??= running.then(again, again);
  }

  async function runNow(): Promise<void> {
    clearTimeout(timer);
    // What is begun now may be suspended half-way, with a transaction open.
    if (gone.signal.aborted) return;
    const signal = AbortSignal.any([closed.signal, gone.signal]);
    let next: number | undefined = Date.now() + RETRY;
    try {
      next = (await work({ signal }))?.next;
    } finally {
      if (next !== undefined && !closed.signal.aborted) {
        timer = setTimeout(trigger, Math.min(delayUntil(next), MAX_TIMEOUT));
      }
    }
  }

  /** Runs it where nobody waits: what failed is tried again. */
  function trigger(): void {
    run().catch(() => {});
  }

  async function request(): ReturnType<BackgroundSync["request"]> {
    closed.signal.throwIfAborted();
    trigger();
    if (!registration) return "unsupported";
    try {
      const { active, sync } = await ready(registration, closed.signal);
      if (!sync) return "unsupported";
      if (!active) return "refused";
      await sync.register(tag);
      return "registered";
    } catch {
      closed.signal.throwIfAborted();
      return "refused";
    }
  }

  function close(reason?: unknown): void {
    clearTimeout(timer);
    closed.abort(reason);
  }

  const { document: page } = scope as BackgroundSyncScope;
  scope.addEventListener("online", trigger, until);
  scope.addEventListener("pagehide", () => gone.abort(), until);
  scope.addEventListener("pageshow", () => {
    if (gone.signal.aborted) gone = new AbortController();
    trigger();
  }, until);
  page?.addEventListener("visibilitychange", () => {
    if (page.visibilityState === "visible") trigger();
  }, until);
  signal?.addEventListener("abort", () => close(signal.reason), until);
  if (signal?.aborted) close(signal.reason);
  trigger();

  return { request, run, close: () => close() };
}

/**
 * Runs work in a `sync` event, inside its `waitUntil()`, until there is no more
 * to do. What there is to do within seconds is waited for. If something is left,
 * the event fails, for the browser to fire it again; after four minutes the
 * work's signal is aborted, as the browser would end the worker.
 *
 * Nothing is given up at the last chance, which merely waits longer: what is
 * left is for the other triggers.
 *
 * @param event The event.
 * @param work What there is to be done.
 * @param options Additional options.
 * @returns Whether the event has the tag.
 *
 * @example Sending with no page open
 * ```ts
 * import { handleSync } from "@serviceworker/std/sync/background-sync";
 * import { createOutbox } from "@serviceworker/std/sync/outbox";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assert } from "@std/assert";
 *
 * const outbox = createOutbox(memoryStore()); // Stands for openStore().
 *
 * addEventListener("sync", (event) => handleSync(event, outbox.flush));
 *
 * assert(!handleSync(new Event("sync"), outbox.flush)); // It has no tag.
 * ```
 */
export function handleSync(
  event: BackgroundSyncEvent | Event,
  work: BackgroundSyncWork,
  options: HandleSyncOptions = {},
): boolean {
  const { tag = "outbox" } = options;
  // TypeScript does not know the event.
  const sync = event as BackgroundSyncEvent;
  if (sync.tag !== tag) return false;
  sync.waitUntil(workUntilDone(sync, work));
  return true;
}

async function workUntilDone(
  { tag, lastChance }: BackgroundSyncEvent,
  work: BackgroundSyncWork,
): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const start = performance.now();
  const late = new DOMException(
    `Cannot end the sync "${tag}": ${LIMIT / SECOND} seconds have passed`,
    "TimeoutError",
  );
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    controller.abort(late);
    reject(late);
  }, LIMIT);
  try {
    while (true) {
      const next = (await Promise.race([work({ signal }), over]))?.next;
      if (next === undefined) return;
      const delay = delayUntil(next);
      const left = LIMIT - (performance.now() - start);
      if (delay > Math.min(left, lastChance ? LIMIT : PATIENCE)) {
        throw new DOMException(
          `Cannot end the sync "${tag}": something is left to do`,
          "AbortError",
        );
      }
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  } finally {
    clearTimeout(timer);
  }
}

/** How long to wait: never so short that it keeps the browser busy. */
function delayUntil(time: number): number {
  return Math.max(SECOND, time - Date.now());
}

/** Resolves with the registration, or rejects if there is none for long. */
async function ready(
  registration:
    | BackgroundSyncRegistration
    | PromiseLike<BackgroundSyncRegistration>,
  signal: AbortSignal,
): Promise<BackgroundSyncRegistration> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let abort = () => {};
  const over = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    timer = setTimeout(abort, READY);
  });
  try {
    return await Promise.race([registration, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
