// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Bring the user to what a notification is about. `notificationClick` runs in the
 * worker: it focuses the window that shows the URL already, navigates another, or
 * opens one. Safari on phones opens the start URL of an installed app instead; so
 * the target is kept meanwhile, and `takeNotificationTarget` gives it to the page.
 *
 * ```text
 * data   { "@serviceworker/std": { navigate, actions: { [action]: navigate } } }
 *        of a notification, as `notify` shows it
 * store  notification-click/target: { url, at }, when the click was, as of Date.now()
 * ```
 *
 * @module
 */

/** The part of a `WindowClient` that {@linkcode notificationClick} uses. */
export interface NotificationClickClient {
  /** Where the client is. */
  readonly url: string;
  /** Whether it is a frame: "nested". */
  readonly frameType: string;
  /** Gives it the focus, after a click. */
  focus(): Promise<unknown>;
  /** Sends it to another URL, if this worker controls it. */
  navigate(url: string): Promise<unknown>;
}

/** The part of a worker's `self` that {@linkcode notificationClick} uses. */
export interface NotificationClickScope {
  /** The windows. */
  readonly clients: {
    /** Resolves with the windows, the most recently focused first. */
    matchAll(options: {
      includeUncontrolled: boolean;
      type: "window";
    }): Promise<readonly NotificationClickClient[]>;
    /** Opens a window, after a click. */
    openWindow(url: string): Promise<{ readonly url: string } | null>;
  };
  /** The worker's registration. */
  readonly registration: {
    /** The URL that all URLs of the app begin with. */
    readonly scope: string;
  };
}

