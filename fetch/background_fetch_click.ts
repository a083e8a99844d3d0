// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Bring the user to what a download is about, when the browser's own entry for it
 * is clicked: the worker's listener for `backgroundfetchclick`, beside
 * `createBackgroundFetch()`. Where the browser has no Background Fetch it shows no
 * entry, so that there is nothing to click.
 *
 * @module
 */

/** The part of a `WindowClient` that {@linkcode backgroundFetchClick} uses. */
export interface BackgroundFetchClickClient {
  /** Where the client is. */
  readonly url: string;
  /** Whether it is a frame: "nested". */
  readonly frameType: string;
  /** Gives it the focus, after a click. */
  focus(): Promise<unknown>;
}

/** The part of a worker's `self` that {@linkcode backgroundFetchClick} uses. */
export interface BackgroundFetchClickScope {
  /** The windows. */
  readonly clients: {
    /** Resolves with the windows, the most recently focused first. */
    matchAll(options: {
      includeUncontrolled: boolean;
      type: "window";
    }): Promise<readonly BackgroundFetchClickClient[]>;
    /** Opens a window, after a click. */
    openWindow(url: string): Promise<unknown>;
  };
  /** The worker's registration. */
  readonly registration: {
    /** What the URL is relative to. */
    readonly scope: string;
  };
}

/** The download that was clicked. */
export interface BackgroundFetchClicked {
  /** Its identifier. */
  readonly id: string;
  /** "success", "failure", or nothing while it is running, as it mostly is. */
  readonly result: string;
}

/** The part of a `backgroundfetchclick` event that {@linkcode backgroundFetchClick} uses. */
export interface BackgroundFetchClickEvent {
  /** What was clicked. */
  readonly registration: BackgroundFetchClicked;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * Makes the listener for `backgroundfetchclick`. It focuses the window that shows
 * the URL already, or else opens one, inside the event's `waitUntil()`. A URL that
 * differs in its fragment alone is another one.
 *
 * @param scope The worker's `self`.
 * @param toURL Says at once where the user is brought to, relative to the scope of
 * the registration.
 * @returns The listener.
 *
 * @example Showing the episode that is being downloaded
 * ```ts
 * import { backgroundFetchClick } from "@serviceworker/std/fetch/background-fetch-click";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost({ network: () => new Response("an episode") });
 * await host.register((self) => {
 *   self.addEventListener(
 *     "backgroundfetchclick",
 *     backgroundFetchClick(self, ({ id }) => `/episodes/${id}`),
 *   );
 * });
 * const page = await host.openWindow("/");
 * const { backgroundFetch } = await page.serviceWorker.ready;
 * await backgroundFetch?.fetch("7", `${host.origin}/7.mp3`);
 *
 * await host.backgroundFetches[0]?.click();
 * await host.idle();
 * assertEquals(host.windows.map(({ url }) => new URL(url).pathname), [
 *   "/",
 *   "/episodes/7",
 * ]);
 * host.close();
 * ```
 */
export function backgroundFetchClick(
  scope: BackgroundFetchClickScope,
  toURL: (registration: BackgroundFetchClicked) => string | URL,
): (event: BackgroundFetchClickEvent | Event) => void {
  return (event) => {
    // TypeScript does not know the event.
    const click = event as BackgroundFetchClickEvent;
    const url = new URL(toURL(click.registration), scope.registration.scope);
    click.waitUntil(show(scope, url.href));
  };
}

async function show(
  { clients }: BackgroundFetchClickScope,
  href: string,
): Promise<void> {
  const windows = await clients.matchAll({
    includeUncontrolled: true,
    type: "window",
  });
  const shown = windows.find(({ url, frameType }) =>
    url === href && frameType !== "nested"
  );
  if (shown) await shown.focus();
  else await clients.openWindow(href);
}
