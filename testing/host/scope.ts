// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Life } from "./life.ts";

const EVENT_TYPES = [
  "activate",
  "backgroundfetchabort",
  "backgroundfetchclick",
  "backgroundfetchfail",
  "backgroundfetchsuccess",
  "error",
  "fetch",
  "install",
  "message",
  "messageerror",
  "notificationclick",
  "notificationclose",
  "periodicsync",
  "push",
  "pushsubscriptionchange",
  "sync",
];

// In a call of a worker, the names of globals may mean those of its scope.
const RuntimeAbortSignal = AbortSignal;
const RuntimeDate = Date;
const RuntimeMessageChannel = MessageChannel;
const RuntimeRequest = Request;
const runtime = globalThis as object;

/** What a service worker has of the runtime as it is. */
export const PRESENT = {
  AbortController,
  Blob,
  CompressionStream,
  DOMException,
  DecompressionStream,
  Event,
  EventTarget,
  File,
  FormData,
  Headers,
  MessageEvent,
  MessagePort,
  ReadableStream,
  Response,
  TextDecoder,
  TextEncoder,
  TransformStream,
  URL,
  URLPattern,
  URLSearchParams,
  WritableStream,
  atob,
  btoa,
  console,
  crypto,
  queueMicrotask,
  structuredClone,
};

/** What the runtime has and a service worker has not. */
export const ABSENT = [
  "Bun",
  "Deno",
  "Worker",
  "alert",
  "close",
  "confirm",
  "document",
  "localStorage",
  "parent",
  "process",
  "prompt",
  "sessionStorage",
  "window",
];

/** `Date` by another clock. */
export function dateOf(now: () => number): DateConstructor {
  return class extends RuntimeDate {
    constructor(...args: []) {
      super(...(args.length === 0 ? [now()] as unknown as [] : args));
    }

    static override now(): number {
      return now();
    }
  } as DateConstructor;
}

/** `Request` with URLs relative to `base`. */
export function requestClassOf(base: string): typeof Request {
  return class extends RuntimeRequest {
    constructor(input: Request | string | URL, init?: RequestInit) {
      super(
        input instanceof RuntimeRequest ? input : new URL(input, base),
        init,
      );
    }

    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof RuntimeRequest;
    }
  };
}

/** `AbortSignal` with a timeout by another clock. */
export function abortSignalOf(
  setTimer: (delay: number, abort: () => void) => void,
): object {
  return {
    prototype: RuntimeAbortSignal.prototype,
    abort: (reason?: unknown) => RuntimeAbortSignal.abort(reason),
    any: (signals: AbortSignal[]) => RuntimeAbortSignal.any(signals),
    timeout(delay: number) {
      const controller = new AbortController();
      setTimer(delay, () =>
        controller.abort(
          new DOMException(
            `Cannot go on: ${delay} ms have passed`,
            "TimeoutError",
          ),
        ));
      return controller.signal;
    },
    [Symbol.hasInstance]: (value: unknown) =>
      value instanceof RuntimeAbortSignal,
  };
}

/** A `MessageChannel` whose ports are passed to `adopt`. */
export function messageChannelOf(
  adopt: (port: MessagePort) => void,
): typeof MessageChannel {
  return class extends RuntimeMessageChannel {
    constructor() {
      super();
      adopt(this.port1);
      adopt(this.port2);
    }
  };
}

type Listener = EventListenerOrEventListenerObject | null;

/** `ServiceWorkerGlobalScope`. */
export class ServiceWorkerGlobalScope extends EventTarget {
  readonly #life: Life;
  readonly #listeners = new WeakMap<object, EventListener>();

  constructor(life: Life) {
    super();
    this.#life = life;
    // Called as globals, they have no `this`.
    for (
      const name of [
        "addEventListener",
        "dispatchEvent",
        "removeEventListener",
      ] as const
    ) Object.defineProperty(this, name, { value: this[name].bind(this) });
    for (const type of EVENT_TYPES) this.#attribute(type);
  }

  override addEventListener(
    type: string,
    listener: Listener,
    options?: AddEventListenerOptions | boolean,
  ): void {
    if (EVENT_TYPES.includes(type) && !type.endsWith("error")) {
      this.#life.listen(type);
    }
    super.addEventListener(type, this.#wrap(listener), options);
  }

  override removeEventListener(
    type: string,
    listener: Listener,
    options?: EventListenerOptions | boolean,
  ): void {
    super.removeEventListener(type, this.#wrap(listener), options);
  }

  #wrap(listener: Listener): EventListener | null {
    if (!listener) return null;
    let wrapped = this.#listeners.get(listener);
    if (!wrapped) {
      wrapped = (event) => {
        if (!this.#life.alive) return;
        this.#life.guard(() =>
          typeof listener === "function"
            ? listener.call(this, event)
            : listener.handleEvent(event)
        );
      };
      this.#listeners.set(listener, wrapped);
    }
    return wrapped;
  }

  #attribute(type: string): void {
    let handler: ((event: Event) => void) | null = null;
    const call = (event: Event) => handler?.call(this, event);
    Object.defineProperty(this, `on${type}`, {
      get: () => handler,
      set: (value) => {
        if (!handler) this.addEventListener(type, call);
        handler = typeof value === "function" ? value : null;
      },
    });
  }
}

/** Shows, as members of `scope`, what else the runtime has: the language, most of all. */
export function addRest(scope: object): void {
  for (const name of Object.getOwnPropertyNames(runtime)) {
    if (name in scope || ABSENT.includes(name)) continue;
    Object.defineProperty(scope, name, {
      get: () => Reflect.get(runtime, name),
      set: (value) =>
        Object.defineProperty(scope, name, { value, writable: true }),
      configurable: true,
    });
  }
}

/** A declaration that begins a line, as those of a script itself do. */
const DECLARATION_REGEXP =
  /^(?:(?:var|let|const|class)\s+|(?:async\s+)?function(?:\s+|\s*\*\s*))([\w$]+)/gm;

/** Evaluates the text of a classic script, whose globals are those of `scope`. */
export function evaluate(text: string, url: string, scope: object): unknown {
  // Names that mean nothing here must not be looked for in the runtime.
  const names = new Proxy(scope, {
    has: (_, name) => name in scope || ABSENT.some((absent) => absent === name),
  });
  const declared = Array.from(
    text.matchAll(DECLARATION_REGEXP),
    ([, name = ""]) => name,
  );
  // In a function of its own, the script may be strict. It ends on a new line,
  // lest its last comment swallow the brace.
  const run = new Function(
    `with (arguments[0]) { return (function () { ${text}\n${
      declared.filter(isName).map(share).join(" ")
    } }).call(arguments[1]); }\n//# sourceURL=${url}`,
  );
  return run(names, scope);
}

/** Whether it can be declared, rather than being of a comment. */
function isName(text: string): boolean {
  try {
    new Function(`"use strict"; let ${text};`);
    return true;
  } catch {
    return false;
  }
}

/** Has other scripts find what a script declares, if it does. */
function share(name: string): string {
  return `if (typeof ${name} !== "undefined") Object.defineProperty(this, "${name}", { get: () => ${name}, set: (${name}_) => { ${name} = ${name}_; }, configurable: true });`;
}
