// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Core } from "./core.ts";
import { messageOf, type TransferOptions } from "./messages.ts";
import { featuresOf } from "./platform.ts";
import type { Registration } from "./registration.ts";
import type { Window } from "./window.ts";
import type { Worker, WorkerState } from "./worker.ts";

/** An event listener that is an attribute. */
type Handler = ((event: Event) => void) | null;

/** An `EventTarget` with the attributes `on<type>`. */
export class Target extends EventTarget {
  constructor(types: readonly string[]) {
    super();
    for (const type of types) {
      let handler: Handler = null;
      this.addEventListener(type, (event) => handler?.call(this, event));
      Object.defineProperty(this, `on${type}`, {
        get: () => handler,
        set: (value: Handler) => {
          handler = value;
          this.handlerSet(type);
        },
        enumerable: true,
      });
    }
  }

  /** Called when an attribute is set. */
  protected handlerSet(_type: string): void {}
}

/** What a page, or a life of a worker, sees of the platform. */
export class Realm {
  readonly core: Core;
  /** Who is in it; nobody in that of the test itself. */
  readonly inhabitant: Window | Worker | undefined;
  readonly #task: (work: () => void) => void;
  readonly #workers = new Map<Worker, ServiceWorker>();
  readonly #registrations = new Map<Registration, ServiceWorkerRegistration>();

  constructor(
    core: Core,
    inhabitant: Window | Worker | undefined,
    task: (work: () => void) => void,
  ) {
    this.core = core;
    this.inhabitant = inhabitant;
    this.#task = task;
  }

  /** Queues a task. */
  task(work: () => void): void {
    this.#task(work);
  }

  /** Settles a promise of this realm in a task, in the order of all else that is told to it. */
  settled<T>(outcome: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      outcome.then(
        (value) => this.task(() => resolve(value)),
        (error) => this.task(() => reject(error)),
      );
    });
  }

  /** The promise of a job, which resolves when the job says so, and rejects when it fails before. */
  started(
    job: (started: (registration: Registration) => void) => Promise<void>,
  ): Promise<ServiceWorkerRegistration> {
    return new Promise((resolve, reject) => {
      job((registration) => {
        // As it is now: what happens to it next is told in tasks of its own.
        const object = this.registrationOf(registration);
        this.task(() => resolve(object));
      }).catch((error) => this.task(() => reject(error)));
    });
  }

  workerOf(worker: Worker): ServiceWorker;
  workerOf(worker: Worker | null): ServiceWorker | null;
  workerOf(worker: Worker | null): ServiceWorker | null {
    if (!worker) return null;
    let object = this.#workers.get(worker);
    if (!object) {
      this.#workers.set(worker, object = new ServiceWorker(this, worker));
    }
    return object;
  }

  registrationOf(registration: Registration): ServiceWorkerRegistration {
    let object = this.#registrations.get(registration);
    if (!object) {
      object = new ServiceWorkerRegistration(this, registration);
      this.#registrations.set(registration, object);
    }
    return object;
  }

  /** The workers of a registration, as they are now. */
  workersOf({ installing, waiting, active }: Registration): Workers {
    return {
      installing: this.workerOf(installing),
      waiting: this.workerOf(waiting),
      active: this.workerOf(active),
    };
  }

  /** Tells of a new state of a worker. */
  workerChanged(worker: Worker, state: WorkerState): void {
    const object = this.#workers.get(worker);
    if (object) this.task(() => ServiceWorker.change(object, state));
  }

  /** Tells which workers a registration has. */
  registrationChanged(registration: Registration, found: boolean): void {
    const object = this.#registrations.get(registration);
    if (!object) return;
    const workers = this.workersOf(registration);
    this.task(() => ServiceWorkerRegistration.change(object, workers));
    if (found) this.task(() => object.dispatchEvent(new Event("updatefound")));
  }
}

/** `ServiceWorker`. */
export class ServiceWorker extends Target {
  declare onstatechange: Handler;
  readonly #realm: Realm;
  readonly #worker: Worker;
  #state: WorkerState;

  constructor(realm: Realm, worker: Worker) {
    super(["error", "statechange"]);
    this.#realm = realm;
    this.#worker = worker;
    this.#state = worker.state;
  }

  get scriptURL(): string {
    return this.#worker.scriptURL;
  }

  get state(): WorkerState {
    return this.#state;
  }

  postMessage(message: unknown, options?: TransferOptions): void {
    this.#worker.receive(messageOf(message, options), this.#realm.inhabitant);
  }

  static change(object: ServiceWorker, state: WorkerState): void {
    object.#state = state;
    object.dispatchEvent(new Event("statechange"));
  }
}

interface Workers {
  readonly installing: ServiceWorker | null;
  readonly waiting: ServiceWorker | null;
  readonly active: ServiceWorker | null;
}

/** `ServiceWorkerRegistration`. */
export class ServiceWorkerRegistration extends Target {
  declare onupdatefound: Handler;
  readonly #realm: Realm;
  readonly #registration: Registration;
  #workers: Workers;

  constructor(realm: Realm, registration: Registration) {
    super(["updatefound"]);
    this.#realm = realm;
    this.#registration = registration;
    this.#workers = realm.workersOf(registration);
    for (const [name, value] of featuresOf(realm, registration)) {
      Object.defineProperty(this, name, { value, enumerable: true });
    }
  }

  get scope(): string {
    return this.#registration.scope;
  }

  get updateViaCache(): string {
    return this.#registration.updateViaCache;
  }

  get installing(): ServiceWorker | null {
    return this.#workers.installing;
  }

  get waiting(): ServiceWorker | null {
    return this.#workers.waiting;
  }

  get active(): ServiceWorker | null {
    return this.#workers.active;
  }

  update(): Promise<ServiceWorkerRegistration> {
    return this.#realm.started((started) =>
      this.#registration.update(started, this.#realm.inhabitant)
    );
  }

  unregister(): Promise<boolean> {
    return this.#realm.settled(this.#registration.unregister());
  }

  static change(object: ServiceWorkerRegistration, workers: Workers): void {
    object.#workers = workers;
  }
}
