// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Follow every update of a registration for as long as the page is open: a new
 * worker is being installed, it waits, it is active, or it failed and why.
 *
 * The reason of a failure is known if the worker's `install` event reports it by
 * `reportInstall`; the platform says no more than that it failed. A script that
 * cannot be fetched or evaluated never gets as far as to be installed: that is
 * told to whoever registers it or looks for updates, and in the console.
 *
 * @module
 */

/** The part of a `ServiceWorker` that {@linkcode watchUpdates} uses. */
export interface WatchUpdatesWorker {
  /** Where its script is. */
  readonly scriptURL: string;
  /** Where it is in its life. */
  readonly state: string;
  /** Tells when that changes. */
  addEventListener(
    type: "statechange",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/**
 * The part of a `ServiceWorkerRegistration` that {@linkcode watchUpdates} uses.
 *
 * @typeParam W The type of its workers.
 */
export interface WatchUpdatesRegistration<W> {
  /** The start of the URLs that it is for. */
  readonly scope: string;
  /** The worker that is being installed. */
  readonly installing: W | null;
  /** The worker that is installed, and waits for the active one to go. */
  readonly waiting: W | null;
  /** The worker that is in use. */
  readonly active: W | null;
  /** Tells that a worker is being installed. */
  addEventListener(
    type: "updatefound",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** The part of `navigator.serviceWorker` that {@linkcode watchUpdates} uses. */
export interface WatchUpdatesContainer {
  /** Asks the browser for the registration of a URL. */
  getRegistration(url: string): Promise<unknown>;
  /** Tells what workers post. */
  addEventListener(
    type: "message",
    listener: (
      event: { readonly data: unknown; readonly source: object | null },
    ) => void,
    options: { signal: AbortSignal },
  ): void;
}

/** The part of a `Window` that {@linkcode watchUpdates} uses. */
export interface WatchUpdatesPage {
  /** Tells when the page comes back from the back/forward cache. */
  addEventListener(
    type: "pageshow",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** Options for {@linkcode watchUpdates}. */
export interface WatchUpdatesOptions {
  /**
   * Ends all iterators, which then reject with the signal's reason. Without one,
   * an iterator ends by `break`; until then it waits for the next update without
   * a deadline, as there may never be one.
   */
  signal?: AbortSignal | undefined;
  /**
   * Where the reports of workers arrive. They do once the document is parsed, or
   * `startMessages()` was called.
   *
   * @default {navigator.serviceWorker}
   */
  container?: WatchUpdatesContainer | undefined;
  /**
   * The page that may go to the back/forward cache.
   *
   * @default {globalThis}
   */
  page?: WatchUpdatesPage | undefined;
}

/**
 * A fact about a new worker. Whatever was said of the same worker before is over.
 *
 * @typeParam W The type of the worker.
 */
export type WatchedUpdate<W> =
  & {
    /** The worker that it is about, to ask it for its version, or to apply it. */
    readonly worker: W;
    /**
     * Whether there was no worker before: then it is not an update. An "active"
     * one says that the app is ready to be used offline.
     */
    readonly first: boolean;
  }
  & (
    | {
      /**
       * "installing": it handles its `install` event. "waiting": it has been
       * installed for a second, and waits until no page uses the active one, or
       * for `skipWaiting()`. "active": it has handled its `activate` event.
       */
      readonly state: "installing" | "waiting" | "active";
    }
    | {
      /** It could not be installed. The worker before it, if any, goes on. */
      readonly state: "failed";
      /**
       * Name and message of the error that `reportInstall` reported; if no report
       * comes in a second, an "UnknownError".
       */
      readonly reason: DOMException;
    }
  );

type Told =
  | { state: "installing" | "waiting" | "active" }
  | { state: "failed"; reason: DOMException };

interface Platform extends WatchUpdatesPage {
  readonly navigator?: { readonly serviceWorker?: WatchUpdatesContainer };
}

const KEY = "@serviceworker/std";
/** How long something may take that is a matter of moments. */
const PATIENCE = 1_000;

/**
 * Follows the updates of a registration, whoever looks for them: this page,
 * another one, or the browser. What waits or is being installed when the
 * iteration starts comes first; after that nothing is lost while the loop's body
 * is busy, or the page frozen or in the back/forward cache, and each fact comes
 * once. (A page in Firefox's cache does not learn of what failed meanwhile.)
 * Nothing happens before the iteration starts; start it when the promise of
 * `register()` has resolved, or the first installation may be over.
 *
 * Most workers are told as "installing", "waiting", "active". The first one, and
 * one that calls `skipWaiting()`, are not told as "waiting", unless the old worker
 * is busy for more than a second, so that it does wait. One that is replaced by a
 * newer one while it waits is not told of again: the latest fact counts. There is
 * no fact of an `unregister()`, but a worker that it cuts off in its installation
 * has "failed".
 *
 * @typeParam W The type of the workers, e.g. `ServiceWorker`.
 * @param registration The registration to watch.
 * @param options Additional options.
 * @returns The facts, in their order for each worker.
 *
 * @example Offering what is new
 * ```ts
 * import { watchUpdates } from "@serviceworker/std/lifecycle/watch-updates";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for the browser.
 * const host = createHost({ scripts: { "/sw.js": "// 1" } });
 * await host.register("/sw.js");
 * const page = await host.openWindow("/");
 * host.deploy("/sw.js", "// 2");
 *
 * const registration = await page.serviceWorker.ready;
 * const said: string[] = [];
 * registration.update();
 * for await (const update of watchUpdates(registration)) {
 *   if (update.state === "failed") said.push(update.reason.message);
 *   if (update.state === "active" && update.first) said.push("Works offline");
 *   if (update.state === "waiting") {
 *     said.push("There is a new version");
 *     break; // In the app: go on, another one may come.
 *   }
 * }
 *
 * assertEquals(said, ["There is a new version"]);
 * host.close();
 * ```
 */
export function watchUpdates<W extends WatchUpdatesWorker>(
  registration: WatchUpdatesRegistration<W>,
  options: WatchUpdatesOptions = {},
): AsyncIterable<WatchedUpdate<W>> {
  const {
    signal,
    container = platform().navigator?.serviceWorker,
    page = platform(),
  } = options;
  return { [Symbol.asyncIterator]: follow };

  function follow(): AsyncIterator<WatchedUpdate<W>> {
    const over = new AbortController();
    const until = { signal: over.signal };
    /** What to do when a worker may have changed. */
    const known = new Map<W, () => void>();
    const reports = new Map<object, PromiseWithResolvers<DOMException>>();
    let isFirst = registration.active === null;
    let controller: ReadableStreamDefaultController<WatchedUpdate<W>>;

    function start(it: typeof controller): void {
      controller = it;
      if (signal?.aborted) return it.error(signal.reason);
      signal?.addEventListener("abort", () => {
        over.abort();
        it.error(signal.reason);
      }, until);
      registration.addEventListener("updatefound", look, until);
      // Firefox fires no event for what happens in the back/forward cache.
      page.addEventListener("pageshow", look, until);
      container?.addEventListener("message", hear, until);
      if (registration.active) known.set(registration.active, () => {});
      look();
    }

    function look(): void {
      const { active, waiting, installing } = registration;
      for (const worker of [active, waiting, installing]) {
        if (worker && !known.has(worker)) know(worker);
      }
      for (const step of known.values()) step();
    }

    function know(worker: W): void {
      const first = isFirst;
      let isInstalled = false;
      let last = "";

      function tell(update: Told): void {
        if (over.signal.aborted) return;
        controller.enqueue({ ...update, first, worker });
      }

      async function tellWaiting(): Promise<void> {
        // One that skips it waits all the same while the old worker stops. The
        // browser's answer comes after the news of that.
        await pause();
        await container?.getRegistration(registration.scope).catch(() => {});
        const isWaiting = worker.state === "installed" && registration.active;
        if (isWaiting) tell({ state: "waiting" });
      }

      async function tellFailure(): Promise<void> {
        const { promise, resolve } = reportOf(worker);
        // A report comes another way, and may be late.
        pause().then(() => resolve(unreported(worker)));
        tell({ state: "failed", reason: await promise });
      }

      function step(): void {
        const { state } = worker;
        if (state === last || state === "parsed") return;
        last = state;
        if (state === "installing") return tell({ state });
        if (state === "redundant") {
          // One that was installed has been replaced.
          if (!isInstalled) tellFailure();
          return;
        }
        isInstalled = true;
        isFirst = false;
        if (state === "installed") tellWaiting();
        if (state === "activated") tell({ state: "active" });
      }

      known.set(worker, step);
      worker.addEventListener("statechange", step, until);
    }

    function hear(event: { data: unknown; source: object | null }): void {
      const { data, source } = event;
      const message = isObject(data) && isObject(data[KEY]) ? data[KEY] : {};
      const report = message.installFailed;
      // In all engines the source is the very object of the worker that failed.
      if (!source || !isObject(report)) return;
      reportOf(source).resolve(
        new DOMException(String(report.message), String(report.name)),
      );
    }

    function reportOf(worker: object): PromiseWithResolvers<DOMException> {
      const report = reports.get(worker) ?? Promise.withResolvers();
      reports.set(worker, report);
      return report;
    }

    function pause(): Promise<void> {
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, PATIENCE);
        over.signal.addEventListener("abort", () => clearTimeout(timer));
      });
    }

    // A stream is the buffer; not every engine can iterate one by itself.
    const reader = new ReadableStream<WatchedUpdate<W>>({
      start,
      cancel: () => over.abort(),
    }).getReader();
    const done = () => ({ done: true as const, value: undefined });
    return {
      next: () => reader.read() as Promise<IteratorResult<WatchedUpdate<W>>>,
      return: () => reader.cancel().then(done, done),
    };
  }
}

function platform(): Platform {
  return globalThis as unknown as Platform;
}

function unreported({ scriptURL }: WatchUpdatesWorker): DOMException {
  return new DOMException(
    `Cannot install ${scriptURL}: it became redundant without a report of why`,
    "UnknownError",
  );
}

/** The fields of what came from elsewhere. */
type Fields = Readonly<
  Partial<Record<typeof KEY | "installFailed" | "name" | "message", unknown>>
>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}
