// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { HostScope, HostScript } from "../host.ts";
import { Cache } from "./cache.ts";
import { Client, Clients, WindowClient } from "./clients.ts";
import type { Core } from "./core.ts";
import * as events from "./events.ts";
import { Gate } from "./gate.ts";
import {
  dressResponse,
  factsOf,
  requestOf,
  streamOf,
  withBody,
} from "./http.ts";
import type { TransferOptions } from "./messages.ts";
import { cachesOf, navigatorOf } from "./platform.ts";
import { Realm, ServiceWorker, ServiceWorkerRegistration } from "./realm.ts";
import {
  abortSignalOf,
  ABSENT,
  addRest,
  dateOf,
  evaluate,
  messageChannelOf,
  PRESENT,
  requestClassOf,
  ServiceWorkerGlobalScope,
} from "./scope.ts";
import type { Window } from "./window.ts";
import type { Worker } from "./worker.ts";

/** How long a click lets a worker open or focus a page, as in Chromium. */
const INTERACTION_LIMIT = 10_000;

/** One run of a worker's script, from its start until it is stopped. */
export class Life {
  alive = true;
  /** The timer that ends it when it is idle. */
  rest: number | undefined;
  /** Until when it may open or focus a page, by the clock's elapsed time. */
  interactsUntil = -1;
  readonly worker: Worker;
  readonly number: number;
  readonly realm: Realm;
  readonly gate: Gate;
  readonly scope: ServiceWorkerGlobalScope;
  /** The types of event that the script listened for. */
  readonly listenedFor = new Set<string>();
  /** Those that it listened for too late. */
  readonly #late = new Set<string>();
  #isEvaluated = false;
  /** Settles when the script has been evaluated, or cannot be. */
  readonly evaluated: Promise<void>;
  readonly #core: Core;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #abort = new AbortController();
  readonly #timers = new Map<number, number>();
  readonly #ports = new Set<MessagePort>();

