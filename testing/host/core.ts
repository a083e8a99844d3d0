// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  createCacheStorage,
  type MemoryCacheStorage,
  type MultiCacheQueryOptions,
} from "../cache_storage.ts";
import type { HostContext, HostFeature, HostOptions } from "../host.ts";
import { BackgroundFetches } from "./background_fetch.ts";
import { Clock, nextTask } from "./clock.ts";
import { FetchEvent } from "./events.ts";
import { Globals } from "./globals.ts";
import {
  dressRequest,
  dressResponse,
  factsOf,
  redirectOf,
  streamOf,
  withBody,
} from "./http.ts";
import type { Life, Script } from "./life.ts";
import { Locks } from "./locks.ts";
import { Channels } from "./messages.ts";
import { abortable, failed, Network } from "./network.ts";
import { Notifications, Pushes } from "./push.ts";
import type { Realm } from "./realm.ts";
import { Registration } from "./registration.ts";
import { Cache } from "./cache.ts";
import { PeriodicSyncs, Syncs } from "./sync.ts";
import { type Container, navigationTo, Window } from "./window.ts";
import type { WindowFacts } from "./window.ts";
import { Worker } from "./worker.ts";

/** How long `idle()` waits, in milliseconds. */
const IDLE_DEADLINE = 10_000;
const MAX_REDIRECTS = 20;
const SCRIPT_TYPE_REGEXP = /^(text|application)\/(x-)?(java|ecma)script\b/i;

/** A page that arrived. */
export interface Arrival {
  readonly id: string;
  readonly url: string;
  readonly response: Response;
  readonly controller: Worker | null;
}

/** The browser, as far as one origin needs it. */
export class Core {
  readonly origin: string;
  readonly clock: Clock;
  readonly network: Network;
  readonly caches: MemoryCacheStorage;
  readonly locks = new Locks();
  readonly channels = new Channels();
  readonly notifications = new Notifications(this);
  readonly pushes = new Pushes(this);
  readonly syncs = new Syncs(this);
  readonly periodicSyncs = new PeriodicSyncs(this);
  readonly backgroundFetches = new BackgroundFetches(this);
  readonly permissions = new Map<string, "granted" | "denied" | "prompt">();
  readonly registrations = new Map<string, Registration>();
  readonly windows: Window[] = [];
  readonly scripts = new Map<string, Script>();
  readonly provided: Readonly<Record<string, unknown>>;
  readonly context: HostContext | undefined;
  readonly errors: unknown[] = [];
  readonly log: string[] = [];
  badge: number | undefined;
  steps = 0;
  /** The step at which a worker was stopped on demand. */
  stoppedAt: string | undefined;
  #stepsLeft = Infinity;
  #lastNumber = 0;
  #activity = 0;
  #persisted = false;
  /** Pages on their way, by the ids of their clients. */
  readonly #arrivals = new Map<string, Promise<unknown>>();
  readonly #without: readonly HostFeature[];
  readonly #globals: Globals | undefined;
  readonly #realms = new Set<Realm>();
  readonly #jobs = new Map<string, Promise<unknown>>();
  readonly #busy = new Map<symbol, string>();
  readonly #tasks: (() => void)[] = [];
  #runsTasks = false;
  #awaken: () => void = () => {};

  constructor(options: HostOptions<object>) {
    const {
      origin = "https://example.test",
      network = () => new Response("Not found", { status: 404 }),
      time,
      quota = Infinity,
      scripts = {},
      provide = {},
      without = [],
      globals,
      context,
    } = options;
    if (globals && !context) {
      throw new TypeError(
        "Cannot install the globals of a worker: no context tells its calls from those of the test",
      );
    }
    this.#globals = globals && context && new Globals(globals, context);
    this.origin = new URL(origin).origin;
    this.#without = without;
    this.provided = provide as Record<string, unknown>;
    this.context = context;
    this.clock = new Clock(time === undefined ? undefined : Number(time));
    this.clock.settle = () => this.settle();
    this.network = new Network(network, {
      clock: this.clock,
      origin: this.origin,
      onChange: () => this.#networkChanged(),
    });
    this.caches = createCacheStorage({
      baseURL: `${this.origin}/`,
      fetch: (request) => this.fetchPast(request),
      quota,
    });
    for (const [url, script] of Object.entries(scripts)) {
      this.deploy(url, script);
    }
  }

