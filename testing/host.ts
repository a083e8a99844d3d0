// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A browser without a browser, for tests of your own service worker: it installs,
 * updates, stops and restarts the worker, opens windows, and sends it every event
 * that a browser would. It runs where there are web standards and no window, such
 * as under `deno test`.
 *
 * **What a script can be.** It is evaluated anew for every life of the worker:
 *
 * - A *text*, as a server would send it: a classic script, such as a bundler makes
 *   of modules. Its globals are those of a service worker, and nothing of them
 *   survives a restart, but for a variable that is assigned and nowhere declared.
 *   This is the faithful way.
 * - A *function*, which is called with the global scope. What it takes from there,
 *   the host controls. What it takes from elsewhere, it does not: the runtime's
 *   `fetch()` and timers go on when the worker is stopped, and what the function
 *   keeps outside of itself survives.
 * - A *module*, by a URL that is not of the network, as in
 *   `new URL("./sw.ts", import.meta.url)`. Global names then mean those of the
 *   worker, in all that the worker calls, of any file. The module is evaluated anew
 *   for every life; the modules that it imports are not, so what they keep survives.
 *   One host at a time can have modules.
 *
 * **What a step is.** Every call of the worker into the platform is counted:
 * caches, clients, locks, notifications, stores that the test provides, `fetch()`
 * and each read of its response, messages that are posted, timers that fire, events
 * as they are dispatched and as they end. A worker can be stopped at any of them:
 * that call has no effect, its promise never settles, and the next event starts a
 * new life. Locks are released, ports and channels go silent, requests are aborted,
 * transactions are rolled back. What a worker does between two steps, nobody else
 * can notice, so to stop it there makes no difference.
 *
 * **Whom it follows.** The specifications; a suite of behaviours that runs here,
 * in Chromium, in Firefox and in WebKitGTK says where an engine differs:
 *
 * | here, as specified                                                               | not in |
 * | -------------------------------------------------------------------------------- | ------ |
 * | a cache keeps a response for every variant of a URL                              | Chromium |
 * | a variant is deleted, and one that is replaced moves behind                      | WebKit |
 * | a response from a cache has immutable headers                                    | Chromium, Firefox |
 * | to cancel one half of a cloned response waits for the other                      | Chromium and Firefox, if it was fetched |
 * | the answer of a worker to HEAD has no body                                       | Chromium, WebKit |
 * | an event waits until its worker has been activated                               | Chromium, but for navigations |
 * | a request fails when the worker that answers it is stopped                       | Chromium (waits) |
 * | so does the body of a response                                                   | Firefox (ends) |
 * | `matchAll()` puts first the window that had the focus last, then the oldest page | Firefox (the page that had it), WebKit (the one that has it) |
 * | a page is no client before it has loaded                                         | Firefox, WebKit |
 * | `matchAll({ type: "all" })` does not find the worker itself                      | Firefox |
 * | sync, periodic sync, background fetch                                            | Firefox, WebKit |
 *
 * A page that aborts its request does not abort `event.request.signal`, as in all
 * three. Where there is a choice, it is Chromium's: a worker that had no `fetch`
 * listener at its first evaluation is not asked; a worker is stopped after 30
 * seconds without an event, or 5 minutes of one; a sync that failed is fired again
 * after 5 minutes, and a last time 15 minutes later; a click allows one window to be
 * opened or focused, within 10 seconds. These times pass when the test advances the
 * clock, and only then.
 *
 * **What it does not have.** Documents and what they load, workers of pages, the
 * back/forward cache, static routes, content index, cookies, payment, the HTTP cache,
 * preflights; `import()` works in a text, and a module may await at its top level,
 * where a browser refuses both. An unhandled rejection is one of the runtime.
 * IndexedDB is there if the test provides it.
 *
 * @module
 */

import type { MemoryCacheStorage } from "./cache_storage.ts";
import { Core } from "./host/core.ts";
import { Realm } from "./host/realm.ts";

/** A part of the platform that some engines lack. */
export type HostFeature =
  | "backgroundFetch"
  | "locks"
  | "navigationPreload"
  | "periodicSync"
  | "pushManager"
  | "self.serviceWorker"
  | "setAppBadge"
  | "sync";

/**
 * A worker's script: a text, the URL of a module, or a function that is given the
 * global scope.
 *
 * @typeParam P What the test provides as further globals.
 */
export type HostScript<P extends object = object> =
  | string
  | URL
  | ((scope: HostScope & P) => unknown);

/**
 * What {@linkcode createHost} sets up.
 *
 * @typeParam P What the test provides as further globals.
 */
