// Copyright 2026 the @serviceworker/std authors. MIT license.

/** How the work of an event ended. */
export type Outcome =
  | { readonly status: "fulfilled" }
  | { readonly status: "rejected"; readonly reason: unknown }
  | { readonly status: "stopped" };

/** The lifetime of an event: https://w3c.github.io/ServiceWorker/#extendableevent */
class Lifetime {
  /** Whether the listeners are being called. */
  dispatching = false;
  #pending = 0;
  #outcome: Outcome = { status: "fulfilled" };
  readonly #end = Promise.withResolvers<Outcome>();
  readonly #type: string;

  constructor(type: string) {
    this.#type = type;
  }

  /** How it ended, once it has. */
  get end(): Promise<Outcome> {
    return this.#end.promise;
  }

  /** Whether it can be extended. */
  get active(): boolean {
    return this.dispatching || this.#pending > 0;
  }

  extend(work: unknown): Promise<unknown> {
    if (!this.active) {
      throw new DOMException(
        `Cannot extend the "${this.#type}" event: it has ended`,
        "InvalidStateError",
      );
    }
    this.#pending++;
    const promise = Promise.resolve(work);
    promise.then(() => this.#settle(), (reason) => {
      if (this.#outcome.status === "fulfilled") {
        this.#outcome = { status: "rejected", reason };
      }
      this.#settle();
    });
    return promise;
  }

  listenersReturned(): void {
    this.dispatching = false;
    this.#endIfIdle();
  }

  stop(): void {
    this.#end.resolve({ status: "stopped" });
  }

  #settle(): void {
    // Whoever awaits the same promise may still extend the event.
    queueMicrotask(() => {
      this.#pending--;
      this.#endIfIdle();
    });
  }

  #endIfIdle(): void {
    if (!this.active) this.#end.resolve(this.#outcome);
  }
}

/** `ExtendableEvent`. One that a script made itself cannot be extended, as in a browser. */
export class ExtendableEvent extends Event {
  #lifetime: Lifetime | undefined;

  waitUntil(work: unknown): void {
    this.extend(work);
  }

  protected extend(work: unknown): Promise<unknown> {
    if (!this.#lifetime) {
      throw new DOMException(
        `Cannot extend the "${this.type}" event: a script made it`,
        "InvalidStateError",
      );
    }
    return this.#lifetime.extend(work);
  }

  /** Calls `dispatch` and resolves with how the work ended. */
  static async live(
    event: ExtendableEvent,
    dispatch: () => void,
    stopped: Promise<void>,
  ): Promise<Outcome> {
    const lifetime = new Lifetime(event.type);
    event.#lifetime = lifetime;
    stopped.then(() => lifetime.stop());
    lifetime.dispatching = true;
    dispatch();
    lifetime.listenersReturned();
    return await lifetime.end;
  }

  /** Whether the event can be extended. */
  protected get active(): boolean {
    return this.#lifetime?.active ?? false;
  }

  /** Whether the listeners of the event are being called. */
  protected get dispatching(): boolean {
    return this.#lifetime?.dispatching ?? false;
  }
}

/** `InstallEvent`. */
export class InstallEvent extends ExtendableEvent {}

/** What a `fetch` event tells. */
export interface FetchEventInit extends EventInit {
  readonly request: Request;
  readonly clientId?: string;
  readonly resultingClientId?: string;
  readonly replacesClientId?: string;
  readonly isReload?: boolean;
  readonly preloadResponse?: Promise<Response | undefined>;
  readonly handled?: Promise<undefined>;
}

/** `FetchEvent`. */
export class FetchEvent extends ExtendableEvent {
  readonly request: Request;
  readonly clientId: string;
  readonly resultingClientId: string;
  readonly replacesClientId: string;
  readonly isReload: boolean;
  readonly preloadResponse: Promise<Response | undefined>;
  readonly handled: Promise<undefined>;
  #response: Promise<unknown> | undefined;

  constructor(type: string, init: FetchEventInit) {
    super(type, init);
    this.request = init.request;
    this.clientId = init.clientId ?? "";
    this.resultingClientId = init.resultingClientId ?? "";
    this.replacesClientId = init.replacesClientId ?? "";
    this.isReload = init.isReload ?? false;
    this.preloadResponse = init.preloadResponse ?? Promise.resolve(undefined);
    this.handled = init.handled ?? Promise.resolve(undefined);
  }