  constructor(worker: Worker, number: number) {
    this.worker = worker;
    this.number = number;
    this.#core = worker.core;
    this.realm = this.#core.enter(
      new Realm(this.#core, worker, (work) =>
        this.#core.task(() => {
          if (this.alive) this.run(work);
        })),
    );
    this.gate = new Gate(this);
    this.scope = new ServiceWorkerGlobalScope(this);
    this.#furnish();
    this.evaluated = this.#evaluate(worker.script);
    // Whoever starts the worker learns of it.
    this.evaluated.catch(() => {});
  }

  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  step(name: string): boolean {
    if (this.alive && this.#core.countStep(name)) {
      this.leave(() => this.stop());
    }
    return this.alive;
  }

  run<T>(work: () => T): T {
    const { context } = this.#core;
    return context ? context.run(this.scope, work) : work();
  }

  leave<T>(work: () => T): T {
    const { context } = this.#core;
    return context ? context.run(undefined, work) : work();
  }

  /** Notes that the script listens for a type of event. */
  listen(type: string): void {
    if (!this.#isEvaluated) this.listenedFor.add(type);
    else if (!this.listensFor(type)) {
      this.#late.add(type);
      this.#core.write(
        `too late to listen for ${type}: the script had been evaluated`,
      );
    }
  }

  listensFor(type: string): boolean {
    return this.listenedFor.has(type) || this.#late.has(type);
  }

  /** Calls a listener; what it throws is an uncaught error of the worker. */
  guard(work: () => unknown): void {
    try {
      this.run(work);
    } catch (error) {
      const event = Object.assign(new Event("error", { cancelable: true }), {
        error,
        message: String(error),
      });
      this.scope.dispatchEvent(event);
      if (!event.defaultPrevented) this.#core.errors.push(error);
    }
  }

  /** Makes a port the worker's: it goes silent with it. */
  adopt(port: MessagePort): MessagePort {
    this.#ports.add(port);
    const post = port.postMessage.bind(port);
    Object.defineProperty(port, "postMessage", {
      value: (message: unknown, options: TransferOptions = []) => {
        if (!this.step("MessagePort.postMessage")) return;
        const transfer = Array.isArray(options)
          ? options
          : options.transfer ?? [];
        post(message, transfer);
        for (const moved of transfer) {
          if (moved instanceof MessagePort) this.#ports.delete(moved);
        }
      },
    });
    port.addEventListener("message", ({ ports }) => {
      for (const moved of ports) this.adopt(moved);
    });
    return port;
  }

  clientOf(page: Window): unknown {
    return this.gate.out(new WindowClient(this, page), "Client");
  }

  /** Uses up the click that lets a worker open or focus a page. */
  interact(verb: string): void {
    if (this.#core.clock.elapsed() > this.interactsUntil) {
      throw new DOMException(
        `Cannot ${verb} a window: no notification was clicked`,
        "InvalidAccessError",
      );
    }
    this.interactsUntil = -1;
  }

  allowInteraction(): void {
    this.interactsUntil = this.#core.clock.elapsed() + INTERACTION_LIMIT;
  }

  stop(): void {
    if (!this.alive) return;
    this.alive = false;
    const { worker } = this;
    if (worker.life === this) worker.life = undefined;
    this.#core.write(`stop ${worker.scriptURL}, life ${this.number}`);
    this.#core.leave(this.realm);
    this.#core.clock.clearTimeout(this.rest);
    for (const id of this.#timers.values()) this.#core.clock.clearTimeout(id);
    for (const port of this.#ports) port.close();
    this.gate.close();
    this.#abort.abort(
      new DOMException(
        `Cannot go on: ${worker.scriptURL} was stopped`,
        "AbortError",
      ),
    );
    this.#stopped.resolve();
    this.#core.locks.release(this);
  }

  async #evaluate(script: HostScript): Promise<void> {
    const { scope } = this;
    const result = this.run(() =>
      typeof script === "string"
        ? evaluate(script, this.worker.scriptURL, scope)
        : script instanceof URL
        // Another fragment makes it another module.
        ? import(`${script.href.split("#")[0]}#${crypto.randomUUID()}`)
        : script(scope as unknown as HostScope)
    );
    // For anything else, a browser does not wait either.
    if (script instanceof URL) await Promise.race([result, this.stopped]);
    this.#isEvaluated = true;
    if (!this.alive) {
      throw new DOMException(
        `Cannot start ${this.worker.scriptURL}: it was stopped`,
        "AbortError",
      );
    }
  }

  /** Puts the globals of a service worker on the scope. */
  #furnish(): void {
    const { worker, realm, gate, scope } = this;
    const core = this.#core;
    const { clock, origin } = core;
    const { registration, scriptURL } = worker;
    const shown = (object: object, name: string) => gate.out(object, name);
    const now = () => this.leave(() => clock.now());
    const begun = clock.elapsed();
    const setTimer = (repeats: boolean) =>
    (
      callback: (...args: unknown[]) => unknown,
      delay = 0,
      ...args: unknown[]
    ): number => {
      if (!this.alive) return 0;
      // A clock that is advanced would never get past a timer without a delay
      // that sets itself again.
      delay = delay >= 1 ? delay : 1;
      const ring = () => {
        if (repeats) this.#timers.set(id, clock.setTimeout(ring, delay));
        else this.#timers.delete(id);
        if (this.step("timer")) this.guard(() => callback(...args));
      };
      const id = this.leave(() => clock.setTimeout(ring, delay));
      this.#timers.set(id, id);
      return id;
    };
    const setTimeout = setTimer(false);
    const clearTimer = (id?: number) => {
      this.leave(() => clock.clearTimeout(this.#timers.get(id ?? 0)));
      this.#timers.delete(id ?? 0);
    };

    const openChannel = (name: string) =>
      shown(
        core.channels.open(String(name), (work) => realm.task(work)),
        "BroadcastChannel",
      );

    const members: Record<string, unknown> = {
      ...PRESENT,
      ...events,
      Cache,
      Client,
      Clients,
      ServiceWorker,
      ServiceWorkerGlobalScope,
      ServiceWorkerRegistration,
      WindowClient,
      self: scope,
      globalThis: scope,
      origin,
      isSecureContext: true,
      location: new URL(scriptURL),
      caches: shown(cachesOf(core, scriptURL), "caches"),
      clients: shown(new Clients(this), "clients"),
      registration: shown(realm.registrationOf(registration), "registration"),
      ...(core.has("self.serviceWorker") && {
        serviceWorker: shown(realm.workerOf(worker), "ServiceWorker"),
      }),
      navigator: shown(navigatorOf(core, this), "navigator"),
      skipWaiting: () =>
        this.#call("skipWaiting", () => registration.skipWaiting(worker)),
      fetch: (input: Request | string | URL, init?: RequestInit) =>
        this.leave(() => this.#fetch(input, init)),
      importScripts: (...urls: string[]) => {
        for (const url of urls) this.#import(new URL(url, scriptURL).href);
      },
      setTimeout,
      setInterval: setTimer(true),
      clearTimeout: clearTimer,
      clearInterval: clearTimer,
      Notification: core.notifications.interfaceOf(),
      Date: dateOf(now),
      performance: {
        now: () => this.leave(() => clock.elapsed()) - begun,
        timeOrigin: now(),
      },
      AbortSignal: abortSignalOf((delay, abort) => setTimeout(abort, delay)),
      Request: requestClassOf(scriptURL),
      MessageChannel: messageChannelOf((port) => this.adopt(port)),
      // Constructed by whoever calls it with `new`.
      BroadcastChannel: function (name: string) {
        return openChannel(name);
      },
      ...Object.fromEntries(
        Object.entries(core.provided).map((
          [name, value],
        ) => [name, gate.out(value, name)]),
      ),
    };
    for (const [name, value] of Object.entries(members)) {
      Object.defineProperty(scope, name, {
        value,
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
    core.scopeMade([...Reflect.ownKeys(scope), ...ABSENT]);
    addRest(scope);
  }

  /** A call into the platform that is no method of an object. */
  #call<T>(name: string, effect: () => Promise<T>): Promise<T> {
    return this.step(name)
      ? this.gate.later(this.leave(effect), name)
      : new Promise(() => {});
  }

  async #fetch(
    input: Request | string | URL,
    init: RequestInit | undefined,
  ): Promise<Response> {
    const request = requestOf(input, init, this.worker.scriptURL);
    const { method, url } = request;
    const response = await this.#call(
      `fetch ${method} ${url}`,
      () => this.#core.fetchPast(request, this.#abort.signal),
    );
    const reader = response.body?.getReader();
    if (!reader) return response;
    const body = streamOf(async () => {
      const { done, value } = await this.#call(
        `read ${url}`,
        () => reader.read(),
      );
      return done ? undefined : value as Uint8Array<ArrayBuffer>;
    }, (reason) => reader.cancel(reason));
    return dressResponse(withBody(response, body), factsOf(response));
  }

  /** https://w3c.github.io/ServiceWorker/#importscripts */
  #import(url: string): void {
    const { imported, state } = this.worker;
    const refuse = (why: string) =>
      new DOMException(`Cannot import ${url}: ${why}`, "NetworkError");
    let text = imported.get(url);
    if (text === undefined) {
      if (state !== "parsed" && state !== "installing") {
        throw refuse(`it was not imported before the worker was ${state}`);
      }
      const script = this.#core.scripts.get(url);
      if (typeof script !== "string") {
        throw refuse("the host has no text for it");
      }
      imported.set(url, text = script);
    }
    evaluate(text, url, this.scope);
  }
}