export interface HostOptions<P extends object = object> {
  /**
   * The origin of pages and worker.
   *
   * @default {"https://example.test"}
   */
  readonly origin?: string | undefined;
  /** Answers what is fetched past the worker, from this origin and all others. Without it, everything is a 404. */
  readonly network?:
    | ((request: Request) => Response | Promise<Response>)
    | undefined;
  /** The scripts that the server has, by their URL. A script that is not here is fetched from the network, as text. */
  readonly scripts?: Readonly<Record<string, HostScript<P>>> | undefined;
  /** What the clock says at first. It then stands still until it is advanced; without it, the clock runs. */
  readonly time?: number | Date | undefined;
  /**
   * Bytes that the caches may hold.
   *
   * @default {Infinity}
   */
  readonly quota?: number | undefined;
  /**
   * What the engine lacks.
   *
   * @default {[]}
   */
  readonly without?: readonly HostFeature[] | undefined;
  /**
   * Further globals of the worker: a store, `indexedDB`. They outlive it, and
   * calls of their methods are steps. What a function of theirs is given is called
   * no more once the worker is stopped, and what they return is gated as well.
   */
  readonly provide?: P | undefined;
  /** Where what a function calls finds the globals of the worker, as a module does in any case: `globalThis`. Needs a `context`. One host at a time can have it. */
  readonly globals?: object | undefined;
  /** Tells the calls of the worker from those of the test: a `new AsyncLocalStorage()` of `node:async_hooks`. */
  readonly context?: HostContext | undefined;
}

/** The part of an `AsyncLocalStorage` that a host uses. */
export interface HostContext {
  /** Calls a function with a store, which is there in all that it leads to. */
  run<T>(store: unknown, work: () => T): T;
  /** The store of the caller. */
  getStore(): unknown;
}

/**
 * A browser with one origin, its server and its user.
 *
 * @typeParam P What the test provides as further globals.
 */
export interface Host<P extends object = object> extends Disposable {
  /** The origin of pages and worker. */
  readonly origin: string;
  /** The time of all that the host does. */
  readonly clock: HostClock;
  /** The way to all servers. */
  readonly network: HostNetwork;
  /** The caches, which a test may look into and fill. */
  readonly caches: MemoryCacheStorage;
  /** The state of each permission, by the name the Permissions API has for it; `"granted"` if not set. */
  readonly permissions: Map<string, "granted" | "denied" | "prompt">;
  /** The open windows, in the order they were opened. */
  readonly windows: readonly HostWindow[];
  /** The notifications that the user sees. */
  readonly notifications: readonly HostNotification[];
  /** The background fetches that the user sees. */
  readonly backgroundFetches: readonly HostBackgroundFetch[];
  /** The badge of the app: a number, 0 for one without a number, or none. */
  readonly badge: number | undefined;
  /**
   * What listeners of the worker threw and nobody caught, and its script when it
   * was evaluated again. The next method of the host that waits for the worker
   * rejects with it and empties this, at the latest `close()`.
   */
  readonly errors: unknown[];
  /** What happened: every start and stop, every step, every rejected lifetime. */
  readonly log: readonly string[];
  /** How many steps the workers have made. */
  readonly steps: number;
  /** The step at which {@linkcode Host.stopAtStep} stopped a worker. */
  readonly stoppedAt: string | undefined;
  /**
   * Registers a worker, and resolves when it is active, or waits because windows
   * use another. Rejects if it cannot be installed, with the worker's own reason
   * as the cause. A function or module is put at `/sw.js`; a string, or a URL of
   * the network, is where the script is.
   */
  register(
    script: HostScript<P>,
    options?: { scope?: string | undefined },
  ): Promise<HostRegistration>;
  /** Puts a script on the server, as it is found by the next registration or update. */
  deploy(url: string | URL, script: HostScript<P>): void;
  /** Opens a window at a URL, and resolves when it has loaded. */
  openWindow(
    url: string | URL,
    options?: HostWindowOptions,
  ): Promise<HostWindow>;
  /** Stops every worker that runs, at once and without a word. */
  stopWorker(): void;
  /** Has the worker that makes the n-th step from now be stopped at it. */
  stopAtStep(step: number): void;
  /** Fires a sync, registered or not, and resolves with whether the worker succeeded. */
  dispatchSyncEvent(
    tag: string,
    options?: { lastChance?: boolean | undefined },
  ): Promise<boolean>;
  /** Fires a periodic sync, registered or not, and resolves with whether the worker succeeded. */
  dispatchPeriodicSyncEvent(tag: string): Promise<boolean>;
  /** Delivers a push message, subscribed or not, and resolves with whether the worker succeeded. */
  deliverPushMessage(
    data?: string | ArrayBuffer | Uint8Array,
  ): Promise<boolean>;
  /** Ends the push subscription on the side of the push service, and resolves with whether the worker succeeded. */
  expirePushSubscription(): Promise<boolean>;
  /** Resolves when nothing is going on: no event, request, job or message. Rejects with a "TimeoutError" after 10 seconds if no `signal` is given. */
  idle(options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** Closes the windows and stops the workers, as the end of a `using` declaration does. Throws if the worker threw what nobody caught. */
  close(): void;
}

/** The time of a host. */
export interface HostClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Moves on, and runs in order what falls due: timers, retries, idle stops. */
  advance(milliseconds: number): Promise<void>;
  /** Sets the date, as a user does. Nothing falls due by that. */
  set(time: number | Date): void;
}

