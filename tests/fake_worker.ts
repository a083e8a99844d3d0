// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A service worker as a page sees it, for unit tests: its listener runs here,
 * real ports and real locks connect it, and it can be stopped as a browser does
 * it: without a word, at any time, and started anew by the next message.
 */

/** What a worker's script evaluates to: its listener for `message` events. */
export type Script = (life: {
  readonly clients: FakeClients;
  readonly locks: FakeLocks;
}) => (event: FakeMessageEvent) => void;

/** The `message` event that the script's listener is given. */
export interface FakeMessageEvent {
  readonly data: unknown;
  readonly ports: readonly MessagePort[];
  readonly source: FakeClient;
  waitUntil(promise: Promise<unknown>): void;
}

interface FakeClient {
  readonly id: string;
  postMessage(message: unknown): void;
}

interface FakeClients {
  matchAll(): Promise<FakeClient[]>;
}

interface FakeLocks {
  request(name: string, callback: () => Promise<unknown>): Promise<unknown>;
}

interface FakeRegistration {
  readonly active: FakeWorker;
  readonly waiting: null;
}

/** One page with its worker. */
export class FakePage extends EventTarget {
  #controller: FakeWorker | null = null;
  readonly #ready = Promise.withResolvers<FakeRegistration>();
  /** What `navigator.serviceWorker` is to the page. */
  readonly container = this;
  readonly client: FakeClient = {
    id: crypto.randomUUID(),
    postMessage: (message) => {
      const data = structuredClone(message);
      queueMicrotask(() =>
        this.dispatchEvent(new MessageEvent("message", { data }))
      );
    },
  };

  constructor(script?: Script) {
    super();
    if (script) this.control(script);
  }

  get controller(): FakeWorker | null {
    return this.#controller;
  }

  get ready(): Promise<FakeRegistration> {
    return this.#ready.promise;
  }

  /** Has another worker take control. */
  control(script: Script): FakeWorker {
    this.#controller = new FakeWorker(script, this.client);
    this.#ready.resolve({ active: this.#controller, waiting: null });
    this.dispatchEvent(new Event("controllerchange"));
    return this.#controller;
  }

  /** The worker in control. */
  get worker(): FakeWorker {
    if (!this.#controller) throw new Error("no worker controls this page");
    return this.#controller;
  }

  [Symbol.dispose](): void {
    this.#controller?.become("redundant");
  }
}

/** A `ServiceWorker`. */
export class FakeWorker extends EventTarget {
  state = "activated";
  /** How many times the script was evaluated. */
  lives = 0;
  /** How many events keep it alive. */
  busy = 0;
  #stop: (() => void) | undefined;
  #listener: ((event: FakeMessageEvent) => void) | undefined;
  readonly #ports = new Set<MessagePort>();
  readonly #script: Script;
  readonly #client: FakeClient;

  constructor(script: Script, client: FakeClient) {
    super();
    this.#script = script;
    this.#client = client;
  }

  /** Clones at once, as the platform does, and delivers in a task of its own. */
  postMessage(message: unknown, transfer: Transferable[]): void {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = ({ data, ports }) => {
      port1.close();
      port2.close();
      this.#start();
      for (const port of ports) {
        if (this.state === "redundant") port.close();
        else this.#ports.add(port);
      }
      this.busy++;
      let extended: Promise<unknown> = Promise.resolve();
      this.#listener?.({
        data,
        ports,
        source: this.#client,
        waitUntil: (promise) => extended = Promise.all([extended, promise]),
      });
      extended.finally(() => this.busy--).catch(() => {});
    };
    try {
      port1.postMessage(message, transfer);
    } catch (error) {
      port1.close();
      port2.close();
      throw error;
    }
  }

  /** Stops the worker: ports go silent, locks are released, memory is lost. */
  stop(): void {
    this.#stop?.();
    this.#stop = this.#listener = undefined;
    this.busy = 0;
    for (const port of this.#ports) {
      // The page hears nothing of it: this ends the timers of the stopped life.
      port.dispatchEvent(new MessageEvent("message", { data: ["rest"] }));
      port.close();
    }
    this.#ports.clear();
  }

  /** A worker that becomes redundant is stopped, and not started again. */
  become(state: string): void {
    this.state = state;
    if (state === "redundant") this.stop();
    this.dispatchEvent(new Event("statechange"));
  }

  #start(): void {
    if (this.#listener || this.state === "redundant") return;
    this.lives++;
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    this.#stop = resolve;
    this.#listener = this.#script({
      clients: { matchAll: () => Promise.resolve([this.#client]) },
      locks: {
        request: (name, callback) =>
          navigator.locks.request(
            name,
            () => Promise.race([callback(), stopped]),
          ),
      },
    });
  }
}