  // What happens, and when

  write(line: string): void {
    this.log.push(line);
  }

  /** Counts a step, and tells whether the worker is to be stopped at it. */
  countStep(name: string): boolean {
    this.#activity++;
    this.steps++;
    this.write(`step ${this.steps}: ${name}`);
    if (--this.#stepsLeft > 0) return false;
    this.#stepsLeft = Infinity;
    this.stoppedAt = name;
    return true;
  }

  stopAtStep(step: number): void {
    if (!(step >= 1)) {
      throw new RangeError(
        `Cannot stop the worker at step ${step}: it begins with 1`,
      );
    }
    this.#stepsLeft = step;
    this.stoppedAt = undefined;
  }

  nextNumber(): number {
    return ++this.#lastNumber;
  }

  /** Queues a task; tasks run one by one, in order. */
  task(work: () => void): void {
    this.#tasks.push(work);
    if (!this.#runsTasks) this.#runTasks();
  }

  /** Says that something is going on, until the returned function is called. */
  begin(label: string): () => void {
    const key = Symbol();
    this.#busy.set(key, label);
    return () => {
      this.#busy.delete(key);
      this.#awaken();
    };
  }

  /** Resolves when neither workers nor the browser have anything left to do. */
  async idle(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    ended.catch(() => {});
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort);
    const deadline = signal ? undefined : setTimeout(() => {
      const labels = [...this.#busy.values()].join(", ");
      reject(
        new DOMException(
          `Cannot wait until the worker is idle: after ${IDLE_DEADLINE} ms it is still busy with ${labels}, and its last step is ${
            this.log.findLast((line) => line.startsWith("step"))
          }`,
          "TimeoutError",
        ),
      );
    }, IDLE_DEADLINE);
    try {
      await this.settle();
      while (this.#busy.size > 0) {
        const { promise: changed, resolve } = Promise.withResolvers<void>();
        this.#awaken = resolve;
        await Promise.race([changed, ended]);
        await this.settle();
      }
    } finally {
      clearTimeout(deadline);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Lets run what needs no time and no network. */
  async settle(): Promise<void> {
    let before;
    do {
      before = this.#activity;
      for (let turn = 0; turn < 3; turn++) await nextTask();
    } while (before !== this.#activity);
  }

  async #runTasks(): Promise<void> {
    this.#runsTasks = true;
    const done = this.begin("a task");
    while (true) {
      await nextTask();
      const work = this.#tasks.shift();
      if (!work) break;
      this.#activity++;
      try {
        work();
      } catch (error) {
        this.errors.push(error);
      }
    }
    this.#runsTasks = false;
    done();
  }

  // Who is there

  enter(realm: Realm): Realm {
    this.#realms.add(realm);
    return realm;
  }

  leave(realm: Realm): void {
    this.#realms.delete(realm);
  }

  /** Has the globals of a scope found where modules look for them. */
  scopeMade(names: Iterable<PropertyKey>): void {
    this.#globals?.install(names);
  }

  realms(): Realm[] {
    return [...this.#realms];
  }

  stopWorkers(): void {
    for (const { inhabitant } of this.realms()) {
      if (inhabitant instanceof Worker) inhabitant.stop();
    }
  }

  async openWindow(url: string, facts: WindowFacts = {}): Promise<Window> {
    const page = new Window(this, facts);
    try {
      await page.navigate(url);
    } catch (error) {
      this.leave(page.realm);
      throw error;
    }
    if (facts.focused ?? true) page.focus();
    return page;
  }

  addWindow(page: Window): void {
    if (!this.windows.includes(page)) this.windows.push(page);
  }

  /** The window of a client, once it has loaded. */
  async windowOf(id: string): Promise<Window | undefined> {
    await this.#arrivals.get(id);
    return this.windows.find((page) => page.id === id);
  }

  removeWindow(page: Window): void {
    const index = this.windows.indexOf(page);
    if (index >= 0) this.windows.splice(index, 1);
  }

  // Registrations

  deploy(url: string | URL, script: Script): string {
    const { href } = new URL(url, this.origin);
    this.scripts.set(href, script);
    return href;
  }

  /** The registration whose scope fits best: https://w3c.github.io/ServiceWorker/#scope-match-algorithm */
  match(url: string): Registration | undefined {
    return [...this.registrations.values()]
      .filter(({ scope }) => url.startsWith(scope))
      .sort((a, b) => b.scope.length - a.scope.length)[0];
  }

  forget(registration: Registration): void {
    if (this.registrations.get(registration.scope) === registration) {
      this.registrations.delete(registration.scope);
    }
  }

  /** The registration meant where a test names none. */
  onlyRegistration(): { readonly active: Worker | null } {
    for (const registration of this.registrations.values()) {
      if (registration.active) return registration;
    }
    return { active: null };
  }

  /**
   * Registers a script. Calls `started` when it is being installed, or is the one
   * that is registered, and resolves when it has been installed or has failed to.
   *
   * @see https://w3c.github.io/ServiceWorker/#start-register-algorithm
   */
  async register(
    url: string | URL,
    { scope: path, updateViaCache = "imports", base, started }: {
      readonly scope?: string | undefined;
      readonly updateViaCache?: string;
      readonly base: string;
      readonly started: (registration: Registration) => void;
    },
  ): Promise<void> {
    const script = new URL(url, base);
    const scope = path === undefined
      ? new URL("./", script)
      : new URL(path, base);
    this.#checkURLs(script, scope);
    script.hash = scope.hash = "";
    await this.job(scope.href, async () => {
      const existing = this.registrations.get(scope.href);
      if (
        existing?.newest?.scriptURL === script.href &&
        existing.updateViaCache === updateViaCache
      ) return started(existing);
      const registration = existing ?? new Registration(this, scope.href);
      registration.updateViaCache = updateViaCache;
      this.registrations.set(scope.href, registration);
      await registration.install(script.href, started);
    });
  }

  /** Registers a script and resolves when it is active, or has to wait; rejects if it could not be installed. */
  async install(
    url: string | URL,
    scope: string | undefined,
  ): Promise<Registration> {
    const { promise: registered, resolve } = Promise.withResolvers<
      Registration
    >();
    const before = [...this.registrations.values()].map(({ newest }) => newest);
    let worker: Worker | null = null;
    const started = (registration: Registration) => {
      worker = registration.newest;
      resolve(registration);
    };
    await this.register(url, { scope, base: this.origin, started });
    const registration = await registered;
    // A page that registers what is registered does not look for another version.
    if (before.includes(worker)) await registration.update(started);
    await this.#active(registration, worker);
    return registration;
  }

  /** Resolves when a worker is active, or has to wait; rejects if it was not installed. */
  async #active(
    registration: Registration,
    worker: Worker | null,
  ): Promise<void> {
    if (worker?.state === "redundant") {
      const { failure: cause } = worker;
      throw new Error(`Cannot install ${worker.scriptURL}: ${cause}`, {
        cause,
      });
    }
    registration.settle();
    if (worker?.state === "activating") await worker.decided;
  }

  #checkURLs(script: URL, scope: URL): void {
    for (const { href, protocol, pathname, origin } of [script, scope]) {
      if (!/^https?:$/.test(protocol)) {
        throw new TypeError(
          `Cannot register ${script}: ${href} is not of http or https`,
        );
      }
      if (/%2f|%5c/i.test(pathname)) {
        throw new TypeError(
          `Cannot register ${script}: ${href} has an escaped slash`,
        );
      }
      if (origin !== this.origin) {
        throw new DOMException(
          `Cannot register ${script}: ${href} is not of ${this.origin}`,
          "SecurityError",
        );
      }
    }
  }

  /** Runs jobs of one scope one after the other. */
  async job(scope: string, work: () => Promise<void> | void): Promise<void> {
    const done = this.begin(`a job of ${scope}`);
    const before = this.#jobs.get(scope) ?? Promise.resolve();
    const job = before.then(work).finally(done);
    this.#jobs.set(scope, job.catch(() => {}));
    await job;
  }

  /** The script at `url`, which may be used for `scope`. */
  async fetchScript(url: string, scope: string): Promise<Script> {
    const refuse = (why: string) =>
      new DOMException(`Cannot register ${url}: ${why}`, "SecurityError");
    const given = this.scripts.get(url);
    let script: Script;
    let allowed = new URL("./", url).pathname;
    if (given === undefined) {
      const response = await this.network.fetch(
        new Request(url, {
          mode: "same-origin",
          redirect: "error",
          headers: { "service-worker": "script" },
        }),
      );
      if (!response.ok) {
        throw new TypeError(
          `Cannot register ${url}: its status is ${response.status}`,
        );
      }
      const type = response.headers.get("content-type");
      if (type === null || !SCRIPT_TYPE_REGEXP.test(type)) {
        throw refuse(`its Content-Type is ${type}`);
      }
      const header = response.headers.get("service-worker-allowed");
      if (header !== null) allowed = new URL(header, url).pathname;
      script = await response.text();
    } else {
      script = given;
    }
    if (!new URL(scope).pathname.startsWith(allowed)) {
      throw refuse(`the scope ${scope} is not below ${allowed}`);
    }
    return script;
  }

  // Requests

  /** https://w3c.github.io/ServiceWorker/#handle-fetch, for a resource of a page. */
  async fetchFrom(page: Window, request: Request): Promise<Response> {
    const { controller } = page;
    const done = this.begin(`${request.method} ${request.url}`);
    try {
      if (controller && /^https?:/.test(request.url)) {
        const answer = await this.#ask(controller, request, {
          clientId: page.id,
        });
        if (answer) return answer;
      }
      return await this.fetchPast(request);
    } finally {
      done();
    }
  }

  /** Fetches past all workers. */
  fetchPast(request: Request, stopped?: AbortSignal): Promise<Response> {
    return /^https?:/.test(request.url)
      ? this.network.fetch(request, stopped)
      : fetch(request);
  }

  /**
   * Loads a page into a window, which takes it with `arrive`.
   *
   * @see https://w3c.github.io/ServiceWorker/#handle-fetch
   */
  async navigate(
    page: Window,
    href: string,
    { isReload, arrive }: {
      readonly isReload: boolean;
      readonly arrive: (arrival: Arrival) => void;
    },
  ): Promise<void> {
    const done = this.begin(`navigate to ${href}`);
    const arrived = Promise.withResolvers<void>();
    const ids: string[] = [];
    try {
      let url = href;
      for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
        const id = crypto.randomUUID();
        ids.push(id);
        this.#arrivals.set(id, arrived.promise);
        const registration = this.match(url);
        const worker = registration?.active ?? null;
        const request = navigationTo(url);
        const preload = worker && this.#preload(worker, url);
        const response = worker && await this.#ask(worker, request, {
              resultingClientId: id,
              replacesClientId: page.id,
              isReload,
              ...(preload && { preloadResponse: preload }),
            }) || await this.fetchPast(navigationTo(url));
        const redirect = redirectOf(response);
        if (redirect === undefined) {
          return arrive({
            id,
            url: new URL(new URL(url).hash, response.url || url).href,
            response,
            controller: worker && (registration?.active ?? null),
          });
        }
        const { hash } = new URL(url);
        const next = new URL(redirect, url);
        next.hash ||= hash;
        url = next.href;
      }
      throw failed(href, `it is redirected ${MAX_REDIRECTS} times`);
    } finally {
      arrived.resolve();
      for (const id of ids) this.#arrivals.delete(id);
      done();
    }
  }

  #preload(
    worker: Worker,
    url: string,
  ): Promise<Response | undefined> | undefined {
    const { enabled, headerValue } = worker.registration.navigationPreload;
    if (!enabled || !worker.handles("fetch")) return undefined;
    const request = navigationTo(url);
    request.headers.set("service-worker-navigation-preload", headerValue);
    const response = this.fetchPast(request);
    // A worker need not look at it.
    response.catch(() => {});
    return response;
  }

  /** What a worker answers, or `undefined` if it leaves the request alone. */
  async #ask(
    worker: Worker,
    request: Request,
    init: {
      readonly clientId?: string;
      readonly resultingClientId?: string;
      readonly replacesClientId?: string;
      readonly isReload?: boolean;
      readonly preloadResponse?: Promise<Response | undefined>;
    },
  ): Promise<Response | undefined> {
    if (!worker.handles("fetch")) return undefined;
    const { url, method, signal } = request;
    const handled = Promise.withResolvers<undefined>();
    handled.promise.catch(() => {});
    const { promise, resolve, reject } = Promise.withResolvers<
      Response | undefined
    >();
    promise.then(
      () => handled.resolve(undefined),
      () =>
        handled.reject(
          new DOMException(`Cannot fetch ${url}: it failed`, "NetworkError"),
        ),
    );
    worker.fire(
      `fetch ${method} ${url}`,
      () =>
        new FetchEvent("fetch", {
          ...init,
          request: unaborted(request),
          handled: handled.promise,
          cancelable: true,
        }),
      (event, life) => {
        const answer = FetchEvent.responseOf(event);
        if (answer) {
          answer.then(
            (response) => accept(response, request, life),
            (cause) => {
              throw failed(url, "the worker's response was rejected", cause);
            },
          ).then(resolve, reject);
        } else if (event.defaultPrevented) {
          reject(failed(url, "the worker prevented it"));
        } else {
          resolve(undefined);
        }
      },
    ).then((outcome) => {
      worker.registration.softUpdateWhenStale();
      // Too late to matter if the worker has answered.
      if (outcome.status === "stopped") {
        reject(failed(url, "the worker was stopped"));
      }
      if (outcome.status === "rejected") {
        reject(failed(url, "the worker failed", outcome.reason));
      }
    });
    return await abortable(promise, signal);
  }

  // What the platform offers

  has(feature: HostFeature): boolean {
    return !this.#without.includes(feature);
  }

  permission(name: string): "granted" | "denied" | "prompt" {
    return this.permissions.get(name) ?? "granted";
  }

  /** `caches`, with URLs relative to `base`. */
  cachesOf(base: string): object {
    const { caches } = this;
    const at = (info: Request | string | URL) =>
      typeof info === "string" ? new URL(info, base) : info;
    return {
      has: (name: string) => caches.has(name),
      delete: (name: string) => caches.delete(name),
      keys: () => caches.keys(),
      match: async (
        info: Request | string | URL,
        options?: MultiCacheQueryOptions,
      ) => await caches.match(at(info), options),
      open: async (name: string) => new Cache(await caches.open(name), at),
    };
  }

  /** The members of a registration that belong to other specifications. */
  featuresOf(realm: Realm, registration: Registration): [string, unknown][] {
    const features: [HostFeature, () => unknown][] = [
      ["sync", () => this.syncs.managerOf(realm, registration)],
      ["periodicSync", () => this.periodicSyncs.managerOf(registration)],
      ["pushManager", () => this.pushes.managerOf(registration)],
      [
        "backgroundFetch",
        () => this.backgroundFetches.managerOf(realm, registration),
      ],
      ["navigationPreload", () => preloadManagerOf(registration)],
    ];
    return [
      ...features.filter(([name]) => this.has(name))
        .map(([name, create]): [string, unknown] => [name, create()]),
      ...Object.entries(this.notifications.methodsOf(registration)),
    ];
  }

  navigatorOf(
    realm: Realm,
    owner: Window | Life,
    serviceWorker?: Container,
  ): object {
    const { network } = this;
    return {
      get onLine() {
        return !network.offline;
      },
      userAgent: "Mozilla/5.0 (compatible; @serviceworker/std)",
      language: "en",
      languages: ["en"],
      ...(serviceWorker && { serviceWorker }),
      ...(this.has("locks") && {
        locks: this.locks.managerOf(
          owner,
          () => owner instanceof Window ? owner.id : realm.core.origin,
        ),
      }),
      storage: {
        estimate: () => {
          const { usage, quota } = this.caches;
          return Promise.resolve({ usage, quota });
        },
        persist: () => {
          this.#persisted = this.permission("persistent-storage") === "granted";
          return Promise.resolve(this.#persisted);
        },
        persisted: () => Promise.resolve(this.#persisted),
      },
      permissions: {
        query: ({ name }: { name: string }) =>
          Promise.resolve({ name, state: this.permission(name) }),
      },
      ...(this.has("setAppBadge") && {
        setAppBadge: (count = 0) => {
          this.badge = count;
          return Promise.resolve();
        },
        clearAppBadge: () => {
          this.badge = undefined;
          return Promise.resolve();
        },
      }),
    };
  }

  close(): void {
    for (const page of [...this.windows]) page.close();
    this.stopWorkers();
    this.#globals?.uninstall();
    this.registrations.clear();
    this.clock.close();
    this.#tasks.length = 0;
  }

  #networkChanged(): void {
    const type = this.network.offline ? "offline" : "online";
    for (const page of this.windows) {
      page.realm.task(() => page.dispatchEvent(new Event(type)));
    }
    if (type === "online") {
      this.syncs.resume();
      this.backgroundFetches.resume();
    }
  }
}

