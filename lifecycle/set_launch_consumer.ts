// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Receive in a page what the app was launched with, from the browser's own
 * `launchQueue`, and from the worker's `launch`, which stands in for it where the
 * browser has none, or leaves a click to the worker.
 *
 * @module
 */

/** What the app was launched with, as in a `LaunchParams`. */
export interface Launch {
  /** The URL; `null` if there was none. */
  readonly targetURL: string | null;
  /** Handles of the files that were opened. A worker has none to give. */
  readonly files: readonly unknown[];
}

/** The part of a `Window` that {@linkcode setLaunchConsumer} uses. */
export interface SetLaunchConsumerWindow {
  /** What the browser launched the app with; missing in some browsers. */
  readonly launchQueue?: {
    /** Hands over what is queued, and what comes. */
    setConsumer(consumer: (launch: Launch) => unknown): void;
  } | undefined;
  /** Where the page is. */
  readonly location: { readonly origin: string };
  /** Where the worker's messages arrive. */
  readonly navigator: {
    readonly serviceWorker?: {
      addEventListener(
        type: "message",
        listener: (event: MessageEvent) => void,
        options: AddEventListenerOptions,
      ): void;
    } | undefined;
  };
}

/** Options for {@linkcode setLaunchConsumer}. */
export interface SetLaunchConsumerOptions {
  /**
   * Ends it: the consumer is not called again. What the browser launches from
   * then on is lost, as its queue cannot be left. Without one, the consumer is
   * set for as long as the page is there.
   */
  signal?: AbortSignal | undefined;
}

const KEY = "@serviceworker/std";

/**
 * Has a consumer called for every launch: those that the browser has queued for
 * this page, as a late consumer gets them too, and those that come.
 *
 * It is called in every client mode. If the app was launched with a navigation,
 * that is where this page is already, so that `location.href` is the target. A
 * launch by the worker reaches a page of which the consumer is set within five
 * seconds; later, the worker navigates the page to the target.
 *
 * Set one consumer: the browser's queue forgets the one before.
 *
 * Only Chromium has a `launchQueue`, and launches what is installed only.
 *
 * Spec: https://wicg.github.io/web-app-launch/#launchqueue-interface
 *
 * @param page The page's `window`.
 * @param consumer Called with each launch. What it throws is reported as an error
 * of the page. The URL has the origin of the page, but may have come from a
 * notification: what it asks for is a wish.
 * @param options Additional options.
 *
 * @example Playing what the app was launched with
 * ```ts
 * import { setLaunchConsumer } from "@serviceworker/std/lifecycle/set-launch-consumer";
 * import { assertEquals } from "@std/assert";
 *
 * const page = { // Stands for `window`, in a browser that has the queue.
 *   launchQueue: {
 *     setConsumer: (consumer: (launch: {
 *       targetURL: string;
 *       files: [];
 *     }) => unknown) =>
 *       consumer({ targetURL: "https://example.com/play?episode=7", files: [] }),
 *   },
 *   location: { origin: "https://example.com" },
 *   navigator: {},
 * };
 *
 * let playing: string | null = null;
 * setLaunchConsumer(page, ({ targetURL }) => {
 *   if (targetURL) playing = new URL(targetURL).searchParams.get("episode");
 * });
 * assertEquals(playing, "7");
 * ```
 */
export function setLaunchConsumer(
  page: SetLaunchConsumerWindow,
  consumer: (launch: Launch) => unknown,
  options: SetLaunchConsumerOptions = {},
): void {
  const { signal } = options;
  if (signal?.aborted) return;
  /** A worker repeats what it gets no answer to. */
  const consumed = new Set<unknown>();

  page.launchQueue?.setConsumer(({ targetURL, files }) => {
    if (!signal?.aborted) consumer({ targetURL, files });
  });
  page.navigator.serviceWorker?.addEventListener(
    "message",
    ({ data, ports }) => {
      const { id, targetURL } = launchOf(data);
      if (typeof targetURL !== "string") return;
      if (!targetURL.startsWith(`${page.location.origin}/`)) return;
      ports[0]?.postMessage({ [KEY]: { launch: { id } } });
      ports[0]?.close();
      if (consumed.has(id)) return;
      consumed.add(id);
      consumer({ targetURL, files: [] });
    },
    signal ? { signal } : {},
  );
}

/** What a message has under our key, if it has anything. */
function launchOf(data: unknown): { id?: unknown; targetURL?: unknown } {
  return Object(Object(Object(data)[KEY]).launch);
}
