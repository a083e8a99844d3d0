// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Subscribe to push messages and keep the app's server in step with what the
 * browser has, whichever of the two changes. `subscribe` and `unsubscribe` do
 * what the user wants; `renew` is called when a page starts, and by the worker
 * when the browser has replaced the subscription.
 *
 * What the user wants and what the server was told are written down:
 *
 * ```text
 * push/subscription  { key, told }: the server's public key in base64url, missing
 *                    if the user wants no messages; and the subscription that
 *                    the server was told of last, missing if it has none
 * ```
 *
 * A change is what differs between that and the browser's subscription. It is
 * written down only after it was reported: whatever is stopped in between, the
 * next call finds the same difference, and reports it again. So a report may come
 * twice, but is never lost. A Web Lock has one context at a time do this.
 *
 * @module
 */

/** A subscription as the server needs it: what `PushSubscription.toJSON()` gives. */
export interface SubscriptionJSON {
  /** Where the push service takes messages. It is a secret. */
  endpoint?: string;
  /** When it ends by itself, as of `Date.now()`. */
  expirationTime?: number | null;
  /** The keys to encrypt with, "p256dh" and "auth", in base64url. */
  keys?: Record<string, string>;
}

/** The part of a `PushSubscription` that {@linkcode subscribe} uses. */
export interface Subscription {
  /** When it ends by itself, as of `Date.now()`. */
  readonly expirationTime: number | null;
  /** What it was made with. */
  readonly options: {
    /** The server's public key. */
    readonly applicationServerKey: ArrayBuffer | null;
  };
  /** What the server needs to know of it. */
  toJSON(): SubscriptionJSON;
  /** Ends it. */
  unsubscribe(): Promise<boolean>;
}

/**
 * The part of a `ServiceWorkerRegistration` that {@linkcode subscribe} uses.
 *
 * @typeParam S The type of the subscription.
 */
export interface SubscribeRegistration<S extends Subscription> {
  /** Missing in browsers without push, as Safari on phones unless the app is installed. */
  readonly pushManager?: {
    /** Resolves with the subscription there is. */
    getSubscription(): Promise<S | null>;
    /** Resolves with "granted", "denied" or "prompt". */
    permissionState(options: { userVisibleOnly: true }): Promise<string>;
    /** Subscribes, which asks the user if nobody has. */
    subscribe(options: {
      userVisibleOnly: true;
      applicationServerKey: Uint8Array<ArrayBuffer>;
    }): Promise<S>;
  } | undefined;
}

/** Where it is written down what the server knows; any store that lasts. */
export interface SubscribeStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): Promise<void>;
}

/** The part of `navigator.locks` that {@linkcode subscribe} uses. */
export interface SubscribeLocks {
  /** Holds a lock until the promise of `callback` settles. */
  request<T>(
    name: string,
    options: { signal: AbortSignal },
    callback: () => Promise<T>,
  ): Promise<T>;
}

/** What the server is to be told. */
export interface SubscriptionChange {
  /** What it was told last and must forget; `null` if nothing. */
  readonly oldSubscription: SubscriptionJSON | null;
  /** Where it can reach the user from now on; `null` if nowhere. */
  readonly newSubscription: SubscriptionJSON | null;
}

/** Options for {@linkcode unsubscribe}. */
export interface UnsubscribeOptions {
  /** Where it is written down what the server knows. */
  readonly store: SubscribeStore;
  /**
   * Tells the server of a change. Best by way of an outbox, which also delivers
   * later what cannot be delivered now; with a `key`, so that one change is not
   * delivered before another. If it rejects, so does the call, and the next one
   * reports the change again; as it does if the worker was stopped, so that the
   * server may be told twice.
   */
  readonly report: (change: SubscriptionChange) => unknown;
  /**
   * Ends the wait; the promise then rejects with the signal's reason. It replaces
   * the default deadline of one minute, after which the promise rejects with a
   * "TimeoutError". What was begun may still happen; the next
   * {@linkcode renew} tells the server of it.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * What keeps two contexts from doing this at once; `null` for nothing, as the
   * server may then be told twice of the same change.
   *
   * @default {navigator.locks}
   */
  readonly locks?: SubscribeLocks | null | undefined;
}