/** The way to all servers. */
export interface HostNetwork {
  /** Whether nothing gets through; what is on its way is lost. When it ends, syncs that wait are fired. */
  offline: boolean;
  /** Milliseconds, by the host's clock, before a request arrives. */
  latency: number;
  /** How fast bodies come, by the host's clock. */
  bytesPerSecond: number;
  /** Bytes after which every body breaks off. */
  cutAfter: number;
  /** The requests that arrived. */
  readonly requests: readonly Request[];
}

/** How a window is opened. */
export interface HostWindowOptions {
  /**
   * Whether it gets the focus.
   *
   * @default {true}
   */
  readonly focused?: boolean | undefined;
  /**
   * Its `frameType`.
   *
   * @default {"top-level"}
   */
  readonly frameType?:
    | "auxiliary"
    | "nested"
    | "none"
    | "top-level"
    | undefined;
}

/** A window with its page, as the page and its user see it. */
export interface HostWindow extends EventTarget {
  /** The id of its client; a new one for each page. */
  readonly id: string;
  /** Where it is. */
  readonly url: string;
  /** Whether it has the focus. */
  readonly focused: boolean;
  /** Whether it can be seen. */
  readonly visibilityState: "visible" | "hidden";
  /** Whether the browser has frozen it. */
  readonly frozen: boolean;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** The response that the page was loaded from. */
  readonly response: Response;
  /** Its `navigator.serviceWorker`. */
  readonly serviceWorker: HostContainer;
  /** Its `navigator`. */
  readonly navigator: HostNavigator & {
    /** The workers, as this page sees them. */
    readonly serviceWorker: HostContainer;
  };
  /** Its `caches`. */
  readonly caches: HostScope["caches"];
  /** Its `BroadcastChannel`. */
  readonly BroadcastChannel: new (name: string) => HostBroadcastChannel;
  /** Fetches like a script of the page; rejects with an "AbortError" when the page is left. */
  fetch(input: Request | string | URL, init?: RequestInit): Promise<Response>;
  /** Posts a message to the worker that controls the page. */
  postMessage(
    message: unknown,
    options?: Transferable[] | { transfer?: Transferable[] },
  ): void;
  /** Goes to another URL, and resolves when the page has loaded. If it cannot be, or is told to go elsewhere, the page stays where it is. */
  navigate(url: string): Promise<Response>;
  /** Loads the page again. */
  reload(): Promise<Response>;
  /** Gives it the focus, and takes it from the others. */
  focus(): void;
  /** Takes the focus from it. */
  blur(): void;
  /** Hides it, behind another tab. */
  hide(): void;
  /** Freezes it: what it is sent arrives when it is resumed. */
  freeze(): void;
  /** Ends {@linkcode HostWindow.freeze}. */
  resume(): void;
  /** Closes it. */
  close(): void;
}

/** A `navigator`. */
export interface HostNavigator {
  /** Whether the network is there. */
  readonly onLine: boolean;
  /** The browser. */
  readonly userAgent: string;
  /** The locks of the origin. */
  readonly locks: HostLockManager;
  /** How much is stored, and whether it is kept. */
  readonly storage: {
    /** How much is stored. */
    estimate(): Promise<{ usage: number; quota: number }>;
    /** Asks to keep it. */
    persist(): Promise<boolean>;
    /** Whether it is kept. */
    persisted(): Promise<boolean>;
  };
  /** The permissions of the origin. */
  readonly permissions: {
    /** The state of a permission. */
    query(
      descriptor: { name: string },
    ): Promise<{ state: "granted" | "denied" | "prompt" }>;
  };
  /** Sets the badge of the app. */
  setAppBadge(count?: number): Promise<void>;
  /** Takes it away. */
  clearAppBadge(): Promise<void>;
}

