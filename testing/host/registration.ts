// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Core } from "./core.ts";
import { ExtendableEvent, InstallEvent } from "./events.ts";
import type { HostScript } from "../host.ts";
import type { Window } from "./window.ts";
import { Worker } from "./worker.ts";

/** How long a script is taken as fresh. */
const DAY = 86_400_000;

/** The workers of a scope: https://w3c.github.io/ServiceWorker/#service-worker-registration-concept */
export class Registration {
  installing: Worker | null = null;
  waiting: Worker | null = null;
  active: Worker | null = null;
  unregistered = false;
  updateViaCache = "imports";
  navigationPreload = { enabled: false, headerValue: "true" };
  readonly core: Core;
  readonly scope: string;
  #lastCheck = 0;
  #cleared = false;

  constructor(core: Core, scope: string) {
    this.core = core;
    this.scope = scope;
  }

  get newest(): Worker | null {
    return this.installing ?? this.waiting ?? this.active;
  }

  /** Looks for another version of the script. Calls `started` when it is being installed, or there is none. */
  update(
    started: (registration: Registration) => void,
    from?: Window | Worker,
  ): Promise<void> {
    const { newest } = this;
    if (this.unregistered || !newest) {
      return Promise.reject(
        new TypeError(`Cannot update ${this.scope}: it is unregistered`),
      );
    }
    if (from instanceof Worker && from.state === "installing") {
      return Promise.reject(
        new DOMException(
          `Cannot update ${this.scope}: the worker that asks is being installed`,
          "InvalidStateError",
        ),
      );
    }
    return this.core.job(this.scope, () => {
      if (this.unregistered || this.newest !== newest) {
        throw new TypeError(
          `Cannot update ${this.scope}: its worker has been replaced`,
        );
      }
      return this.install(newest.scriptURL, started);
    });
  }

  /** Looks for an update in the background, as after a navigation. */
  softUpdate(): void {
    if (this.unregistered || !this.newest) return;
    this.update(() => {}).catch((error) =>
      this.core.write(`The update of ${this.scope} failed: ${error}`)
    );
  }

  /** What a day without a check leads to when an event is fired. */
  softUpdateWhenStale(): void {
    if (this.core.clock.now() - this.#lastCheck > DAY) this.softUpdate();
  }

  /**
   * The end of a registration job: fetches, compares, evaluates and installs.
   *
   * @see https://w3c.github.io/ServiceWorker/#update-algorithm
   */
  async install(
    scriptURL: string,
    started: (registration: Registration) => void,
  ): Promise<void> {
    const { core, newest } = this;
    let script: HostScript;
    let worker: Worker;
    try {
      script = await core.fetchScript(scriptURL, this.scope);
      this.#lastCheck = core.clock.now();
      if (newest?.scriptURL === scriptURL && isSame(newest, script)) {
        started(this);
        return;
      }
      worker = new Worker(this, scriptURL, script);
      await worker.start().catch((cause) => {
        throw new TypeError(
          `Cannot evaluate ${scriptURL}: ${hintOf(cause)}`,
          { cause },
        );
      });
    } catch (error) {
      if (!newest) core.forget(this);
      throw error;
    }
    worker.become("installing");
    this.#set({ installing: worker }, true);
    started(this);
    if (worker.handles("install")) {
      const outcome = await worker.fire(
        "install",
        () => new InstallEvent("install"),
      );
      if (outcome.status !== "fulfilled") {
        worker.failure = outcome.status === "rejected"
          ? outcome.reason
          : new Error(`Cannot install ${scriptURL}: it was stopped`);
        this.#set({ installing: null });
        worker.become("redundant");
        if (!newest) core.forget(this);
        return;
      }
    }
    if (this.#cleared) return;
    const replaced = this.waiting;
    this.#set({ installing: null, waiting: worker });
    replaced?.become("redundant");
    worker.become("installed");
    // Not part of the job, which an activation may outlast.
    core.task(() => this.settle());
  }

  async skipWaiting(worker: Worker): Promise<undefined> {
    worker.skipsWaiting = true;
    if (worker.state === "installed") this.settle();
    return await undefined;
  }

  claim(worker: Worker): Promise<void> {
    if (worker !== this.active) {
      return Promise.reject(
        new DOMException(
          `Cannot claim clients: ${worker.scriptURL} is ${worker.state}`,
          "InvalidStateError",
        ),
      );
    }
    for (const page of this.core.windows) {
      if (this.core.match(page.url) === this) page.control(worker);
    }
    return Promise.resolve();
  }

  async unregister(): Promise<boolean> {
    let unregistered = false;
    await this.core.job(this.scope, () => {
      if (this.unregistered) return;
      unregistered = this.unregistered = true;
      this.core.forget(this);
      this.settle();
    });
    return unregistered;
  }

  /** Does what had to wait until clients are gone or events have ended. */
  settle(): void {
    if (this.unregistered) this.#tryClear();
    else this.#tryActivate();
  }

  #isUsed(): boolean {
    return this.core.windows.some(({ controller }) =>
      controller?.registration === this
    );
  }

  /** https://w3c.github.io/ServiceWorker/#try-activate-algorithm */
  #tryActivate(): void {
    const { waiting, active } = this;
    if (!waiting || active?.state === "activating") return;
    if (
      active && (active.busy || this.#isUsed() && !waiting.skipsWaiting)
    ) return;
    const done = this.core.begin("activate");
    this.#activate(waiting).finally(done);
  }

  /** https://w3c.github.io/ServiceWorker/#activation-algorithm */
  async #activate(worker: Worker): Promise<void> {
    const replaced = this.active;
    this.#set({ waiting: null, active: worker });
    replaced?.become("redundant");
    worker.become("activating");
    for (const page of this.core.windows) {
      page.registrationActive(this);
      if (page.controller?.registration === this) page.control(worker);
    }
    if (worker.handles("activate")) {
      await worker.fire("activate", () => new ExtendableEvent("activate"));
    }
    if (worker.state === "activating") worker.become("activated");
    this.core.syncs.resume(this);
    // Another may have come to wait meanwhile.
    this.settle();
  }

  /** https://w3c.github.io/ServiceWorker/#try-clear-registration-algorithm */
  #tryClear(): void {
    const workers = [this.installing, this.waiting, this.active]
      .filter((worker) => worker !== null);
    if (this.#isUsed() || workers.some((worker) => worker.busy)) return;
    this.#cleared = true;
    this.#set({ installing: null, waiting: null, active: null });
    for (const worker of workers) worker.become("redundant");
  }

  #set(
    workers: Partial<Pick<Registration, "installing" | "waiting" | "active">>,
    found = false,
  ): void {
    Object.assign(this, workers);
    for (const realm of this.core.realms()) {
      realm.registrationChanged(this, found);
    }
  }
}

function hintOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /import statement|Unexpected token 'export'/.test(text)
    ? `${text}; bundle a module, or register it by its file: URL`
    : text;
}

/** Whether a script is the version that a worker runs, with all that it imported. */
function isSame(
  { script, imported, core }: Worker,
  other: HostScript,
): boolean {
  return (script === other ||
    script instanceof URL && other instanceof URL &&
      script.href === other.href) &&
    [...imported].every(([url, text]) => core.scripts.get(url) === text);
}