/** What a page gets of what a worker answered: https://fetch.spec.whatwg.org/#http-fetch */
function accept(value: unknown, request: Request, life: Life): Response {
  const { url, mode, redirect } = request;
  if (!(value instanceof Response)) {
    throw failed(
      url,
      `the worker responded with ${value}, which is no Response`,
    );
  }
  const { type, redirected, bodyUsed, body } = value;
  const refused = type === "error"
    ? "with an error"
    : type === "opaque" && mode !== "no-cors"
    ? `with an opaque response to a request of mode ${mode}`
    : type === "opaqueredirect" && redirect !== "manual"
    ? `with an opaque redirect to a request that is to ${redirect}`
    : type === "cors" && mode === "same-origin"
    ? "with a response of another origin to a request of mode same-origin"
    : redirected && redirect !== "follow"
    ? `with a redirected response to a request whose redirects are ${redirect}`
    : bodyUsed || body?.locked
    ? "with a response whose body is in use"
    : undefined;
  if (refused) throw failed(url, `the worker responded ${refused}`);

  const reader = body?.getReader();
  const stopped = life.stopped.then(() => {
    throw failed(url, "the worker was stopped");
  });
  stopped.catch(() => {});
  const cancel = (reason: unknown) => reader?.cancel(reason).catch(() => {});
  request.signal.addEventListener(
    "abort",
    () => cancel(request.signal.reason),
    { once: true },
  );
  const seen = reader
    ? streamOf(async () => {
      const read = Promise.race([reader.read(), stopped]);
      const { done, value } = await abortable(read, request.signal);
      return done ? undefined : value as Uint8Array<ArrayBuffer>;
    }, cancel)
    : null;
  const facts = factsOf(value);
  return dressResponse(withBody(value, seen), {
    ...facts,
    // Made by the worker, it is of the page's own origin.
    type: type === "default" ? "basic" : type,
    url: facts.url || url,
  });
}

/** A copy of a request that its page cannot abort, as no engine lets it. */
function unaborted(request: Request): Request {
  const { mode, destination } = request;
  const { signal } = new AbortController();
  return dressRequest(new Request(request.clone(), { signal }), {
    mode,
    destination,
  });
}

function preloadManagerOf(registration: Registration): object {
  const change = async (
    change: Partial<Registration["navigationPreload"]>,
  ) => {
    if (!registration.active) {
      throw new DOMException(
        `Cannot set the navigation preload of ${registration.scope}: no worker is active`,
        "InvalidStateError",
      );
    }
    registration.navigationPreload = {
      ...registration.navigationPreload,
      ...change,
    };
    return await undefined;
  };
  return {
    enable: () => change({ enabled: true }),
    disable: () => change({ enabled: false }),
    setHeaderValue: (headerValue: string) => change({ headerValue }),
    getState: () => Promise.resolve({ ...registration.navigationPreload }),
  };
}
