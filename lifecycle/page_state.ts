// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Follow what the browser does with a page: whether it is used, seen, hidden,
 * frozen, or kept for when the user goes back.
 *
 * A page can tell its worker, as client data, so that the worker knows that an
 * answer of a frozen page will be late: it gets its messages when it resumes.
 *
 * @module
 */

/**
 * A state of a page:
 *
 * - "active": seen, and has the focus.
 * - "passive": seen, and something else has the focus.
 * - "hidden": not seen, but running; its timers may be slow.
 * - "frozen": about to stop; nothing runs before it resumes.
 * - "bfcached": about to stop, as the user has left it; nothing runs before the
 *   user goes back. Its worker does not see it as a client meanwhile.
 * - "discarded": it was thrown away while it was hidden, and has been loaded
 *   again.
 */
export type PageState =
  | "active"
  | "passive"
  | "hidden"
  | "frozen"
  | "bfcached"
  | "discarded";

/** The part of an event of the page that {@linkcode pageState} uses. */
export interface PageStateEvent {
  /** What happened. */
  readonly type: string;
  /** Only of `pagehide` and `pageshow`: whether the page is kept. */
  readonly persisted?: boolean | undefined;
}

/** The part of a `Window` that {@linkcode pageState} uses. */
export interface PageStateWindow {
  /** The page. */
  readonly document: {
    /** Whether it is seen. */
    readonly visibilityState: string;
    /** Whether the browser had discarded it; missing in some browsers. */
    readonly wasDiscarded?: boolean | undefined;
    /** Whether it, or a frame in it, has the focus. */
    hasFocus(): boolean;
  };
  /** Tells when that may have changed. */
  addEventListener(
    type: string,
    listener: (event: PageStateEvent) => void,
    options: { capture: true; signal: AbortSignal },
  ): void;
}

/** Options for {@linkcode pageState}. */
export interface PageStateOptions {
  /**
   * Ends all iterators, which then reject with the signal's reason. Without one,
   * an iterator ends by `break`; until then it waits for the next state without
   * a deadline.
   */
  signal?: AbortSignal | undefined;
}

const EVENTS = [
  "blur",
  "focus",
  "freeze",
  "pagehide",
  "pageshow",
  "resume",
  "visibilitychange",
];

/**
 * Follows the states of the page. Each `for await` begins with the state at that
 * moment, and gives every later one once and in order, even to a consumer that
 * is busy. In a page that the browser had discarded, "discarded" comes first.
 *
 * "frozen" and "bfcached" come in the last moment. What the loop does with them
 * has to happen at once: whatever it awaits, it gets when the page is back. So
 * do not await in the loop what takes time, or the state comes too late. And begin
 * nothing when the page is "bfcached": Firefox does not keep a page that, say,
 * awaits an answer of its worker.
 *
 * Not every browser tells everything. Only Chromium has `freeze`, and
 * `document.wasDiscarded`; others freeze and discard pages too, without a word.
 * A page that is kept for going back may be thrown away there, also without one.
 *
 * Spec: https://wicg.github.io/page-lifecycle/
 *
 * @param page The page's `window`.
 * @param options Additional options.
 * @returns The states.
 *
 * @example Letting the worker know
 * ```ts
 * import { pageState } from "@serviceworker/std/lifecycle/page-state";
 * import { setClientData } from "@serviceworker/std/channel/client-data";
 * import { assertEquals } from "@std/assert";
 *
 * const client = navigator.serviceWorker; // Missing in Deno.
 * async function tellWorker(page: Window, signal: AbortSignal) {
 *   for await (const state of pageState(page, { signal })) {
 *     // The worker does not see it then.
 *     if (state === "bfcached") continue;
 *     // Not awaited, as the page may stop.
 *     setClientData(client, { state }, { signal }).catch(() => {});
 *   }
 * }
 *
 * // In the worker, some browsers tell by themselves.
 * const isLate = (client: { lifecycleState?: string }, data: unknown) =>
 *   (client.lifecycleState ?? (data as { state?: string })?.state) === "frozen";
 *
 * assertEquals(typeof tellWorker, "function");
 * assertEquals(isLate({}, { state: "frozen" }), true);
 * ```
 *
 * @example Saving before the page may be gone
 * ```ts
 * import { pageState } from "@serviceworker/std/lifecycle/page-state";
 * import { assertEquals } from "@std/assert";
 *
 * const page = Object.assign(new EventTarget(), { // Stands for `window`.
 *   document: { visibilityState: "hidden", hasFocus: () => false },
 * });
 *
 * let saved = false;
 * for await (const state of pageState(page)) {
 *   if (state === "hidden") {
 *     saved = true;
 *     break;
 *   }
 * }
 * assertEquals(saved, true);
 * ```
 */
export function pageState(
  page: PageStateWindow,
  options: PageStateOptions = {},
): AsyncIterable<PageState> {
  const { signal } = options;
  return { [Symbol.asyncIterator]: follow };

  function follow(): AsyncIterator<PageState> {
    const over = new AbortController();

    function start(controller: ReadableStreamDefaultController<PageState>) {
      let isFrozen = false;
      let isCached = false;
      let last: PageState | undefined;

      function give(state: PageState): void {
        if (state !== last) controller.enqueue(state);
        last = state;
      }

      /** Engines fire these in different orders, and some not at all. */
      function look(event?: PageStateEvent): void {
        switch (event?.type) {
          case "freeze":
            isFrozen = true;
            break;
          case "resume":
            isFrozen = false;
            break;
          case "pagehide":
            isCached = event.persisted === true;
            break;
          case "pageshow":
            isFrozen = isCached = false;
        }
        if (isCached) give("bfcached");
        else if (isFrozen) give("frozen");
        else if (page.document.visibilityState === "hidden") give("hidden");
        else give(page.document.hasFocus() ? "active" : "passive");
      }

      if (signal?.aborted) return controller.error(signal.reason);
      signal?.addEventListener("abort", () => {
        over.abort();
        controller.error(signal.reason);
      }, { signal: over.signal });
      // Captured, as not all of them bubble from the document.
      for (const type of EVENTS) {
        page.addEventListener(type, look, {
          capture: true,
          signal: over.signal,
        });
      }
      if (page.document.wasDiscarded) give("discarded");
      look();
    }

    // A stream is the buffer; not every engine can iterate one by itself.
    const reader = new ReadableStream<PageState>({
      start,
      cancel: () => over.abort(),
    }).getReader();
    const done = () => ({ done: true as const, value: undefined });
    return {
      next: () => reader.read() as Promise<IteratorResult<PageState>>,
      return: () => reader.cancel().then(done, done),
    };
  }
}
