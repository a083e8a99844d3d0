// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Show a notification for every push message, whatever is in it: nothing, text,
 * broken JSON, or what takes too long to be made into one. Browsers take the
 * subscription away from apps that leave messages unseen: Safari after three.
 *
 * A message is understood if it is JSON that describes a notification, either
 * declaratively, as browsers to come show it without a worker, or in short:
 *
 * ```text
 * { "web_push": 8030, "notification": { "title", "body", "navigate" … }, "app_badge" }
 * { "title", "body", "navigate" … , "app_badge" }
 * ```
 *
 * Where a click leads to travels with the notification, for `notificationClick`:
 * its `data` is that of the message with one key added, or what is no object under
 * the key `data` beside it.
 *
 * ```text
 * data  { ...data, "@serviceworker/std": { navigate, actions: { [action]: navigate } } }
 * ```
 *
 * Spec: https://w3c.github.io/push-api/#declarative-push-message
 *
 * @module
 */

/** A button of a notification. */
export interface NotifyAction {
  /** What tells the worker which button was clicked. */
  readonly action: string;
  /** What the user reads. */
  readonly title: string;
  /** The URL of an image. */
  readonly icon?: string | undefined;
  /** Where a click on it leads to. */
  readonly navigate?: string | undefined;
}

/** A notification, with the options that `showNotification()` takes. */
export interface NotifyNotification {
  /** What the user reads first; not empty. */
  readonly title: string;
  /** More of the text. */
  readonly body?: string | undefined;
  /** Where a click leads to, relative to the scope of the registration. */
  readonly navigate?: string | undefined;
  /** A new notification replaces one of the same tag. */
  readonly tag?: string | undefined;
  /** The URL of an image. */
  readonly icon?: string | undefined;
  /** The URL of a small image, where there is no room for more. */
  readonly badge?: string | undefined;
  /** The URL of a large image. */
  readonly image?: string | undefined;
  /** The language of the texts. */
  readonly lang?: string | undefined;
  /** The direction of the texts. */
  readonly dir?: "auto" | "ltr" | "rtl" | undefined;
  /** Buttons; most browsers show two, some none. */
  readonly actions?: readonly NotifyAction[] | undefined;
  /** Whether it makes no sound. */
  readonly silent?: boolean | undefined;
  /** Whether it stays until the user acts. */
  readonly requireInteraction?: boolean | undefined;
  /** Whether it draws attention even if it replaces another. */
  readonly renotify?: boolean | undefined;
  /** When what it is about was, as of `Date.now()`. */
  readonly timestamp?: number | undefined;
  /** Anything that can be cloned. */
  readonly data?: unknown;
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode notify} uses. */
export interface NotifyRegistration {
  /** What relative URLs are relative to. */
  readonly scope: string;
  /** Shows a notification. */
  showNotification(title: string, options?: object): Promise<void>;
  /** Resolves with the notifications that are shown. */
  getNotifications(
    filter: { tag: string },
  ): Promise<readonly { close(): void }[]>;
}