/** Options for {@linkcode subscribe}. */
export interface SubscribeOptions extends UnsubscribeOptions {
  /**
   * The server's public key (VAPID): the 65 bytes of an uncompressed point on
   * P-256, the same in base64url, or the key as a JWK.
   */
  readonly applicationServerKey: string | BufferSource | JsonWebKey;
  /**
   * What tells whether the user has just clicked, without which the browser must
   * not be made to ask.
   *
   * @default {navigator.userActivation}
   */
  readonly userActivation?: { readonly isActive: boolean } | undefined;
}

/** Options for {@linkcode renew}. */
export interface RenewOptions extends UnsubscribeOptions {
  /** The `pushsubscriptionchange` event, if there was one. */
  readonly event?: {
    /** What the subscription was; browsers may leave it out. */
    readonly oldSubscription?: Subscription | null | undefined;
  } | undefined;
}

/**
 * What {@linkcode subscribe} and {@linkcode renew} resolve with.
 *
 * @typeParam S The type of the subscription.
 */
export interface SubscribeResult<S> {
  /**
   * "subscribed": messages can come, and the server knows where to;
   * "unsubscribed": the user wants none, but permits them;
   * "unsupported": the browser has no push, or has it for installed apps only;
   * "denied": the user does not permit it, and only the settings of the browser
   * can change that;
   * "prompt": the user has not decided, as nobody has asked, or the question was
   * closed without an answer: `subscribe()` may ask in the next click;
   * "needs-gesture": it could not ask, as this was not in a click or the like.
   */
  readonly status:
    | "subscribed"
    | "unsubscribed"
    | "unsupported"
    | "denied"
    | "prompt"
    | "needs-gesture";
  /** The subscription; `null` unless "subscribed". */
  readonly subscription: S | null;
  /** Whether there was a change to report. */
  readonly changed: boolean;
}

/** What is written down. */
interface Known {
  /** Empty if there is a subscription of which it is not known. */
  readonly key?: string | undefined;
  readonly told?: SubscriptionJSON | undefined;
}

type Manager<S extends Subscription> = NonNullable<
  SubscribeRegistration<S>["pushManager"]
>;

const PATH = "push/subscription";
const LOCK = `@serviceworker/std ${PATH}`;
const DEADLINE = 60_000;
const VISIBLE = { userVisibleOnly: true } as const;
/** Of an uncompressed point on P-256, and what it begins with. */
const KEY_LENGTH = 65;
const UNCOMPRESSED = 4;

/**
 * Subscribes to push messages, and reports the subscription to the server. If
 * there is one already, it is kept, or replaced if it was made with another key.
 *
 * Call it in a click, after the user has learned what messages there will be: the
 * browser asks only once, and a user who says no is never asked again by a site.
 * Where the permission is granted already it can be called at any time, as after
 * the server got another key. It works in the worker as well, though it can ask
 * for nothing there.
 *
 * Every message must then be shown to the user, as `notify` does it: browsers take
 * the subscription away from apps that do not.
 *
 * Spec: https://w3c.github.io/push-api/#subscribe-method
 *
 * @typeParam S The type of the subscription.
 * @param registration The registration, of which a worker must be active: in a
 * page `await navigator.serviceWorker.ready`.
 * @param options The key, the store, how to report, and additional options.
 * @returns Whether messages can come, and the subscription.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {TypeError} If the key is not one.
 * @throws {DOMException} As the platform rejects, "AbortError" if the push service
 * cannot be reached; "TimeoutError" if it took more than a minute, as when the
 * user does not answer.
 * @throws {unknown} As `options.report` or the store rejects.
 *
 * @example Subscribing in a click
 * ```ts
 * import { subscribe } from "@serviceworker/std/push/subscribe";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * const registration = await host.register(() => {}); // Stands for the app's.
 * const point = crypto.getRandomValues(new Uint8Array(65));
 * point[0] = 4;
 *
 * const told: unknown[] = [];
 * const { status, subscription } = await subscribe(registration, {
 *   applicationServerKey: point, // In an app: the text that the server gave.
 *   store: memoryStore(), // openStore("podcast")
 *   report: (change) => told.push(change), // outbox.add(…)
 * });
 * assertEquals(status, "subscribed");
 * assertEquals(told, [
 *   { oldSubscription: null, newSubscription: subscription?.toJSON() },
 * ]);
 * host.close();
 * ```
 */