/** A `LockManager`. */
export interface HostLockManager {
  /** Runs a callback with a lock. */
  request<T>(
    name: string,
    callback: (lock: HostLock | null) => T,
  ): Promise<Awaited<T>>;
  /** Runs a callback with a lock, as the options say. */
  request<T>(
    name: string,
    options: {
      readonly mode?: "exclusive" | "shared" | undefined;
      readonly ifAvailable?: boolean | undefined;
      readonly steal?: boolean | undefined;
      readonly signal?: AbortSignal | undefined;
    },
    callback: (lock: HostLock | null) => T,
  ): Promise<Awaited<T>>;
  /** Who holds what, and who waits. */
  query(): Promise<{ held: HostLock[]; pending: HostLock[] }>;
}

/** A `Lock`. */
export interface HostLock {
  /** Its name. */
  readonly name: string;
  /** Whether others may have it too. */
  readonly mode: "exclusive" | "shared";
}

/** A `BroadcastChannel`. */
export interface HostBroadcastChannel extends EventTarget {
  /** Its name. */
  readonly name: string;
  /** Called with every message of the others. */
  onmessage: ((event: MessageEvent) => void) | null;
  /** Posts a message to the others. */
  postMessage(message: unknown): void;
  /** Closes it. */
  close(): void;
}

