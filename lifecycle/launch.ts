// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Bring the user to a URL of the app, as the browser does when an installed app
 * is launched with a `launch_handler` in its manifest: in a window that is open
 * already, which is navigated or just told, or in a new one. This is the worker's
 * half, for what the browser leaves to it, such as a click on a notification;
 * `setLaunchConsumer` is the page's half.
 *
 * ```text
 * launch { "@serviceworker/std": { launch: { id, targetURL } } }, with a port
 * reply  { "@serviceworker/std": { launch: { id } } }
 * ```
 *
 * @module
 */

/**
 * The part of a `WindowClient` that {@linkcode launch} uses.
 *
 * @typeParam C The type of the clients.
 */
export interface LaunchClient<C> {
  /** The client's identifier. */
  readonly id: string;
  /** Where the client is. */
  readonly url: string;
  /** Whether it is a frame: "nested". */
  readonly frameType: string;
  /** Gives it the focus, after a click. */
  focus(): Promise<unknown>;
  /** Sends it to another URL, if this worker controls it. */
  navigate(url: string): Promise<C | null>;
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/**
 * The part of a worker's `self` that {@linkcode launch} uses.
 *
 * @typeParam C The type of the clients.
 */
export interface LaunchScope<C extends LaunchClient<C>> {
  /** The windows. */
  readonly clients: {
    /** Resolves with the windows, the most recently focused first. */
    matchAll(options: {
      includeUncontrolled: boolean;
      type: "window";
    }): Promise<readonly C[]>;
    /** Opens a window, after a click. */
    openWindow(url: string): Promise<C | null>;
  };
  /** The worker's registration. */
  readonly registration: {
    /** The URL that all URLs of the app begin with. */
    readonly scope: string;
  };
}

/** Where to launch, as `client_mode` in a manifest says. */
export type LaunchClientMode =
  | "focus-existing"
  | "navigate-existing"
  | "navigate-new";

/** Options for {@linkcode launch}. */
export interface LaunchOptions {
  /**
   * Where to launch.
   *
   * @default {"focus-existing"}
   */
  clientMode?: LaunchClientMode | undefined;
  /**
   * Ends it; the promise then rejects with the signal's reason, though a window
   * may be open or focused already. It replaces the default deadline of 30
   * seconds, after which the promise rejects with a "TimeoutError".
   */
  signal?: AbortSignal | undefined;
}

/**
 * What {@linkcode launch} did.
 *
 * @typeParam C The type of the clients.
 */
export interface Launched<C> {
  /** The window; `null` if it cannot be seen, as on another origin. */
  readonly client: C | null;
  /** What became of `options.clientMode`. */
  readonly clientMode: LaunchClientMode;
  /** Whether the window was given the focus, which takes a click. */
  readonly focused: boolean;
  /** Whether the page's consumer got the target URL. */
  readonly consumed: boolean;
}

const KEY = "@serviceworker/std";
const SECOND = 1_000;
const DEADLINE = 30_000;
/** How long a page may take to set its consumer. */
const PATIENCE = 5_000;
/** A message that comes before somebody listens is lost. */
const REPEAT_EVERY = 200;

/**
 * Launches the app with a URL, in the window that had the focus last:
 *
 * - "focus-existing" focuses the window, and its consumer gets the URL. If it has
 *   none after five seconds, the window is navigated, provided that this worker
 *   controls it.
 * - "navigate-existing" focuses and navigates a window that this worker controls.
 * - "navigate-new" opens a window, as the others do if there is none.
 *
 * The consumer of a page that was loaded for the launch gets the URL as well, if
 * it is set within five seconds after that; in Firefox not if the server redirects
 * a window that was navigated.
 *
 * Call it inside `event.waitUntil()`, in a `notificationclick`, before anything
 * that takes time: browsers let a worker focus or open one window, and for a few
 * seconds after the click only. In other events, `fetch` among them, they refuse.
 * An existing window then gets the URL without the focus, and a new one rejects.
 * So a link that opens in a second window stays there: a worker can tell the
 * first window, but neither focus it nor close the second.
 *
 * Spec: https://wicg.github.io/web-app-launch/
 *
 * @typeParam C The type of the clients.
 * @param scope The worker's `self`.
 * @param url The URL, relative to the scope. Where it comes from a message, as
 * that of a push, it is as untrusted as the message.
 * @param options Additional options.
 * @returns The window, and what happened to it.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {TypeError} If the URL is invalid.
 * @throws {DOMException} Named "SecurityError" if the URL is outside of the scope
 * of the registration; "InvalidAccessError" if a window would have to be opened,
 * but there was no click; "TimeoutError" if it took more than 30 seconds.
 *
 * @example Bringing the user to what a notification is about
 * ```ts
 * import { launch } from "@serviceworker/std/lifecycle/launch";
 * import { assertRejects } from "@std/assert";
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * sw.addEventListener("notificationclick", (event) => {
 *   event.notification.close();
 *   event.waitUntil(launch(sw, event.notification.data.url));
 * });
 *
 * const scope = { // Stands for `self`.
 *   clients: { matchAll: async () => [], openWindow: async () => null },
 *   registration: { scope: "https://example.com/app/" },
 * };
 * await launch(scope, "episodes/7");
 * await assertRejects(
 *   () => launch(scope, "https://evil.example/"),
 *   DOMException,
 *   "it is outside of https://example.com/app/",
 * );
 * ```
 */
export async function launch<C extends LaunchClient<C>>(
  scope: LaunchScope<C>,
  url: string | URL,
  options: LaunchOptions = {},
): Promise<Launched<C>> {
  const { clientMode = "focus-existing", signal } = options;
  signal?.throwIfAborted();
  const targetURL = new URL(url, scope.registration.scope).href;
  if (!targetURL.startsWith(scope.registration.scope)) {
    const fact = `it is outside of ${scope.registration.scope}`;
    throw failure(targetURL, fact, "SecurityError");
  }

  const over = new AbortController();
  const ended = Promise.withResolvers<never>();
  over.signal.addEventListener("abort", () => ended.reject(over.signal.reason));
  const abort = () => over.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  const timer = signal ? undefined : setTimeout(() => {
    const fact = `it took more than ${DEADLINE / SECOND} seconds`;
    over.abort(failure(targetURL, fact, "TimeoutError"));
  }, DEADLINE);
  try {
    const work = launchIn(scope, targetURL, clientMode, over.signal);
    return await Promise.race([work, ended.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
    clearTimeout(timer);
  }
}

async function launchIn<C extends LaunchClient<C>>(
  { clients, registration }: LaunchScope<C>,
  targetURL: string,
  clientMode: LaunchClientMode,
  signal: AbortSignal,
): Promise<Launched<C>> {
  const query = { includeUncontrolled: true, type: "window" } as const;
  const before = await clients.matchAll(query);

  /** Hands the URL to the page that was loaded, if it is of this origin. */
  async function finish(
    clientMode: LaunchClientMode,
    focused: boolean,
    loaded: C | null,
  ): Promise<Launched<C>> {
    async function find(): Promise<C | undefined> {
      const all = await clients.matchAll(query);
      const known = new Set(before.map(({ id }) => id));
      // Firefox resolves navigate() with the page that was left.
      return all.find(({ id }) => id === loaded?.id) ??
        all.find(({ id, url }) => url === targetURL && !known.has(id));
    }
    const delivered = loaded && await deliver(find, targetURL, signal);
    return { client: null, consumed: false, ...delivered, clientMode, focused };
  }

  let existing: readonly C[] = [];
  if (clientMode === "focus-existing") existing = before;
  if (clientMode === "navigate-existing") {
    // Others cannot be navigated.
    existing = await clients.matchAll({ ...query, includeUncontrolled: false });
  }
  for (const client of existing) {
    signal.throwIfAborted();
    if (client.frameType === "nested") continue;
    if (!client.url.startsWith(registration.scope)) continue;
    const focused = await focus(client);
    if (focused === undefined) continue;
    if (clientMode === "focus-existing") {
      const { consumed } = await deliver(() => client, targetURL, signal);
      if (consumed) return { client, clientMode, focused, consumed };
    }
    signal.throwIfAborted();
    try {
      const loaded = await client.navigate(targetURL);
      return await finish("navigate-existing", focused, loaded);
    } catch {
      // The window is gone; or another worker controls it, and all that could be
      // done was to focus it: the click does not last for two windows.
      if (clientMode === "focus-existing") {
        return { client, clientMode, focused, consumed: false };
      }
    }
  }
  signal.throwIfAborted();
  return finish("navigate-new", true, await clients.openWindow(targetURL));
}

/** Resolves with whether the client has the focus; `undefined` if it is gone. */
async function focus(client: LaunchClient<unknown>) {
  try {
    await client.focus();
    return true;
  } catch (error) {
    const { name } = error as Error;
    return name === "InvalidAccessError" ? false : undefined;
  }
}

/** Resolves with the client that is found, and whether its consumer got the URL. */
async function deliver<C extends LaunchClient<C>>(
  find: () => C | undefined | Promise<C | undefined>,
  targetURL: string,
  signal: AbortSignal,
): Promise<{ client: C | null; consumed: boolean }> {
  signal.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const id = crypto.randomUUID();
  const ports: MessagePort[] = [];
  let client: C | null = null;
  let isOver = false;

  async function post(): Promise<void> {
    const found = await find();
    if (found === undefined || isOver) return;
    client = found;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(true);
    ports.push(port1);
    found.postMessage({ [KEY]: { launch: { id, targetURL } } }, [port2]);
  }
  const tryToPost = () => void post().catch(() => {});
  const giveUp = () => resolve(false);
  const posting = setInterval(tryToPost, REPEAT_EVERY);
  const timer = setTimeout(giveUp, PATIENCE);
  signal.addEventListener("abort", giveUp);
  tryToPost();
  try {
    const consumed = await promise;
    return { client, consumed };
  } finally {
    isOver = true;
    clearInterval(posting);
    clearTimeout(timer);
    for (const port of ports) port.close();
  }
}

function failure(url: string, fact: string, name: string): DOMException {
  return new DOMException(`Cannot launch ${url}: ${fact}`, name);
}