export async function subscribe<S extends Subscription>(
  registration: SubscribeRegistration<S>,
  options: SubscribeOptions,
): Promise<SubscribeResult<S>> {
  const {
    applicationServerKey,
    signal,
    userActivation = platform().userActivation,
  } = options;
  signal?.throwIfAborted();
  const key = toBytes(applicationServerKey);
  const { pushManager } = registration;
  if (!pushManager) return failed("unsupported");
  const isActive = userActivation?.isActive;

  return await limited(signal, async (over) => {
    const state = await pushManager.permissionState(VISIBLE);
    if (state === "prompt") {
      if (isActive === false) return failed("needs-gesture");
      await ask(pushManager, key);
    }
    // Not before the user has answered, which may take long.
    return await locked(
      options,
      over,
      () =>
        bringInStep(pushManager, options, (known) => ({
          ...known,
          key: toBase64url(key),
        })),
    );
  });
}

/**
 * Brings the server in step with the browser: subscribes again where the browser
 * has lost the subscription that the user wants, and reports what has changed since
 * the last report. It never asks the user.
 *
 * Call it whenever a page starts, as most changes are told to nobody; and in the
 * worker's `pushsubscriptionchange`, within `waitUntil()`. A subscription that was
 * made by other means than {@linkcode subscribe} is adopted.
 *
 * Spec: https://w3c.github.io/push-api/#the-pushsubscriptionchange-event
 *
 * @typeParam S The type of the subscription.
 * @param registration The registration: `self.registration` in the worker.
 * @param options The store, how to report, and additional options.
 * @returns Whether messages can come, and the subscription.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {DOMException} As the platform rejects, "AbortError" if the push service
 * cannot be reached: the next call tries again; "TimeoutError" if it took more than
 * a minute.
 * @throws {unknown} As `options.report` or the store rejects.
 *
 * @example Reporting what the browser has changed
 * ```ts
 * import {
 *   renew,
 *   subscribe,
 *   type SubscriptionChange,
 * } from "@serviceworker/std/push/subscribe";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const endpoints: (string | undefined)[] = [];
 * const push = {
 *   store: memoryStore(), // openStore("podcast")
 *   report: ({ newSubscription }: SubscriptionChange) => // outbox.add(…)
 *     endpoints.push(newSubscription?.endpoint),
 * };
 *
 * const host = createHost();
 * const registration = await host.register((self) => { // The worker.
 *   self.addEventListener("pushsubscriptionchange", (event) => {
 *     event.waitUntil(renew(self.registration, { ...push, event }));
 *   });
 * });
 * const applicationServerKey = Uint8Array.of(4, ...new Uint8Array(64));
 * await subscribe(registration, { ...push, applicationServerKey });
 * await host.expirePushSubscription();
 *
 * const current = await registration.pushManager.getSubscription();
 * assertEquals(endpoints.length, 2);
 * assertEquals(endpoints.at(-1), current?.endpoint);
 * host.close();
 * ```
 */