/** A `ServiceWorkerContainer`. */
export interface HostContainer extends EventTarget {
  /** The worker that controls the page. */
  readonly controller: HostServiceWorker | null;
  /** Resolves when a worker of the page's scope is active. */
  readonly ready: Promise<HostRegistration>;
  /** Called with every message of a worker. */
  onmessage: ((event: MessageEvent) => void) | null;
  /** Called when another worker takes control. */
  oncontrollerchange: ((event: Event) => void) | null;
  /** Registers a worker, and resolves when its installation begins. */
  register(
    url: string | URL,
    options?: { scope?: string | undefined },
  ): Promise<HostRegistration>;
  /** The registration for a URL. */
  getRegistration(url?: string | URL): Promise<HostRegistration | undefined>;
  /** All registrations. */
  getRegistrations(): Promise<HostRegistration[]>;
  /** Has messages delivered that came while the page loaded. */
  startMessages(): void;
  /** Listens for messages. */
  addEventListener(
    type: "message",
    listener: (event: MessageEvent) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** Listens. */
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** A `ServiceWorker`. */
export interface HostServiceWorker extends EventTarget {
  /** Where its script is. */
  readonly scriptURL: string;
  /** How far it is. */
  readonly state:
    | "parsed"
    | "installing"
    | "installed"
    | "activating"
    | "activated"
    | "redundant";
  /** Called when it gets further. */
  onstatechange: ((event: Event) => void) | null;
  /** Posts a message to it, for which it is started. */
  postMessage(
    message: unknown,
    options?: Transferable[] | { transfer?: Transferable[] },
  ): void;
}

/** A `ServiceWorkerRegistration`. */
export interface HostRegistration extends EventTarget {
  /** The URLs it is for begin with this. */
  readonly scope: string;
  /** What the browser caches of a script. */
  readonly updateViaCache: string;
  /** The worker that is being installed. */
  readonly installing: HostServiceWorker | null;
  /** The worker that waits until the active one is used no more. */
  readonly waiting: HostServiceWorker | null;
  /** The worker that gets the events. */
  readonly active: HostServiceWorker | null;
  /** Called when another worker begins to be installed. */
  onupdatefound: ((event: Event) => void) | null;
  /** Requests that are sent while the worker starts. */
  readonly navigationPreload: HostNavigationPreload;
  /** Syncs that happen once. */
  readonly sync: HostSyncManager;
  /** Syncs that happen again and again. */
  readonly periodicSync: HostPeriodicSyncManager;
  /** Subscriptions to push messages. */
  readonly pushManager: HostPushManager;
  /** Downloads that go on without page and worker. */
  readonly backgroundFetch: HostBackgroundFetchManager;
  /** Looks for another version of the script. */
  update(): Promise<HostRegistration>;
  /** Removes it, once no page uses it. */
  unregister(): Promise<boolean>;
  /** Shows a notification. */
  showNotification(
    title: string,
    options?: Record<string, unknown>,
  ): Promise<void>;
  /** The notifications that are shown. */
  getNotifications(
    filter?: { tag?: string },
  ): Promise<HostNotificationObject[]>;
}

/** A `NavigationPreloadManager`. */
export interface HostNavigationPreload {
  /** Has navigations preloaded. */
  enable(): Promise<void>;
  /** Ends it. */
  disable(): Promise<void>;
  /** What the header of these requests says. */
  setHeaderValue(value: string): Promise<void>;
  /** What is set. */
  getState(): Promise<{ enabled: boolean; headerValue: string }>;
}

/** A `SyncManager`. */
export interface HostSyncManager {
  /** Asks for a sync. */
  register(tag: string): Promise<void>;
  /** The syncs that wait. */
  getTags(): Promise<string[]>;
}

/** A `PeriodicSyncManager`. */
export interface HostPeriodicSyncManager {
  /** Asks for syncs. */
  register(tag: string, options?: { minInterval?: number }): Promise<void>;
  /** Ends them. */
  unregister(tag: string): Promise<void>;
  /** The syncs there are. */
  getTags(): Promise<string[]>;
}

/** A `PushManager`. */
export interface HostPushManager {
  /** Subscribes. */
  subscribe(
    options?: {
      userVisibleOnly?: boolean;
      applicationServerKey?: string | BufferSource | null;
    },
  ): Promise<HostPushSubscription>;
  /** The subscription there is. */
  getSubscription(): Promise<HostPushSubscription | null>;
  /** Whether one may subscribe. */
  permissionState(): Promise<"granted" | "denied" | "prompt">;
}

/** A `PushSubscription`. */
export interface HostPushSubscription {
  /** Where the push service takes messages. */
  readonly endpoint: string;
  /** When it ends by itself. */
  readonly expirationTime: number | null;
  /** What was subscribed with. */
  readonly options: {
    /** Whether every message is to be seen. */
    readonly userVisibleOnly: boolean;
    /** The key of the server. */
    readonly applicationServerKey: ArrayBuffer | null;
  };
  /** A key of the subscriber. */
  getKey(name: "auth" | "p256dh"): ArrayBuffer | null;
  /** What a server needs to know. */
  toJSON(): {
    /** Where the push service takes messages. */
    endpoint: string;
    /** When it ends by itself. */
    expirationTime: number | null;
    /** The keys of the subscriber, in base64url. */
    keys: Record<string, string>;
  };
  /** Ends it. */
  unsubscribe(): Promise<boolean>;
}

/** A `BackgroundFetchManager`. */
export interface HostBackgroundFetchManager {
  /** Begins to fetch. */
  fetch(
    id: string,
    requests: Request | string | URL | readonly (Request | string | URL)[],
    options?: {
      title?: string;
      icons?: readonly unknown[];
      downloadTotal?: number;
    },
  ): Promise<HostBackgroundFetchRegistration>;
  /** One that is going on. */
  get(id: string): Promise<HostBackgroundFetchRegistration | undefined>;
  /** Those that are going on. */
  getIds(): Promise<string[]>;
}

/** A `BackgroundFetchRegistration`. */
export interface HostBackgroundFetchRegistration extends EventTarget {
  /** Its id. */
  readonly id: string;
  /** Bytes to send. */
  readonly uploadTotal: number;
  /** Bytes sent. */
  readonly uploaded: number;
  /** Bytes that were announced. */
  readonly downloadTotal: number;
  /** Bytes that have come. */
  readonly downloaded: number;
  /** How it ended, or nothing. */
  readonly result: "" | "success" | "failure";
  /** Why it failed. */
  readonly failureReason: string;
  /** Whether the responses can be read. */
  readonly recordsAvailable: boolean;
  /** Called when bytes have come, and at the end. */
  onprogress: ((event: Event) => void) | null;
  /** Ends it. */
  abort(): Promise<boolean>;
  /** One request with its response. */
  match(
    request: Request | string | URL,
  ): Promise<HostBackgroundFetchRecord | undefined>;
  /** Every request with its response. */
  matchAll(
    request?: Request | string | URL,
  ): Promise<HostBackgroundFetchRecord[]>;
}

/** A `BackgroundFetchRecord`. */
export interface HostBackgroundFetchRecord {
  /** What was asked for. */
  readonly request: Request;
  /** What came, once it has. */
  readonly responseReady: Promise<Response>;
}

/** A background fetch as the user sees it. */
export interface HostBackgroundFetch {
  /** Its id. */
  readonly id: string;
  /** What it is called. */
  readonly title: string;
  /** Bytes that have come. */
  readonly downloaded: number;
  /** How it ended, or nothing. */
  readonly result: string;
  /** Clicks it, and resolves with whether the worker succeeded. */
  click(): Promise<boolean>;
  /** Ends it. */
  abort(): Promise<void>;
}

/** A notification as the user sees it. */
export interface HostNotification {
  /** Its title. */
  readonly title: string;
  /** Its text. */
  readonly body: string;
  /** What it replaces others by. */
  readonly tag: string;
  /** What it carries. */
  readonly data: unknown;
  /** Its picture. */
  readonly icon: string;
  /** Its buttons. */
  readonly actions: readonly {
    readonly action: string;
    readonly title: string;
  }[];
  /** Clicks it, or one of its buttons, and resolves with whether the worker succeeded. */
  click(action?: string): Promise<boolean>;
  /** Closes it, and resolves with whether the worker succeeded. */
  close(): Promise<boolean>;
}

/** A `Notification` as the worker sees it. */
export interface HostNotificationObject {
  /** Its title. */
  readonly title: string;
  /** Its text. */
  readonly body: string;
  /** What it replaces others by. */
  readonly tag: string;
  /** What it carries. */
  readonly data: unknown;
  /** Its picture. */
  readonly icon: string;
  /** When it was shown. */
  readonly timestamp: number;
  /** Closes it. */
  close(): void;
}

/** A `Client`, which is always that of a window. */
export interface HostClient {
  /** Its id. */
  readonly id: string;
  /** Where it was. */
  readonly url: string;
  /** What it is. */
  readonly type: "window";
  /** Whether it is a tab or a frame. */
  readonly frameType: string;
  /** Whether it had the focus. */
  readonly focused: boolean;
  /** Whether it could be seen. */
  readonly visibilityState: string;
  /** Posts a message to it. */
  postMessage(
    message: unknown,
    options?: Transferable[] | { transfer?: Transferable[] },
  ): void;
  /** Gives it the focus, after a click. */
  focus(): Promise<HostClient>;
  /** Sends it to another URL. */
  navigate(url: string): Promise<HostClient | null>;
}

/** A `Clients`. */
export interface HostClients {
  /** The client with an id. */
  get(id: string): Promise<HostClient | undefined>;
  /** The clients, those that had the focus last first. */
  matchAll(
    options?: {
      includeUncontrolled?: boolean;
      type?: "window" | "worker" | "sharedworker" | "all";
    },
  ): Promise<HostClient[]>;
  /** Opens a window, after a click. */
  openWindow(url: string): Promise<HostClient | null>;
  /** Takes control of the clients in scope. */
  claim(): Promise<void>;
}

/** An `ExtendableEvent`. */
export interface HostExtendableEvent extends Event {
  /** Keeps the worker alive until the promise has settled. */
  waitUntil(promise: Promise<unknown>): void;
}

/** A `FetchEvent`. */
export interface HostFetchEvent extends HostExtendableEvent {
  /** What is asked for. */
  readonly request: Request;
  /** Who asks. */
  readonly clientId: string;
  /** Who will come of a navigation. */
  readonly resultingClientId: string;
  /** Who will go. */
  readonly replacesClientId: string;
  /** The response to the preload of a navigation. */
  readonly preloadResponse: Promise<Response | undefined>;
  /** Resolves when the response has been handed over. */
  readonly handled: Promise<undefined>;
  /** Answers. */
  respondWith(response: Response | PromiseLike<Response>): void;
}

/** An `ExtendableMessageEvent`. */
export interface HostMessageEvent extends HostExtendableEvent {
  /** The message. */
  readonly data: unknown;
  /** From where it comes. */
  readonly origin: string;
  /** Who posted it; nobody, if the test did. */
  readonly source: HostClient | null;
  /** The ports that came with it. */
  readonly ports: readonly MessagePort[];
}

/** A `SyncEvent`. */
export interface HostSyncEvent extends HostExtendableEvent {
  /** What it was registered as. */
  readonly tag: string;
  /** Whether the browser gives up after this. */
  readonly lastChance: boolean;
}

/** A `PeriodicSyncEvent`. */
export interface HostPeriodicSyncEvent extends HostExtendableEvent {
  /** What it was registered as. */
  readonly tag: string;
}

/** A `PushEvent`. */
export interface HostPushEvent extends HostExtendableEvent {
  /** What was pushed. */
  readonly data: {
    /** As bytes. */
    arrayBuffer(): ArrayBuffer;
    /** As a blob. */
    blob(): Blob;
    /** As bytes. */
    bytes(): Uint8Array<ArrayBuffer>;
    /** As JSON, which it may not be. */
    json(): unknown;
    /** As a text. */
    text(): string;
  } | null;
}

/** A `PushSubscriptionChangeEvent`. */
export interface HostPushSubscriptionChangeEvent extends HostExtendableEvent {
  /** The one that ended. */
  readonly oldSubscription: HostPushSubscription | null;
  /** The one in its place. */
  readonly newSubscription: HostPushSubscription | null;
}

/** A `NotificationEvent`. */
export interface HostNotificationEvent extends HostExtendableEvent {
  /** What was clicked or closed. */
  readonly notification: HostNotificationObject;
  /** The button, if one was clicked. */
  readonly action: string;
}

/** A `BackgroundFetchEvent`. */
export interface HostBackgroundFetchEvent extends HostExtendableEvent {
  /** What it is about. */
  readonly registration: HostBackgroundFetchRegistration;
  /** Changes what the user sees, once; of a success or failure only. */
  updateUI(options?: { title?: string }): Promise<void>;
}

/** The events of a worker, by their type. */
export interface HostEventMap {
  /** It is installed. */
  readonly install: HostExtendableEvent;
  /** It becomes the active one. */
  readonly activate: HostExtendableEvent;
  /** A page asks for something. */
  readonly fetch: HostFetchEvent;
  /** Somebody posted a message. */
  readonly message: HostMessageEvent;
  /** The network is there. */
  readonly sync: HostSyncEvent;
  /** It is time. */
  readonly periodicsync: HostPeriodicSyncEvent;
  /** The server pushed a message. */
  readonly push: HostPushEvent;
  /** The subscription ended. */
  readonly pushsubscriptionchange: HostPushSubscriptionChangeEvent;
  /** The user clicked a notification. */
  readonly notificationclick: HostNotificationEvent;
  /** The user closed a notification. */
  readonly notificationclose: HostNotificationEvent;
  /** Everything came. */
  readonly backgroundfetchsuccess: HostBackgroundFetchEvent;
  /** Something did not. */
  readonly backgroundfetchfail: HostBackgroundFetchEvent;
  /** Somebody ended it. */
  readonly backgroundfetchabort: HostBackgroundFetchEvent;
  /** The user clicked it. */
  readonly backgroundfetchclick: HostBackgroundFetchEvent;
}

/**
 * The global scope of a worker: the part of a `ServiceWorkerGlobalScope` that is
 * the worker's own. A script written for the type of the library is given
 * `scope as unknown as ServiceWorkerGlobalScope`.
 */
export interface HostScope {
  /** The scope itself. */
  readonly self: HostScope;
  /** Where the script is. */
  readonly location: URL;
  /** The origin. */
  readonly origin: string;
  /** The registration this worker belongs to. */
  readonly registration: HostRegistration;
  /** The worker itself. */
  readonly serviceWorker: HostServiceWorker;
  /** The pages. */
  readonly clients: HostClients;
  /** The caches. */
  readonly caches: Pick<
    MemoryCacheStorage,
    "delete" | "has" | "keys" | "match" | "open"
  >;
  /** The navigator. */
  readonly navigator: HostNavigator;
  /** Time by the host's clock. */
  readonly Date: DateConstructor;
  /** Signals whose timeout is by the host's clock. */
  readonly AbortSignal: typeof AbortSignal;
  /** Requests whose URLs are relative to the script. */
  readonly Request: typeof Request;
  /** Channels that go silent with the worker. */
  readonly MessageChannel: typeof MessageChannel;
  /** Channels to the pages, which go silent with the worker. */
  readonly BroadcastChannel: new (name: string) => HostBroadcastChannel;
  /** Listens, with `addEventListener()`. */
  addEventListener<K extends keyof HostEventMap>(
    type: K,
    listener: (event: HostEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** Ends that. */
  removeEventListener<K extends keyof HostEventMap>(
    type: K,
    listener: (event: HostEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  /** Fires an event of the worker's own, which nobody waits for. */
  dispatchEvent(event: Event): boolean;
  /** Becomes active without waiting until the old worker is used no more. */
  skipWaiting(): Promise<void>;
  /** Fetches from the network. */
  fetch(input: Request | string | URL, init?: RequestInit): Promise<Response>;
  /** Evaluates scripts whose text the host has. */
  importScripts(...urls: string[]): void;
  /** Calls a function later, by the host's clock. */
  setTimeout(
    callback: (...args: never[]) => unknown,
    delay?: number,
    ...args: unknown[]
  ): number;
  /** Calls a function again and again, by the host's clock. */
  setInterval(
    callback: (...args: never[]) => unknown,
    delay?: number,
    ...args: unknown[]
  ): number;
  /** Ends `setTimeout()`. */
  clearTimeout(id?: number): void;
  /** Ends `setInterval()`. */
  clearInterval(id?: number): void;
}

/**
 * Creates a host: a browser with an empty storage and no window.
 *
 * The module's doc says what a script can be, and what it cannot see here.
 *
 * @typeParam P What the test provides as further globals.
 * @param options Its server, its clock, and what it lacks.
 * @returns The host, which you close at the end of a test.
 * @throws {TypeError} If `globals` are given without a `context`.
 *
 * @example Test that a page works offline
 * ```ts
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost({ network: ({ url }) => new Response(`from ${url}`) });
 * await host.register((scope) => {
 *   scope.addEventListener("install", (event) => {
 *     const cached = scope.caches.open("v1").then((cache) => cache.add("/"));
 *     event.waitUntil(cached);
 *   });
 *   scope.addEventListener("fetch", (event) => {
 *     const { request } = event;
 *     event.respondWith(
 *       scope.caches.match(request).then((found) => found ?? scope.fetch(request)),
 *     );
 *   });
 * });
 *
 * host.network.offline = true;
 * host.stopWorker();
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "from https://example.test/");
 * host.close();
 * ```
 *
 * @example Test a worker as the server sends it
 * ```ts
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const script = `
 *   let messages = 0;
 *   addEventListener("message", (event) => event.source.postMessage(++messages));
 * `;
 * const host = createHost({ scripts: { "/sw.js": script } });
 * await host.register("/sw.js");
 * const page = await host.openWindow("/");
 * const counts: unknown[] = [];
 * page.serviceWorker.onmessage = ({ data }) => counts.push(data);
 *
 * page.postMessage("one");
 * await host.idle();
 * host.stopWorker();
 * page.postMessage("two");
 * await host.idle();
 * assertEquals(counts, [1, 1]);
 * host.close();
 * ```
 *
 * @example Test a worker that is a module
 * ```ts
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * // In your test: new URL("./sw.ts", import.meta.url)
 * const url = new URL(`data:text/javascript,
 *   self.addEventListener("fetch", (event) => {
 *     event.respondWith(new Response(registration.scope));
 *   });
 * `);
 * using host = createHost();
 * await host.register(url);
 *
 * const page = await host.openWindow("/");
 * assertEquals(await page.response.text(), "https://example.test/");
 * ```
 */
export function createHost<P extends object = object>(
  options: HostOptions<P> = {},
): Host<P> {
  const core = new Core(options as HostOptions);
  // Sees what the test itself does.
  const realm = core.enter(
    new Realm(core, undefined, (work) => core.task(work)),
  );

  function close(): void {
    core.close();
    core.throwErrors();
  }

  /** Passes on how it ended, or what the worker threw meanwhile. */
  async function watched<T>(work: Promise<T>): Promise<T> {
    const result = await work;
    core.throwErrors();
    return result;
  }

  return {
    origin: core.origin,
    clock: {
      now: () => core.clock.now(),
      advance: (milliseconds) => core.clock.advance(milliseconds),
      set: (time) => core.clock.set(Number(time)),
    },
    network: core.network,
    caches: core.caches,
    permissions: core.permissions,
    errors: core.errors,
    log: core.log,
    get windows() {
      return core.windows as unknown as HostWindow[];
    },
    get notifications() {
      return core.notifications.list();
    },
    get backgroundFetches() {
      return core.backgroundFetches.list();
    },
    get badge() {
      return core.badge;
    },
    get steps() {
      return core.steps;
    },
    get stoppedAt() {
      return core.stoppedAt;
    },
    async register(script, { scope } = {}) {
      const url = typeof script === "function" || isModule(script)
        ? core.deploy("/sw.js", script as HostScript)
        : script;
      const registration = await watched(
        realm.settled(core.install(url, scope)),
      );
      return realm.registrationOf(registration) as unknown as HostRegistration;
    },
    deploy(url, script) {
      core.deploy(url, script as HostScript);
    },
    openWindow: async (url, options) =>
      await watched(
        core.openWindow(String(url), options),
      ) as unknown as HostWindow,
    stopWorker: () => core.stopWorkers(),
    stopAtStep: (step) => core.stopAtStep(step),
    dispatchSyncEvent: (tag, { lastChance = false } = {}) =>
      watched(core.syncs.dispatch(tag, lastChance)),
    dispatchPeriodicSyncEvent: (tag) =>
      watched(core.periodicSyncs.dispatch(tag)),
    deliverPushMessage: (data) => watched(core.pushes.deliver(data)),
    expirePushSubscription: () => watched(core.pushes.expire()),
    idle: ({ signal } = {}) => watched(core.idle(signal)),
    close,
    [Symbol.dispose]: close,
  };
}

/** Whether it is where a module is, rather than where the network has a script. */
function isModule(script: string | URL): boolean {
  return script instanceof URL && !script.protocol.startsWith("http");
}
