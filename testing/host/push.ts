// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { HostNotification } from "../host.ts";
import type { Core } from "./core.ts";
import {
  NotificationEvent,
  PushEvent,
  PushSubscriptionChangeEvent,
} from "./events.ts";
import type { Registration } from "./registration.ts";

/** What `showNotification()` takes. */
export interface NotificationOptions {
  readonly tag?: string;
  readonly body?: string;
  readonly data?: unknown;
  readonly icon?: string;
  readonly badge?: string;
  readonly actions?: readonly {
    readonly action: string;
    readonly title: string;
  }[];
  readonly silent?: boolean | null;
  readonly requireInteraction?: boolean;
  readonly renotify?: boolean;
}

/** `Notification`. */
export class Notification {
  readonly title: string;
  readonly tag: string;
  readonly body: string;
  readonly data: unknown;
  readonly icon: string;
  readonly badge: string;
  readonly actions: NotificationOptions["actions"];
  readonly silent: boolean | null;
  readonly requireInteraction: boolean;
  readonly renotify: boolean;
  readonly timestamp: number;
  readonly #close: () => void;

  constructor(
    title: string,
    options: NotificationOptions,
    { timestamp, close }: { timestamp: number; close: () => void },
  ) {
    this.title = String(title);
    this.tag = options.tag ?? "";
    this.body = options.body ?? "";
    this.data = structuredClone(options.data ?? null);
    this.icon = options.icon ?? "";
    this.badge = options.badge ?? "";
    this.actions = structuredClone([...options.actions ?? []]);
    this.silent = options.silent ?? null;
    this.requireInteraction = options.requireInteraction ?? false;
    this.renotify = options.renotify ?? false;
    this.timestamp = timestamp;
    this.#close = close;
  }

  close(): void {
    this.#close();
  }
}

/** What the user sees. */
export class Notifications {
  readonly #core: Core;
  readonly #shown = new Map<Notification, Registration>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** `registration.showNotification` and `registration.getNotifications` */
  methodsOf(registration: Registration): Record<string, unknown> {
    return {
      showNotification: async (
        title: string,
        options: NotificationOptions = {},
      ) => {
        const refused = !registration.active
          ? "no worker is active"
          : this.#core.permission("notifications") !== "granted"
          ? `permission is ${this.#core.permission("notifications")}`
          : options.renotify && !options.tag
          ? "it has no tag, but is to notify again"
          : undefined;
        if (refused) {
          throw new TypeError(
            `Cannot show notification "${title}": ${refused}`,
          );
        }
        for (const [shown, owner] of this.#shown) {
          if (
            owner === registration && shown.tag && shown.tag === options.tag
          ) {
            this.#shown.delete(shown);
          }
        }
        const notification = new Notification(title, options, {
          timestamp: this.#core.clock.now(),
          close: () => this.#shown.delete(notification),
        });
        this.#shown.set(notification, registration);
        return await undefined;
      },
      getNotifications: ({ tag = "" }: { tag?: string } = {}) =>
        Promise.resolve(
          [...this.#shown].filter(([shown, owner]) =>
            owner === registration && (tag === "" || shown.tag === tag)
          ).map(([shown]) => shown),
        ),
    };
  }

  /** The global `Notification` of a worker, which cannot construct one. */
  interfaceOf(): unknown {
    const core = this.#core;
    return class {
      static get permission(): string {
        const state = core.permission("notifications");
        return state === "prompt" ? "default" : state;
      }
      static maxActions = 2;
      constructor() {
        throw new TypeError(
          "Cannot construct a notification: a worker shows it through its registration",
        );
      }
    };
  }

  /** What is shown now, as a user can act on it. */
  list(): HostNotification[] {
    return [...this.#shown].map(([shown, registration]) => ({
      title: shown.title,
      body: shown.body,
      tag: shown.tag,
      data: shown.data,
      icon: shown.icon,
      actions: shown.actions ?? [],
      click: (action = "") =>
        this.#fire("notificationclick", shown, registration, action),
      close: () => {
        this.#shown.delete(shown);
        return this.#fire("notificationclose", shown, registration, "");
      },
    }));
  }

  async #fire(
    type: "notificationclick" | "notificationclose",
    shown: Notification,
    registration: Registration,
    action: string,
  ): Promise<boolean> {
    const outcome = await registration.active?.fire(type, (life) => {
      if (type === "notificationclick") life.allowInteraction();
      const notification = life.gate.out(shown, "Notification");
      return new NotificationEvent(type, { notification, action });
    });
    this.#core.throwErrors();
    return outcome?.status === "fulfilled";
  }
}

interface PushSubscriptionOptions {
  readonly userVisibleOnly?: boolean;
  readonly applicationServerKey?: string | BufferSource | null;
}

/** `PushSubscription`. */
export class PushSubscription {
  readonly endpoint: string;
  readonly expirationTime = null;
  readonly options: {
    readonly userVisibleOnly: boolean;
    readonly applicationServerKey: ArrayBuffer | null;
  };
  readonly #keys: Record<string, Uint8Array<ArrayBuffer>>;
  readonly #unsubscribe: () => boolean;