export async function renew<S extends Subscription>(
  registration: SubscribeRegistration<S>,
  options: RenewOptions,
): Promise<SubscribeResult<S>> {
  const { event, signal } = options;
  signal?.throwIfAborted();
  const { pushManager } = registration;
  if (!pushManager) return failed("unsupported");

  const wish = (known: Known | undefined, current: S | null): Known => {
    if (known) return known;
    // The store was lost, or another code subscribed.
    const old = event?.oldSubscription ?? undefined;
    const adopted = current ?? old;
    return { key: adopted && keyOf(adopted), told: old?.toJSON() };
  };
  return await limited(
    signal,
    (over) =>
      locked(options, over, () => bringInStep(pushManager, options, wish)),
  );
}

/**
 * Ends the subscription, and reports that to the server. It can be done offline:
 * no message comes from then on, and the report is as good as `options.report`.
 *
 * @param registration The registration.
 * @param options The store, how to report, and additional options.
 * @returns Whether there was a change to report.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {DOMException} Named "TimeoutError" if it took more than a minute.
 * @throws {unknown} As `options.report` or the store rejects.
 *
 * @example Ending a subscription
 * ```ts
 * import { subscribe, unsubscribe } from "@serviceworker/std/push/subscribe";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * const registration = await host.register(() => {}); // Stands for the app's.
 * const push = { store: memoryStore(), report: () => {} };
 * const applicationServerKey = Uint8Array.of(4, ...new Uint8Array(64));
 * await subscribe(registration, { ...push, applicationServerKey });
 *
 * assertEquals(await unsubscribe(registration, push), true);
 * assertEquals(await registration.pushManager.getSubscription(), null);
 * host.close();
 * ```
 */
export async function unsubscribe(
  registration: SubscribeRegistration<Subscription>,
  options: UnsubscribeOptions,
): Promise<boolean> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { pushManager } = registration;
  if (!pushManager) return false;
  const wish = (known: Known | undefined, current: Subscription | null) => ({
    told: known ? known.told : current?.toJSON(),
  });
  const { changed } = await limited(
    signal,
    (over) =>
      locked(options, over, () => bringInStep(pushManager, options, wish)),
  );
  return changed;
}

/** Has the browser ask the user; what comes of it is found out afterwards. */
async function ask<S extends Subscription>(
  manager: Manager<S>,
  applicationServerKey: Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    await manager.subscribe({ ...VISIBLE, applicationServerKey });
  } catch (error) {
    const { name } = error as Error;
    // The user said no; or there is a subscription with another key.
    if (name !== "NotAllowedError" && name !== "InvalidStateError") throw error;
  }
}

/** Makes browser and server have what the user wants. */
async function bringInStep<S extends Subscription>(
  manager: Manager<S>,
  { store, report }: UnsubscribeOptions,
  wish: (known: Known | undefined, current: S | null) => Known,
): Promise<SubscribeResult<S>> {
  const state = await manager.permissionState(VISIBLE);
  const isGranted = state === "granted";
  const known = await store.get(PATH) as Known | undefined;
  let current = await manager.getSubscription();
  const { key, told } = wish(known, current);
  // What the user did not permit is not wanted.
  const wanted = isGranted || key === undefined ? key : known?.key;
  // First: if what follows is interrupted, the next call goes on with it.
  if (wanted !== known?.key || identify(told) !== identify(known?.told)) {
    await store.set(PATH, { key: wanted, told });
  }

  const isOver = current && (current.expirationTime ?? Infinity) <= Date.now();
  const isOther = current && (keyOf(current) || known?.key || "") !== key;
  if (current && (key === undefined || isGranted && (isOver || isOther))) {
    const ended = current.unsubscribe();
    // One that cannot be ended and is not replaced is ended by the next call.
    await (isGranted && key ? ended : ended.catch(() => {}));
    current = null;
  }
  if (isGranted && key) {
    const applicationServerKey = fromBase64url(key);
    current ??= await manager.subscribe({ ...VISIBLE, applicationServerKey });
  }

  // Without a permission nothing can be shown, whatever arrives.
  const subscription = isGranted ? current : null;
  const now = subscription?.toJSON();
  const changed = identify(now) !== identify(told);
  if (changed) {
    await report({
      oldSubscription: told ?? null,
      newSubscription: now ?? null,
    });
    await store.set(PATH, { key: wanted, told: now });
  }
  if (subscription) return { status: "subscribed", subscription, changed };
  const status = isGranted
    ? "unsubscribed"
    : state === "denied"
    ? state
    : "prompt";
  return { status, subscription, changed };
}

