// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Core } from "./core.ts";
import { type Arrival, fetchFrom, navigate } from "./handle_fetch.ts";
import { requestOf } from "./http.ts";
import { type Message, messageOf, type TransferOptions } from "./messages.ts";
import { cachesOf, navigatorOf } from "./platform.ts";
import {
  Realm,
  type ServiceWorker,
  type ServiceWorkerRegistration,
  Target,
} from "./realm.ts";
import type { Registration } from "./registration.ts";
import type { Worker } from "./worker.ts";

/** What a window is opened with. */
export interface WindowFacts {
  readonly focused?: boolean | undefined;
  readonly frameType?: string | undefined;
}

/** A page in a tab. */
export class Window extends Target {
  id = "";
  url = "";
  frozen = false;
  closed = false;
  response = new Response();
  /** When its page came, in order. */
  arrived = 0;
  /** When it was focused, in order; 0 means never. */
  lastFocus = 0;
  controller: Worker | null = null;
  readonly frameType: string;
  readonly realm: Realm;
  readonly core: Core;
  readonly serviceWorker: Container;
  readonly navigator: object;
  readonly caches: unknown;
  readonly BroadcastChannel: new (name: string) => EventTarget;
  #visible = true;
  #focused = false;
  #held: (() => void)[] = [];
  /** Ends what the document that is there has begun. */
  #document = new AbortController();
  /** Gives up the document that is on its way. */
  #navigation: AbortController | undefined;

  constructor(core: Core, { frameType = "top-level" }: WindowFacts) {
    super([
      "blur",
      "focus",
      "freeze",
      "offline",
      "online",
      "pagehide",
      "resume",
      "visibilitychange",
    ]);
    this.core = core;
    this.frameType = frameType;
    const realm = this.realm = core.enter(
      new Realm(core, this, (work) => this.#task(work)),
    );
    this.serviceWorker = new Container(realm, this);
    this.navigator = navigatorOf(core, this, this.serviceWorker);
    this.caches = cachesOf(core, core.origin);
    this.BroadcastChannel = function (name: string) {
      return core.channels.open(String(name), (work) => realm.task(work));
    } as unknown as new (name: string) => EventTarget;
  }

  get focused(): boolean {
    return this.#focused;
  }

  get visibilityState(): "visible" | "hidden" {
    return this.#visible ? "visible" : "hidden";
  }

  fetch(input: Request | string | URL, init?: RequestInit): Promise<Response> {
    this.#assertOpen("fetch");
    const { signal: left } = this.#document;
    const response = fetchFrom(this, requestOf(input, init, this.url), left);
    // Then nobody is there to hear of it.
    left.addEventListener("abort", () => response.catch(() => {}));
    return response;
  }

  postMessage(message: unknown, options?: TransferOptions): void {
    this.#assertOpen("post");
    if (!this.controller) {
      throw new DOMException(
        `Cannot post to the worker: none controls ${this.url}`,
        "InvalidStateError",
      );
    }
    this.controller.receive(messageOf(message, options), this);
  }

  async navigate(url: string, { reload = false } = {}): Promise<Response> {
    this.#assertOpen("navigate");
    const href = new URL(url, this.url || this.core.origin).href;
    this.#giveUp(`it goes to ${href} instead`);
    const navigation = this.#navigation = new AbortController();
    await navigate(this, href, {
      isReload: reload,
      givenUp: navigation.signal,
      arrive: (arrival) => this.#arrive(arrival),
    });
    return this.response;
  }

  reload(): Promise<Response> {
    return this.navigate(this.url, { reload: true });
  }

  /** Has a worker control this page. */
  control(worker: Worker): void {
    if (this.controller === worker) return;
    const left = this.controller;
    this.controller = worker;
    this.serviceWorker.controllerChanged();
    if (left?.registration !== worker.registration) left?.registration.settle();
  }

  registrationActive(registration: Registration): void {
    this.serviceWorker.registrationActive(registration);
  }

  receive(message: Message, from: Worker): void {
    this.serviceWorker.receive(message, from);
  }

  focus(): void {
    this.#assertOpen("focus");
    for (const other of this.core.windows) if (other !== this) other.blur();
    this.lastFocus = this.core.nextNumber();
    this.#show(true);
    if (this.#focused) return;
    this.#focused = true;
    this.dispatchEvent(new Event("focus"));
  }

  blur(): void {
    if (!this.#focused) return;
    this.#focused = false;
    this.dispatchEvent(new Event("blur"));
  }

  hide(): void {
    this.blur();
    this.#show(false);
  }

  freeze(): void {
    this.#assertOpen("freeze");
    if (this.frozen) return;
    this.hide();
    this.dispatchEvent(new Event("freeze"));
    this.frozen = true;
  }

  resume(): void {
    if (!this.frozen) return;
    this.frozen = false;
    this.dispatchEvent(new Event("resume"));
    for (const work of this.#held.splice(0)) this.realm.task(work);
  }

  close(): void {
    if (this.closed) return;
    this.dispatchEvent(new Event("pagehide"));
    this.closed = true;
    this.#giveUp("it was closed");
    this.#document.abort(gone(this.url));
    this.core.leave(this.realm);
    this.core.removeWindow(this);
    this.core.locks.release(this);
    const left = this.controller;
    this.controller = null;
    left?.registration.settle();
  }

  /** Takes another page. */
  #arrive({ id, url, response, controller }: Arrival): void {
    const left = this.controller;
    this.#navigation = undefined;
    this.#document.abort(gone(this.url));
    this.#document = new AbortController();
    this.arrived = this.core.nextNumber();
    Object.assign(this, { id, url, response, controller });
    this.#held = [];
    this.core.locks.release(this);
    this.core.addWindow(this);
    this.serviceWorker.enter();
    // Only now: the page that comes may use the worker of the one that goes.
    left?.registration.settle();
    controller?.registration.softUpdate();
  }

  #giveUp(why: string): void {
    this.#navigation?.abort(
      new DOMException(
        `Cannot load a page into the window: ${why}`,
        "AbortError",
      ),
    );
  }

  #show(visible: boolean): void {
    if (this.#visible === visible) return;
    this.#visible = visible;
    this.dispatchEvent(new Event("visibilitychange"));
  }

  #task(work: () => void): void {
    const { id } = this;
    this.core.task(() => {
      // A document that was left runs no more.
      if (this.closed || this.id !== id) return;
      if (this.frozen) this.#held.push(work);
      else work();
    });
  }