/** The part of a `notificationclick` event that {@linkcode notificationClick} uses. */
export interface NotificationClickEvent {
  /** The button that was clicked; empty if it was the notification itself. */
  readonly action: string;
  /** What was clicked. */
  readonly notification: {
    /** What was shown with it. It is as untrusted as the message it came from. */
    readonly data: unknown;
    /** Removes it. */
    close(): void;
  };
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** Where the target is kept until the page has it; any store that lasts. */
export interface NotificationClickStore {
  /** Stores a value. */
  set(key: string, value: unknown): Promise<void>;
  /** Deletes a key. */
  delete(key: string): Promise<void>;
}

/** Where {@linkcode takeNotificationTarget} finds the target. */
export interface NotificationTargetStore {
  /** Runs `work` in a transaction. */
  transact<T>(
    work: (transaction: {
      get(key: string): Promise<unknown>;
      delete(key: string): void;
    }) => Promise<T>,
  ): Promise<T>;
}

/** Options for {@linkcode notificationClick}. */
export interface NotificationClickOptions {
  /**
   * What is done for an action, by its name; `""` is a click on the notification
   * itself. A URL that is returned, relative to the scope of the registration, is
   * where the user is brought to; otherwise nothing more happens. Do not take long:
   * browsers let a worker open a window for a second or so after the click.
   *
   * Without a function, the URL is what the notification says for the action or for
   * itself, or else the scope.
   */
  readonly actions?:
    | Readonly<
      Record<
        string,
        (event: NotificationClickEvent) =>
          | string
          | URL
          | undefined
          | void
          | Promise<string | URL | undefined | void>
      >
    >
    | undefined;
  /**
   * The origins of URLs that the user can be brought to; instead of others, it is
   * the scope. Of http and https URLs only.
   *
   * @default {[that of the registration]}
   */
  readonly origins?: readonly string[] | undefined;
  /**
   * Brings the user to a URL, and resolves with `true` if the user is there. It
   * replaces what is done here: `launch()` of the same collection hands the URL to
   * a page that is open, rather than to navigate it, and lose what it is doing.
   */
  readonly open?: ((url: string) => unknown) | undefined;
  /**
   * Where the target is kept for {@linkcode takeNotificationTarget}. Without one,
   * users of an installed app on an iPhone see its start page.
   */
  readonly store?: NotificationClickStore | undefined;
}

/** What is kept. */
interface Target {
  readonly url: string;
  readonly at: number;
}

const KEY = "@serviceworker/std";
const PATH = "notification-click/target";
/** How long a click waits for the store: it does not last much longer. */
const PATIENCE = 300;
/** How long an app may take to start. */
const FRESH = 60_000;

/**
 * Makes a listener for `notificationclick` events, which closes the notification
 * and brings the user to its URL, inside `waitUntil()`:
 *
 * 1. A window that shows the URL gets the focus.
 * 2. Otherwise the window that had the focus last, of those that this worker
 *    controls, gets the focus and is navigated.
 * 3. Otherwise, and for URLs of another origin, a window is opened.
 *
 * What is thrown by a function of `options.actions`, or by the browser if it opens
 * no window, rejects the promise that the event waits for.
 *
 * Spec: https://notifications.spec.whatwg.org/#activating-a-notification
 *
 * @param scope The worker's `self`.
 * @param options Additional options.
 * @returns The listener.
 *
 * @example Opening the episode, or playing it
 * ```ts
 * import { notificationClick } from "@serviceworker/std/push/notification-click";
 * import { notify } from "@serviceworker/std/push/notify";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * await host.register((self) => { // The worker.
 *   const fallback = { title: "A new episode" };
 *   self.addEventListener("push", notify(self.registration, { fallback }));
 *   self.addEventListener(
 *     "notificationclick",
 *     notificationClick(self, { actions: { later: () => {} } }),
 *   );
 * });
 *
 * await host.deliverPushMessage(JSON.stringify({
 *   title: "Episode 7",
 *   navigate: "/episodes/7",
 *   actions: [
 *     { action: "play", title: "Play", navigate: "/episodes/7?play" },
 *     { action: "later", title: "Later" },
 *   ],
 * }));
 * await host.notifications[0]?.click("play");
 * assertEquals(host.windows[0]?.url, "https://example.test/episodes/7?play");
 * host.close();
 * ```
 */
export function notificationClick(
  scope: NotificationClickScope,
  options: NotificationClickOptions = {},
): (event: NotificationClickEvent) => void {
  const { clients, registration } = scope;
  const { origin } = new URL(registration.scope);
  const { actions = {}, origins = [origin], open = show, store } = options;

  async function handle(event: NotificationClickEvent): Promise<void> {
    const { action, notification } = event;
    notification.close();
    const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
    const target = act ? await act(event) : targetOf(notification.data, action);
    if (act && !target) return;
    const url = toAllowed(target || "", registration.scope, origins);

    const kept = keep(url);
    await withPatience(kept);
    const arrived = await open(url);
    // Not before it is there.
    await kept;
    if (arrived === true) await store?.delete(PATH);
  }

  async function keep(url: string): Promise<void> {
    if (!store || new URL(url).origin !== origin) return;
    const target: Target = { url, at: Date.now() };
    try {
      await store.set(PATH, target);
    } catch {
      // The user is brought there all the same, unless the browser is Safari.
    }
  }

  /** Brings the user to a URL, and resolves with whether that is certain. */
  async function show(url: string): Promise<boolean> {
    const find = async (includeUncontrolled: boolean) => {
      const query = { includeUncontrolled, type: "window" } as const;
      const found = await clients.matchAll(query);
      return found.filter(({ frameType }) => frameType !== "nested");
    };
    for (const client of await find(true)) {
      if (client.url === url && await focus(client)) return true;
    }
    for (
      const client of new URL(url).origin === origin ? await find(false) : []
    ) {
      if (!await focus(client)) continue;
      try {
        await client.navigate(url);
        return true;
      } catch {
        // It is gone, and the click does not last for another window.
        return false;
      }
    }
    const opened = await clients.openWindow(url);
    return opened?.url === url;
  }

  return (event) => event.waitUntil(handle(event));
}

/**
 * Takes the target of a click on a notification that has opened the app elsewhere.
 * Call it when a page starts, and go there: it resolves with a URL once, within a
 * minute after the click, and if the page is not there already.
 *
 * A target that the server redirects is loaded twice.
 *
 * @param page The page's `window`.
 * @param store The store of {@linkcode notificationClick}.
 * @returns The URL, of the origin of the page; `undefined` if there is none.
 *
 * @example Going where the click was meant to lead
 * ```ts
 * import { takeNotificationTarget } from "@serviceworker/std/push/notification-click";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * const store = memoryStore(); // openStore("podcast")
 * const url = "https://example.com/episodes/7";
 * await store.set("notification-click/target", { url, at: Date.now() });
 *
 * const page = { // Stands for `window`.
 *   location: { href: "https://example.com/", origin: "https://example.com" },
 * };
 * const target = await takeNotificationTarget(page, store);
 * // In the page: if (target) location.replace(target);
 * assertEquals(target, url);
 * assertEquals(await takeNotificationTarget(page, store), undefined);
 * ```
 */
export async function takeNotificationTarget(
  page: {
    readonly location: { readonly href: string; readonly origin: string };
  },
  store: NotificationTargetStore,
): Promise<string | undefined> {
  const { href, origin } = page.location;
  const target = await store.transact(async (transaction) => {
    const found = await transaction.get(PATH);
    if (found !== undefined) transaction.delete(PATH);
    return Object(found) as Partial<Target>;
  });
  const { url, at = -Infinity } = target;
  const age = Date.now() - at;
  const isFresh = age >= 0 && age < FRESH;
  if (!isFresh || !url?.startsWith(`${origin}/`) || url === href) return;
  return url;
}

/** Resolves with whether the client is there: with the focus, if there was a click. */
async function focus(client: NotificationClickClient): Promise<boolean> {
  try {
    await client.focus();
    return true;
  } catch (error) {
    return (error as Error).name === "InvalidAccessError";
  }
}

/** Where a notification of `notify` leads to. */
function targetOf(data: unknown, action: string): string | undefined {
  const { navigate, actions } = Object(Object(data)[KEY]);
  const own = Object.hasOwn(Object(actions), action);
  const target = own ? actions[action] : navigate;
  return typeof target === "string" ? target : undefined;
}

/** The URL, or that of the scope if it is none that the user can be brought to. */
function toAllowed(
  target: string | URL,
  scope: string,
  origins: readonly string[],
): string {
  try {
    const url = new URL(String(target), scope);
    const isAllowed = /^https?:$/.test(url.protocol) &&
      origins.includes(url.origin) && !url.username && !url.password;
    return isAllowed ? url.href : scope;
  } catch {
    return scope;
  }
}

async function withPatience(work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
