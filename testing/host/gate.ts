// Copyright 2026 the @serviceworker/std authors. MIT license.

/** A life of a worker, as far as its gate needs it. */
export interface Gated {
  /** Whether the worker has not been stopped. */
  readonly alive: boolean;
  /** Counts a step; `false` if the worker was stopped before or right now. */
  step(name: string): boolean;
  /** Calls a function of the worker. */
  run<T>(work: () => T): T;
  /** Calls a listener of the worker. */
  guard(work: () => void): void;
  /** Calls a function of the platform. */
  leave<T>(work: () => T): T;
  /** Resolves when the worker is stopped. */
  readonly stopped: Promise<void>;
}

/**
 * Stands between a life of a worker and the platform, so that the worker can be
 * stopped at every call. Every object that the platform hands out passes the
 * gate, and every function that the worker hands in.
 *
 * A call of a worker that was stopped has no effect. Its code may run on until it
 * awaits the outcome of one, and never further.
 */
export class Gate {
  readonly #life: Gated;
  readonly #proxies = new WeakMap<object, object>();
  readonly #targets = new WeakMap<object, object>();
  readonly #callbacks = new WeakMap<Callback, Callback>();
  /** Transactions and connections to databases, which end with the worker. */
  readonly #open = new Set<Open>();

  constructor(life: Gated) {
    this.#life = life;
  }

  /** The worker's view of what the platform hands out. */
  out<T>(value: T, name: string): T {
    if (Array.isArray(value) && value.some(isHandle)) {
      return value.map((member) => this.out(member, name)) as T;
    }
    if (!isHandle(value)) return value;
    let proxy = this.#proxies.get(value);
    if (!proxy) {
      proxy = this.#proxyOf(value, name);
      this.#proxies.set(value, proxy);
      this.#targets.set(proxy, value);
      if ("objectStoreNames" in value) this.#open.add(value as Open);
    }
    return proxy as T;
  }

  /** The platform's view of what the worker hands in. */
  in(value: unknown): unknown {
    if (isFunction(value)) return this.#callbackOf(value);
    if (typeof value !== "object" || value === null) return value;
    return this.#targets.get(value) ?? value;
  }

  /** The outcome of a call, of which a stopped worker never hears. */
  later<T>(promise: Promise<T>, name: string): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then((value) => {
        if (this.#life.alive) resolve(this.out(value, nameOf(value, name)));
      }, (reason) => {
        if (this.#life.alive) reject(reason);
      });
    });
  }

  /** Undoes what was not finished when the worker was stopped. */
  close(): void {
    for (const open of this.#open) {
      try {
        open.abort?.();
        open.close?.();
      } catch {
        // The transaction was committed.
      }
    }
  }

  #proxyOf(target: object, name: string): object {
    const methods = new Map<PropertyKey, unknown>();
    // The target itself may be frozen, which forbids to show something else.
    const shown = Object.create(Object.getPrototypeOf(target));
    return new Proxy(shown, {
      get: (_, key) => {
        const value = Reflect.get(target, key, target);
        if (!isFunction(value) || key === "constructor") {
          return this.out(value, `${name}.${String(key)}`);
        }
        if (!methods.has(key)) {
          methods.set(key, this.#methodOf(target, value, key, name));
        }
        return methods.get(key);
      },
      set: (_, key, value) => Reflect.set(target, key, this.in(value), target),
      has: (_, key) => Reflect.has(target, key),
    });
  }

  #methodOf(
    target: object,
    method: Callback,
    key: PropertyKey,
    name: string,
  ): Callback {
    const label = `${name}.${String(key)}`;
    return (...args) => {
      if (!this.#life.alive) return dead();
      if (
        !isBookkeeping(target, key) &&
        !this.#life.step(label + describe(args[0]))
      ) return dead();
      const result = this.#life.leave(() =>
        Reflect.apply(method, target, args.map((arg) => this.in(arg)))
      );
      return result instanceof Promise
        ? this.later(result, label)
        : this.out(result, nameOf(result, label));
    };
  }

  #callbackOf(callback: Callback): Callback {
    let wrapped = this.#callbacks.get(callback);
    if (!wrapped) {
      wrapped = (...args) => {
        if (!this.#life.alive) return undefined;
        const call = () =>
          callback(
            ...args.map((arg) => this.out(arg, nameOf(arg, "argument"))),
          );
        if (args[0] instanceof Event) return this.#life.guard(call);
        const result = this.#life.run(call);
        if (!(result instanceof Promise)) return this.in(result);
        // Who waits for a worker that is stopped must not wait for ever.
        const stopped = this.#life.stopped.then(() => {
          throw new DOMException(
            "Cannot finish the callback: the worker was stopped",
            "AbortError",
          );
        });
        return Promise.race([result, stopped]);
      };
      this.#callbacks.set(callback, wrapped);
    }
    return wrapped;
  }
}

/** A transaction of a database, or a connection to one. */
type Open = Partial<Record<"abort" | "close", () => void>>;

type Callback = (...args: unknown[]) => unknown;

/** What `postMessage()` and `fetch()` move between realms as it is, or cloned. */
const DATA = [
  AbortSignal,
  ArrayBuffer,
  Blob,
  Date,
  Error,
  FormData,
  Headers,
  Map,
  MessagePort,
  Promise,
  ReadableStream,
  RegExp,
  Request,
  Response,
  Set,
  URL,
  URLSearchParams,
];

function isFunction(value: unknown): value is Callback {
  return typeof value === "function";
}

/** Whether something can be done with `value`, rather than it being data. */
function isHandle(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) {
    return Object.values(value).some(isFunction);
  }
  return !Array.isArray(value) && !ArrayBuffer.isView(value) &&
    !DATA.some((type) => value instanceof type);
}

/** Whether a call has no effect that outlives the worker. */
function isBookkeeping(target: object, key: PropertyKey): boolean {
  return target instanceof Event || typeof key === "symbol" ||
    /EventListener$|^dispatchEvent$/.test(String(key));
}

/** What a call of a stopped worker returns: any call of it does nothing, and to await it waits for ever. */
function dead(): unknown {
  const nothing: unknown = new Proxy(() => {}, {
    apply: () => nothing,
    get: (_, key) =>
      key === "then" ? () => {} : typeof key === "symbol" ? undefined : nothing,
    set: () => true,
  });
  return nothing;
}

/** The argument that tells one call from another. */
function describe(value: unknown): string {
  if (typeof value === "string") return ` "${value}"`;
  if (value instanceof URL) return ` "${value.href}"`;
  if (value instanceof Request) return ` ${value.method} ${value.url}`;
  return "";
}

/** What to call an object in the log. */
function nameOf(value: unknown, fallback: string): string {
  const { name = "Object" } = Object(value).constructor ?? {};
  return name === "Object" ? fallback : name;
}
