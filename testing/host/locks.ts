// Copyright 2026 the @serviceworker/std authors. MIT license.

interface LockRequest {
  readonly owner: object;
  readonly clientId: string;
  readonly name: string;
  readonly mode: LockMode;
  /** Runs the callback with the lock, once it is granted. */
  readonly grant: () => void;
  /** Ends the request or the hold. */
  readonly abort: (reason: unknown) => void;
}

type LockMode = "exclusive" | "shared";

/** A lock as its callback sees it. */
export interface Lock {
  readonly name: string;
  readonly mode: LockMode;
}

/** What a lock is asked for with. */
export interface LockOptions {
  readonly mode?: LockMode | undefined;
  readonly ifAvailable?: boolean | undefined;
  readonly steal?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

type LockCallback = (lock: Lock | null) => unknown;

/** All locks of an origin: https://w3c.github.io/web-locks/ */
export class Locks {
  #held: LockRequest[] = [];
  #queue: LockRequest[] = [];

  /** The `navigator.locks` of a page or of a life of a worker. */
  managerOf(owner: object, clientId: () => string): LockManager {
    return new LockManager(
      (name, options, callback) =>
        this.#request(owner, clientId(), name, options, callback),
      () => ({
        held: this.#held.map(factsOf),
        pending: this.#queue.map(factsOf),
      }),
    );
  }

  /** Releases what somebody held, who is gone. */
  release(owner: object): void {
    this.#queue = this.#queue.filter((request) => request.owner !== owner);
    this.#held = this.#held.filter((request) => request.owner !== owner);
    this.#process();
  }

  #request(
    owner: object,
    clientId: string,
    name: string,
    options: LockOptions,
    callback: LockCallback,
  ): Promise<unknown> {
    const { mode = "exclusive", ifAvailable, steal, signal } = options;
    const refused = name.startsWith("-")
      ? "its name begins with -"
      : steal && ifAvailable
      ? "it is both stolen and wanted if available"
      : steal && mode === "shared"
      ? "only an exclusive lock can be stolen"
      : signal && (steal || ifAvailable)
      ? "a signal has nothing to abort when it is stolen or wanted if available"
      : undefined;
    if (refused) {
      const error = `Cannot request lock "${name}": ${refused}`;
      return Promise.reject(new DOMException(error, "NotSupportedError"));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);

    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const abort = () => {
      this.#queue = this.#queue.filter((other) => other !== request);
      reject(signal?.reason);
      this.#process();
    };
    signal?.addEventListener("abort", abort, { once: true });
    const request: LockRequest = {
      owner,
      clientId,
      name,
      mode,
      abort: reject,
      grant: () => {
        signal?.removeEventListener("abort", abort);
        const release = () => {
          this.#held = this.#held.filter((other) => other !== request);
          this.#process();
        };
        const work = new Promise((done) => done(callback({ name, mode })));
        work.finally(release).then(resolve, reject);
      },
    };
    if (steal) {
      for (const other of this.#held.filter((other) => other.name === name)) {
        other.abort(
          new DOMException(
            `Cannot hold lock "${name}": it was stolen`,
            "AbortError",
          ),
        );
      }
      this.#held = this.#held.filter((other) => other.name !== name);
      this.#queue.unshift(request);
    } else if (ifAvailable && !this.#isFree(request, this.#queue)) {
      resolve(new Promise((done) => done(callback(null))));
      return promise;
    } else {
      this.#queue.push(request);
    }
    // The callback never runs before request() has returned.
    queueMicrotask(() => this.#process());
    return promise;
  }

  #process(): void {
    for (const request of [...this.#queue]) {
      const ahead = this.#queue.slice(0, this.#queue.indexOf(request));
      if (!this.#isFree(request, ahead)) continue;
      this.#queue = this.#queue.filter((other) => other !== request);
      this.#held.push(request);
      request.grant();
    }
  }

  #isFree({ name, mode }: LockRequest, ahead: LockRequest[]): boolean {
    return !ahead.some((other) => other.name === name) &&
      !this.#held.some((other) =>
        other.name === name &&
        (mode === "exclusive" || other.mode === "exclusive")
      );
  }
}

/** `navigator.locks`. */
export class LockManager {
  readonly #request: (
    name: string,
    options: LockOptions,
    callback: LockCallback,
  ) => Promise<unknown>;
  readonly #query: () => LockSnapshot;

  constructor(
    request: (
      name: string,
      options: LockOptions,
      callback: LockCallback,
    ) => Promise<unknown>,
    query: () => LockSnapshot,
  ) {
    this.#request = request;
    this.#query = query;
  }

  request(
    name: string,
    options: LockOptions | LockCallback,
    callback?: LockCallback,
  ): Promise<unknown> {
    if (typeof options === "function") {
      return this.#request(String(name), {}, options);
    }
    if (typeof callback !== "function") {
      return Promise.reject(
        new TypeError(`Cannot request lock "${name}": it has no callback`),
      );
    }
    return this.#request(String(name), options, callback);
  }

  query(): Promise<LockSnapshot> {
    return Promise.resolve(this.#query());
  }
}

interface LockSnapshot {
  readonly held: LockFacts[];
  readonly pending: LockFacts[];
}

interface LockFacts extends Lock {
  readonly clientId: string;
}

function factsOf({ name, mode, clientId }: LockRequest): LockFacts {
  return { name, mode, clientId };
}