function failed(
  status: Exclude<SubscribeResult<never>["status"], "subscribed">,
): SubscribeResult<never> {
  return { status, subscription: null, changed: false };
}

/** The key of a subscription; empty if the browser does not tell. */
function keyOf({ options }: Subscription): string {
  const { applicationServerKey: key } = options;
  return key ? toBase64url(new Uint8Array(key)) : "";
}

/** What tells one subscription from another. */
function identify(subscription: SubscriptionJSON | undefined): string {
  const { endpoint, keys = {} } = subscription ?? {};
  const { p256dh, auth } = keys;
  return JSON.stringify([endpoint, p256dh, auth]);
}

/** Does it with the lock, if there are locks. */
function locked<T>(
  { locks = platform().locks }: UnsubscribeOptions,
  over: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  // A report that does not end must not keep the lock from others.
  const limitedWork = () => Promise.race([work(), aborted(over)]);
  return locks ? locks.request(LOCK, { signal: over }, limitedWork) : work();
}

/** Waits until the signal is aborted or, without one, the deadline. */
async function limited<T>(
  signal: AbortSignal | undefined,
  work: (over: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const abort = () => over.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  const timer = signal ? undefined : setTimeout(() => {
    const late = new DOMException(
      "Cannot keep the subscription in step: a minute has passed",
      "TimeoutError",
    );
    over.abort(late);
  }, DEADLINE);
  try {
    return await Promise.race([work(over.signal), aborted(over.signal)]);
  } finally {
    signal?.removeEventListener("abort", abort);
    clearTimeout(timer);
  }
}

/** Rejects when a signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return promise;
}

function toBytes(
  key: SubscribeOptions["applicationServerKey"],
): Uint8Array<ArrayBuffer> {
  const bytes = readKey(key);
  const [first] = bytes;
  if (bytes.length === KEY_LENGTH && first === UNCOMPRESSED) return bytes;
  throw new TypeError(
    `Cannot read the server's key: 'applicationServerKey' must have ${KEY_LENGTH} bytes, the first of them ${UNCOMPRESSED}, got ${bytes.length}, the first of them ${first}`,
  );
}

function readKey(
  key: SubscribeOptions["applicationServerKey"],
): Uint8Array<ArrayBuffer> {
  if (typeof key === "string") return fromBase64url(key);
  if (key instanceof ArrayBuffer) return new Uint8Array(key.slice(0));
  if (ArrayBuffer.isView(key)) {
    const { buffer, byteOffset, byteLength } = key;
    return new Uint8Array(buffer, byteOffset, byteLength).slice();
  }
  const { kty, crv, x, y } = Object(key) as JsonWebKey;
  if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined) {
    throw new TypeError(
      `Cannot read the server's key: 'applicationServerKey' must be a text, bytes, or a JWK on P-256, got a JWK of type "${kty}" on "${crv}"`,
    );
  }
  return Uint8Array.of(UNCOMPRESSED, ...fromBase64url(x), ...fromBase64url(y));
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (char) => char.charCodeAt(0));
  } catch {
    throw new TypeError(
      `Cannot read the server's key: 'applicationServerKey' must be in base64url, got "${text}"`,
    );
  }
}

function toBase64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function platform(): {
  locks?: SubscribeLocks;
  userActivation?: { readonly isActive: boolean };
} {
  return (globalThis as { navigator?: object }).navigator ?? {};
}
