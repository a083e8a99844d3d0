// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  createCacheStorage,
  type MemoryCacheStorage,
} from "../cache_storage.ts";
import type {
  HostContext,
  HostFeature,
  HostOptions,
  HostScript,
} from "../host.ts";
import { BackgroundFetches } from "./background_fetch.ts";
import { Clock, nextTask } from "./clock.ts";
import { Globals } from "./globals.ts";
import { Locks } from "./locks.ts";
import { Channels } from "./messages.ts";
import { Network } from "./network.ts";
import { Notifications, Pushes } from "./push.ts";
import type { Realm } from "./realm.ts";
import { Registration } from "./registration.ts";
import { PeriodicSyncs, Syncs } from "./sync.ts";
import { Window, type WindowFacts } from "./window.ts";
import { Worker } from "./worker.ts";

/** How long `idle()` waits, in milliseconds. */
const IDLE_DEADLINE = 10_000;
const SCRIPT_TYPE_REGEXP = /^(text|application)\/(x-)?(java|ecma)script\b/i;

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
  readonly scripts = new Map<string, HostScript>();
  readonly provided: Readonly<Record<string, unknown>>;
  /** Where calls of the workers are told from those of the test. */
  context: HostContext | undefined;
  readonly errors: unknown[] = [];
  readonly log: string[] = [];
  badge: number | undefined;
  /** Whether the storage is to be kept. */
  persisted = false;
  steps = 0;
  /** The step at which a worker was stopped on demand. */
  stoppedAt: string | undefined;
  #stepsLeft = Infinity;
  #lastNumber = 0;
  #activity = 0;
  /** Pages on their way, by the ids of their clients. */
  readonly arrivals = new Map<string, Promise<unknown>>();
  readonly #without: readonly HostFeature[];
  #globals: Globals | undefined;
  readonly #realms = new Set<Realm>();
  readonly #jobs = new Map<string, Promise<unknown>>();
  readonly #busy = new Map<symbol, string>();
  readonly #tasks: (() => void)[] = [];
  #runsTasks = false;
  /** Resolves when something has ended. */
  #ended = Promise.withResolvers<void>();

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
    this.context = context;
    this.origin = new URL(origin).origin;
    this.#without = without;
    this.provided = provide as Record<string, unknown>;
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
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    };
  }

  /** Resolves when neither workers nor the browser have anything left to do. */
  async idle(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise: late, reject } = Promise.withResolvers<never>();
    late.catch(() => {});
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort);
    const deadline = signal
      ? undefined
      : setTimeout(() => reject(this.#busyError()), IDLE_DEADLINE);
    try {
      // What never rests does not settle.
      await Promise.race([this.settle(), late]);
      while (this.#busy.size > 0) {
        await Promise.race([this.#ended.promise, late]);
        await Promise.race([this.settle(), late]);
      }
    } finally {
      clearTimeout(deadline);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Throws what the worker threw, once. */
  throwErrors(): void {
    const errors = this.errors.splice(0);
    if (errors.length === 0) return;
    const [cause] = errors;
    const others = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
    throw new Error(
      `Cannot go on: the worker threw what nobody caught, ${cause}${others}`,
      { cause },
    );
  }

  #busyError(): DOMException {
    const labels = [...this.#busy.values()].join(", ");
    const step = this.log.findLast((line) => line.startsWith("step"));
    const delay = this.clock.held();
    const hint = delay === undefined
      ? ""
      : `; the clock stands still, with a timer due in ${delay} ms`;
    return new DOMException(
      `Cannot wait until the worker is idle: after ${IDLE_DEADLINE} ms it is still busy with ${labels}, and its last step is ${step}${hint}`,
      "TimeoutError",
    );
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

  /** Has modules find the globals of their worker. */
  async #shareGlobals(target: object = globalThis): Promise<void> {
    // No web standard does this yet.
    const specifier: string = "node:async_hooks";
    const { AsyncLocalStorage } = await import(specifier);
    this.context ??= new AsyncLocalStorage() as HostContext;
    this.#globals ??= new Globals(target, this.context);
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
    await this.arrivals.get(id);
    return this.windows.find((page) => page.id === id);
  }

  removeWindow(page: Window): void {
    const index = this.windows.indexOf(page);
    if (index >= 0) this.windows.splice(index, 1);
  }

  // Registrations

  deploy(url: string | URL, script: HostScript): string {
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
    this.syncs.forget(registration);
    this.periodicSyncs.forget(registration);
    this.pushes.forget(registration);
  }

  /** The worker that is meant where a test names none. */
  activeWorker(event: string): Worker {
    for (const { active } of this.registrations.values()) {
      if (active) return active;
    }
    throw new DOMException(
      `Cannot dispatch ${event}: no worker is active`,
      "InvalidStateError",
    );
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
  async fetchScript(url: string, scope: string): Promise<HostScript> {
    const refuse = (why: string) =>
      new DOMException(`Cannot register ${url}: ${why}`, "SecurityError");
    const given = this.scripts.get(url);
    let script: HostScript;
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
          `Cannot register ${url}: its status is ${response.status}, and no script is deployed there`,
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
      this.network.assertOnline(url);
      script = given;
      if (script instanceof URL) await this.#shareGlobals();
    }
    if (!new URL(scope).pathname.startsWith(allowed)) {
      throw refuse(`the scope ${scope} is not below ${allowed}`);
    }
    return script;
  }

  /** Fetches past all workers. */
  fetchPast(request: Request, stopped?: AbortSignal): Promise<Response> {
    return /^https?:/.test(request.url)
      ? this.network.fetch(request, stopped)
      : fetch(request);
  }

  // What the platform offers

  has(feature: HostFeature): boolean {
    return !this.#without.includes(feature);
  }

  permission(name: string): "granted" | "denied" | "prompt" {
    // Engines ask for, and keep, one permission for both.
    const unset = name === "push"
      ? this.permission("notifications")
      : "granted";
    return this.permissions.get(name) ?? unset;
  }

  close(): void {
    for (const { inhabitant } of this.realms()) {
      if (inhabitant instanceof Window) inhabitant.close();
    }
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