  constructor(
    endpoint: string,
    applicationServerKey: ArrayBuffer | null,
    unsubscribe: () => boolean,
  ) {
    this.endpoint = endpoint;
    this.options = { userVisibleOnly: true, applicationServerKey };
    this.#keys = {
      // An uncompressed point of P-256 begins with 4; nobody decrypts with it.
      p256dh: Uint8Array.of(4, ...crypto.getRandomValues(new Uint8Array(64))),
      auth: crypto.getRandomValues(new Uint8Array(16)),
    };
    this.#unsubscribe = unsubscribe;
  }

  getKey(name: string): ArrayBuffer | null {
    return this.#keys[name]?.slice().buffer ?? null;
  }

  toJSON(): unknown {
    const { endpoint, expirationTime } = this;
    const keys = Object.fromEntries(
      Object.entries(this.#keys).map(([name, key]) => [name, base64url(key)]),
    );
    return { endpoint, expirationTime, keys };
  }

  unsubscribe(): Promise<boolean> {
    return Promise.resolve(this.#unsubscribe());
  }
}

/** Subscriptions to push messages. */
export class Pushes {
  readonly #core: Core;
  readonly #subscriptions = new Map<Registration, PushSubscription>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** `registration.pushManager` */
  managerOf(registration: Registration): object {
    return {
      subscribe: (options?: PushSubscriptionOptions) =>
        new Promise((resolve) =>
          resolve(this.#subscribe(registration, options ?? {}))
        ),
      getSubscription: () =>
        Promise.resolve(this.#subscriptions.get(registration) ?? null),
      permissionState: () => Promise.resolve(this.#core.permission("push")),
    };
  }

  /** Delivers a message; resolves with whether the worker handled it. */
  async deliver(
    data: string | ArrayBuffer | Uint8Array | undefined,
  ): Promise<boolean> {
    const [subscribed] = this.#subscriptions.keys();
    const worker = subscribed?.active ?? this.#core.activeWorker("push");
    const { status } = await worker.fire(
      "push",
      () => new PushEvent("push", data === undefined ? {} : { data }),
    );
    return status === "fulfilled";
  }

  /** Ends the subscription of a registration that is no more. */
  forget(registration: Registration): void {
    this.#subscriptions.delete(registration);
  }

  /** Ends a subscription on the side of the push service. */
  async expire(): Promise<boolean> {
    for (const [registration, subscription] of this.#subscriptions) {
      this.#subscriptions.delete(registration);
      const outcome = await registration.active?.fire(
        "pushsubscriptionchange",
        (life) =>
          new PushSubscriptionChangeEvent("pushsubscriptionchange", {
            oldSubscription: life.gate.out(subscription, "PushSubscription"),
          }),
      );
      return outcome?.status === "fulfilled";
    }
    throw new DOMException(
      "Cannot expire the push subscription: there is none",
      "InvalidStateError",
    );
  }

  #subscribe(
    registration: Registration,
    { userVisibleOnly = false, applicationServerKey }: PushSubscriptionOptions,
  ): PushSubscription {
    const refuse = (why: string, name: string): never => {
      throw new DOMException(`Cannot subscribe to push messages: ${why}`, name);
    };
    const state = this.#core.permission("push");
    const key = keyOf(applicationServerKey);
    if (!userVisibleOnly) {
      refuse("userVisibleOnly is not true", "NotAllowedError");
    }
    if (key && (key.length !== 65 || key[0] !== 4)) {
      refuse(
        `the key is no uncompressed point of P-256, but ${key.length} bytes`,
        "InvalidAccessError",
      );
    }
    if (state !== "granted") {
      refuse(`permission is ${state}`, "NotAllowedError");
    }
    if (!registration.active) refuse("no worker is active", "AbortError");
    const existing = this.#subscriptions.get(registration);
    if (existing) {
      const { applicationServerKey: old } = existing.options;
      if (old && key && base64url(new Uint8Array(old)) === base64url(key)) {
        return existing;
      }
      refuse("there is one with another key", "InvalidStateError");
    }
    const subscription = new PushSubscription(
      `https://push.example.test/${crypto.randomUUID()}`,
      key?.buffer ?? null,
      () => this.#subscriptions.delete(registration),
    );
    this.#subscriptions.set(registration, subscription);
    return subscription;
  }
}

function keyOf(
  key: PushSubscriptionOptions["applicationServerKey"],
): Uint8Array<ArrayBuffer> | undefined {
  if (key === undefined || key === null) return undefined;
  if (typeof key !== "string") {
    return new Uint8Array(
      ArrayBuffer.isView(key)
        ? key.buffer.slice(key.byteOffset, key.byteOffset + key.byteLength)
        : key,
    ) as Uint8Array<ArrayBuffer>;
  }
  try {
    const text = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (char) => char.charCodeAt(0));
  } catch {
    throw new DOMException(
      "Cannot subscribe to push messages: the key is not in base64url",
      "InvalidCharacterError",
    );
  }
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