/** The part of a `push` event that {@linkcode notify} uses. */
export interface NotifyEvent {
  /** What was sent; `null` if nothing, or if the browser has read it. */
  readonly data: { text(): string } | null;
  /** What the browser shows if the worker does not, where it has read that. */
  readonly notification?: object | null | undefined;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What a handler is given beside the message. */
export interface NotifyContext {
  /** Aborts after 30 seconds, when nobody waits for the handler any more. */
  readonly signal: AbortSignal;
}

/** What became of a message. */
export interface NotifyReport {
  /**
   * "shown": what the handler returned, or what the message describes;
   * "fallback": the default notification;
   * "none": nothing, as the handler wanted it;
   * "refused": nothing, as the browser did not do it: the user has withdrawn the
   * permission.
   */
  readonly status: "shown" | "fallback" | "none" | "refused";
  /** The message: what its JSON says, or its text, `undefined` if it has none. */
  readonly payload: unknown;
  /** What the handler threw or the browser rejected with, if anything. */
  readonly error?: unknown;
}

/** Options for {@linkcode notify}. */
export interface NotifyOptions {
  /** What is shown if the message does not say, or cannot be understood. */
  readonly fallback: NotifyNotification;
  /**
   * Makes a notification of a message, which is its JSON, or its text if it has
   * none, `undefined` if it is empty. It is untrusted: look before you use it.
   *
   * With `undefined` as its result, or if it throws, the notification that the
   * message describes is shown, or the default one. With `null` nothing is shown:
   * browsers forgive that seldom, Safari never.
   *
   * Without a handler, the message has to describe a notification.
   */
  readonly handler?:
    | ((
      payload: unknown,
      context: NotifyContext,
    ) =>
      | NotifyNotification
      | null
      | undefined
      | Promise<NotifyNotification | null | undefined>)
    | undefined;
  /**
   * After how many milliseconds the default notification is shown, to be replaced
   * when the handler is done.
   *
   * @default {5_000}
   */
  readonly timeout?: number | undefined;
  /**
   * The origins that URLs of a notification may have; others are left out.
   *
   * @default {[that of the registration]}
   */
  readonly origins?: readonly string[] | undefined;
  /**
   * What sets the app's badge to the `app_badge` of a message: that which
   * `createBadge()` makes. Without it, messages set none.
   */
  readonly appBadge?: { set(count: number): Promise<unknown> } | undefined;
  /**
   * Learns what became of each message, inside `waitUntil()`. If that is "refused",
   * `renew()` tells the server to send no more.
   */
  readonly report?: ((report: NotifyReport) => unknown) | undefined;
}

/** How work ended. */
interface Outcome<T> {
  readonly value?: T | undefined;
  readonly error?: unknown;
}

const KEY = "@serviceworker/std";
/** What tells a declarative message from others: the number of RFC 8030. */
const WEB_PUSH = 8030;
const PATIENCE = 5_000;
const LIMIT = 30_000;
const LONGEST_TITLE = 256;
const LONGEST_BODY = 4_096;
const LONGEST_NAME = 256;
const LONGEST_URL = 4_096;
const MOST_ACTIONS = 8;

/**
 * Makes a listener for `push` events, which shows one notification for each, inside
 * `waitUntil()`, also while a window of the app has the focus.
 *
 * A `tag` has a message replace an earlier one. While the handler takes its time,
 * the default notification is there, and is replaced when the handler is done; that
 * happens in one step if the tags of both are the same, or neither has one.
 *
 * All that a message or handler says is bounded and checked: what is not of its
 * type is left out, texts are cut, and URLs must have one of `options.origins`.
 *
 * Spec: https://notifications.spec.whatwg.org/#dom-serviceworkerregistration-shownotification
 *
 * @param registration The worker's `self.registration`.
 * @param options What to show, and how.
 * @returns The listener.
 *
 * @example Showing a notification for every message
 * ```ts
 * import { notify } from "@serviceworker/std/push/notify";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const host = createHost();
 * await host.register((self) => { // The worker.
 *   self.addEventListener(
 *     "push",
 *     notify(self.registration, { fallback: { title: "A new episode" } }),
 *   );
 * });
 *
 * await host.deliverPushMessage('{ "title": "Episode 7", "navigate": "/7" }');
 * await host.deliverPushMessage("not JSON");
 * await host.deliverPushMessage();
 * assertEquals(host.notifications.map(({ title }) => title), [
 *   "Episode 7",
 *   "A new episode",
 *   "A new episode",
 * ]);
 * host.close();
 * ```
 *
 * @example Making a notification of a message of one's own
 * ```ts
 * import { notify } from "@serviceworker/std/push/notify";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * interface Episode {
 *   id: string;
 *   name: string;
 * }
 *
 * function isEpisode(value: unknown): value is Episode {
 *   const { id, name } = Object(value);
 *   return typeof id === "string" && typeof name === "string";
 * }
 *
 * const host = createHost();
 * await host.register((self) => { // The worker.
 *   const onPush = notify(self.registration, {
 *     fallback: { title: "A new episode" },
 *     handler(payload) {
 *       if (!isEpisode(payload)) return;
 *       const { id, name } = payload;
 *       return { title: name, tag: id, navigate: `/episodes/${id}` };
 *     },
 *   });
 *   self.addEventListener("push", onPush);
 * });
 *
 * await host.deliverPushMessage('{ "id": "7", "name": "Silence" }');
 * assertEquals(host.notifications[0]?.title, "Silence");
 * host.close();
 * ```
 */
export function notify(
  registration: NotifyRegistration,
  options: NotifyOptions,
): (event: NotifyEvent) => void {
  const { handler, timeout = PATIENCE, appBadge, report } = options;
  const { scope } = registration;
  const { origins = [new URL(scope).origin] } = options;
  const check = (value: unknown) => checked(value, scope, origins);

  async function handle(event: NotifyEvent): Promise<void> {
    const payload = payloadOf(event);
    const declared = declaredIn(payload);
    const [result] = await Promise.all([
      inform(payload, check(declared)),
      setBadge(Object(payload).app_badge ?? Object(declared).app_badge),
    ]);
    await report?.({ ...result, payload });
  }

  async function inform(
    payload: unknown,
    described: NotifyNotification | undefined,
  ): Promise<Omit<NotifyReport, "payload">> {
    const fallback = described ?? options.fallback;
    const over = new AbortController();
    const { signal } = over;
    const work = settled(async () => await handler?.(payload, { signal }));
    let early: string | undefined;
    try {
      let outcome = await within(work, timeout);
      if (!outcome) {
        early = fallback.tag || `${KEY}/${crypto.randomUUID()}`;
        await show({ ...fallback, tag: early });
        outcome = await within(work, LIMIT - timeout) ?? giveUp(over);
      }
      const { value } = outcome;
      let { error } = outcome;
      if (value === null) {
        await clear(early);
        return { status: "none" };
      }
      const made = check(value);
      if (made) {
        const tag = made.tag ?? (fallback.tag ? undefined : early);
        try {
          if (tag !== early) {
            await clear(early);
            early = undefined;
          }
          await show({ ...made, tag });
          return { status: "shown" };
        } catch (reason) {
          error = reason;
        }
      }
      if (early === undefined) await show(fallback);
      return { status: described ? "shown" : "fallback", error };
    } catch (error) {
      return { status: "refused", error };
    }
  }

  /** Removes the notification that was shown early, if there is one. */
  async function clear(tag: string | undefined): Promise<void> {
    if (tag === undefined) return;
    for (const old of await registration.getNotifications({ tag })) old.close();
  }

  async function show(notification: NotifyNotification): Promise<void> {
    const { title, navigate, data, ...rest } = notification;
    const entries = rest.actions?.filter((action) => action.navigate)
      .map(({ action, navigate }) => [action, navigate]) ?? [];
    const marked = navigate === undefined && entries.length === 0 ? data : {
      ...(isPlainObject(data) ? data : data !== undefined && { data }),
      [KEY]: { navigate, actions: Object.fromEntries(entries) },
    };
    await registration.showNotification(title, { ...rest, data: marked });
  }

  async function setBadge(value: unknown): Promise<void> {
    // Some send it as a text.
    const count = typeof value === "string" ? Number(value || NaN) : value;
    if (!Number.isSafeInteger(count) || Number(count) < 0) return;
    try {
      await appBadge?.set(Number(count));
    } catch {
      // The notification says it as well.
    }
  }

  return (event) => event.waitUntil(handle(event));
}

/** What a message says, as far as it can be read. */
function payloadOf({ data, notification }: NotifyEvent): unknown {
  if (!data) {
    return notification ? { web_push: WEB_PUSH, notification } : undefined;
  }
  const text = data.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a message describes, if it is a notification. */
function declaredIn(payload: unknown): unknown {
  const { web_push: version, notification } = Object(payload);
  return version === WEB_PUSH ? notification : payload;
}

/** The fields of what came from elsewhere. */
type Fields = Partial<Record<keyof NotifyNotification, unknown>>;

/** What of a description can be shown; nothing without a title. */
function checked(
  value: unknown,
  scope: string,
  origins: readonly string[],
): NotifyNotification | undefined {
  const from = Object(value) as Fields;
  const { dir, timestamp } = from;
  const text = (value: unknown, length: number) =>
    typeof value === "string" && value !== ""
      ? value.slice(0, length)
      : undefined;
  const flag = (value: unknown) =>
    typeof value === "boolean" ? value : undefined;
  const url = (value: unknown) => {
    if (typeof value !== "string" || value.length > LONGEST_URL) return;
    try {
      const { href, origin, protocol } = new URL(value, scope);
      const isAllowed = /^https?:$/.test(protocol) && origins.includes(origin);
      return isAllowed ? href : undefined;
    } catch {
      return undefined;
    }
  };

  const title = text(from.title, LONGEST_TITLE);
  if (title === undefined) return undefined;
  const tag = text(from.tag, LONGEST_NAME);
  const actions: NotifyAction[] = [];
  for (const each of Array.isArray(from.actions) ? from.actions : []) {
    const action = text(Object(each).action, LONGEST_NAME);
    const title = text(Object(each).title, LONGEST_TITLE);
    if (!action || !title || actions.length === MOST_ACTIONS) continue;
    const { icon, navigate } = each;
    actions.push({ action, title, icon: url(icon), navigate: url(navigate) });
  }
  return {
    title,
    tag,
    actions,
    body: text(from.body, LONGEST_BODY),
    icon: url(from.icon),
    badge: url(from.badge),
    image: url(from.image),
    navigate: url(from.navigate),
    lang: text(from.lang, LONGEST_NAME),
    dir: dir === "auto" || dir === "ltr" || dir === "rtl" ? dir : undefined,
    silent: flag(from.silent),
    requireInteraction: flag(from.requireInteraction),
    // Browsers refuse it without a tag.
    renotify: tag === undefined ? undefined : flag(from.renotify),
    timestamp: Number.isSafeInteger(timestamp) ? Number(timestamp) : undefined,
    data: from.data,
  };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" &&
    Object.getPrototypeOf(value) === Object.prototype;
}

async function settled<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

/** What a promise resolves with, unless that takes too long. */
async function within<T>(
  promise: Promise<T>,
  milliseconds: number,
): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), milliseconds);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends what takes too long. */
function giveUp(work: AbortController): Outcome<undefined> {
  const error = new DOMException(
    `Cannot wait for the handler: ${LIMIT / 1_000} seconds have passed`,
    "TimeoutError",
  );
  work.abort(error);
  return { error };
}