  #assertOpen(verb: string): void {
    if (!this.closed) return;
    throw new DOMException(
      `Cannot ${verb} in ${this.url}: the window is closed`,
      "InvalidStateError",
    );
  }
}

function gone(url: string): DOMException {
  return new DOMException(`Cannot go on: ${url} was left`, "AbortError");
}

/** `ServiceWorkerContainer`. */
export class Container extends Target {
  declare onmessage: ((event: Event) => void) | null;
  declare oncontrollerchange: ((event: Event) => void) | null;
  readonly #realm: Realm;
  readonly #window: Window;
  #controller: Worker | null = null;
  #ready = Promise.withResolvers<ServiceWorkerRegistration>();
  #isReady = false;
  /** Messages that came before anybody listened. */
  #early: (() => void)[] | undefined = [];

  constructor(realm: Realm, page: Window) {
    super(["controllerchange", "message", "messageerror"]);
    this.#realm = realm;
    this.#window = page;
  }

  get controller(): ServiceWorker | null {
    return this.#realm.workerOf(this.#controller);
  }

  get ready(): Promise<ServiceWorkerRegistration> {
    return this.#ready.promise;
  }

  register(
    url: string | URL,
    options: { scope?: string | undefined; updateViaCache?: string } = {},
  ): Promise<ServiceWorkerRegistration> {
    return this.#realm.started((started) =>
      this.#realm.core.register(url, {
        ...options,
        base: this.#window.url,
        started,
      })
    );
  }

  async getRegistration(
    url: string | URL = "",
  ): Promise<ServiceWorkerRegistration | undefined> {
    const { core } = this.#realm;
    const target = new URL(url, this.#window.url);
    if (target.origin !== core.origin) {
      throw new DOMException(
        `Cannot get the registration of ${target}: it is of another origin`,
        "SecurityError",
      );
    }
    const registration = core.match(target.href);
    await this.#realm.settled(Promise.resolve());
    return registration && this.#realm.registrationOf(registration);
  }

  async getRegistrations(): Promise<ServiceWorkerRegistration[]> {
    const registrations = [...this.#realm.core.registrations.values()];
    await this.#realm.settled(Promise.resolve());
    return registrations.map((one) => this.#realm.registrationOf(one));
  }

  startMessages(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const dispatch of early) this.#realm.task(dispatch);
  }

  /** A new document: nothing of the old one is left. */
  enter(): void {
    const { core } = this.#realm;
    this.#controller = this.#window.controller;
    this.#ready = Promise.withResolvers();
    this.#isReady = false;
    const registration = core.match(this.#window.url);
    if (registration?.active) this.registrationActive(registration);
    this.#early = [];
    // The page has loaded, and its scripts have had their turn to listen.
    this.#realm.task(() => this.#realm.task(() => this.startMessages()));
  }

  controllerChanged(): void {
    const { controller } = this.#window;
    this.#realm.task(() => {
      this.#controller = controller;
      this.dispatchEvent(new Event("controllerchange"));
    });
  }

  registrationActive(registration: Registration): void {
    if (this.#isReady) return;
    if (this.#realm.core.match(this.#window.url) !== registration) return;
    this.#isReady = true;
    const { resolve } = this.#ready;
    this.#realm.task(() => resolve(this.#realm.registrationOf(registration)));
  }

  receive({ data, ports }: Message, from: Worker): void {
    const dispatch = () => {
      this.dispatchEvent(
        new MessageEvent("message", {
          data,
          ports,
          origin: this.#realm.core.origin,
          source: this.#realm.workerOf(from) as unknown as MessagePort,
        }),
      );
    };
    if (this.#early) this.#early.push(dispatch);
    else this.#realm.task(dispatch);
  }

  protected override handlerSet(type: string): void {
    if (type === "message") this.startMessages();
  }
}