  respondWith(response: unknown): void {
    const { url } = this.request;
    if (!this.dispatching) {
      throw new DOMException(
        `Cannot respond to ${url}: the listeners have returned`,
        "InvalidStateError",
      );
    }
    if (this.#response) {
      throw new DOMException(
        `Cannot respond to ${url}: it has been responded to`,
        "InvalidStateError",
      );
    }
    this.#response = this.extend(response);
    this.stopImmediatePropagation();
  }

  /** What the worker responded with, if it did. */
  static responseOf(event: FetchEvent): Promise<unknown> | undefined {
    return event.#response;
  }
}

/** What a `message` event tells. */
export interface ExtendableMessageEventInit extends EventInit {
  readonly data?: unknown;
  readonly origin?: string;
  readonly lastEventId?: string;
  readonly source?: unknown;
  readonly ports?: readonly MessagePort[];
}

/** `ExtendableMessageEvent`. */
export class ExtendableMessageEvent extends ExtendableEvent {
  readonly data: unknown;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: unknown;
  readonly ports: readonly MessagePort[];

  constructor(type: string, init: ExtendableMessageEventInit = {}) {
    super(type, init);
    this.data = init.data ?? null;
    this.origin = init.origin ?? "";
    this.lastEventId = init.lastEventId ?? "";
    this.source = init.source ?? null;
    this.ports = Object.freeze([...init.ports ?? []]);
  }
}

/** `SyncEvent`. */
export class SyncEvent extends ExtendableEvent {
  readonly tag: string;
  readonly lastChance: boolean;

  constructor(
    type: string,
    init: EventInit & { readonly tag: string; readonly lastChance?: boolean },
  ) {
    super(type, init);
    this.tag = init.tag;
    this.lastChance = init.lastChance ?? false;
  }
}

/** `PeriodicSyncEvent`. */
export class PeriodicSyncEvent extends ExtendableEvent {
  readonly tag: string;

  constructor(type: string, init: EventInit & { readonly tag: string }) {
    super(type, init);
    this.tag = init.tag;
  }
}

/** `PushMessageData`. */
export class PushMessageData {
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  arrayBuffer(): ArrayBuffer {
    return this.#bytes.slice().buffer;
  }

  blob(): Blob {
    return new Blob([this.#bytes]);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice();
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  text(): string {
    return new TextDecoder().decode(this.#bytes);
  }
}

/** `PushEvent`. */
export class PushEvent extends ExtendableEvent {
  readonly data: PushMessageData | null;

  constructor(
    type: string,
    init: EventInit & {
      readonly data?: string | ArrayBuffer | Uint8Array | null;
    } = {},
  ) {
    super(type, init);
    const { data } = init;
    this.data = data === undefined || data === null
      ? null
      : new PushMessageData(
        typeof data === "string"
          ? new TextEncoder().encode(data)
          : new Uint8Array(data),
      );
  }
}

/** `PushSubscriptionChangeEvent`. */
export class PushSubscriptionChangeEvent extends ExtendableEvent {
  readonly oldSubscription: unknown;
  readonly newSubscription: unknown;

  constructor(
    type: string,
    init: EventInit & {
      readonly oldSubscription?: unknown;
      readonly newSubscription?: unknown;
    } = {},
  ) {
    super(type, init);
    this.oldSubscription = init.oldSubscription ?? null;
    this.newSubscription = init.newSubscription ?? null;
  }
}

/** `NotificationEvent`. */
export class NotificationEvent<T = unknown> extends ExtendableEvent {
  readonly notification: T;
  readonly action: string;

  constructor(
    type: string,
    init: EventInit & { readonly notification: T; readonly action?: string },
  ) {
    super(type, init);
    this.notification = init.notification;
    this.action = init.action ?? "";
  }
}

/** `BackgroundFetchEvent`. */
export class BackgroundFetchEvent<T = unknown> extends ExtendableEvent {
  readonly registration: T;

  constructor(type: string, init: EventInit & { readonly registration: T }) {
    super(type, init);
    this.registration = init.registration;
  }
}
