// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Ask a service worker, a client, a worker or a port one question and await its
 * one answer. The answering half is `respond`; a worker written by hand that
 * calls `event.ports[0].postMessage(answer)` is understood as well.
 *
 * Each question travels with a `MessagePort` of its own, so answers cannot be
 * mixed up. A message that is a plain object is posted as it is, with one key
 * added, by which `respond` knows whom it talks to:
 *
 * ```text
 * question  { ...message, "@serviceworker/std": { request: id } }
 * answer    { "@serviceworker/std": { value } } or { "@serviceworker/std": { error } }
 * abort     { "@serviceworker/std": { abort: true } }, on the port
 * ```
 *
 * The id is empty unless the question is idempotent, and may come again.
 *
 * For many questions, events and streams use `connect`: it keeps one port.
 *
 * @module
 */

/**
 * Who can be asked: anything with the `postMessage()` of a `ServiceWorker`, a
 * `Client`, a `Worker` or a `MessagePort`. A `BroadcastChannel` cannot: it
 * transfers no ports.
 *
 * @typeParam P The protocol that the other side speaks: annotate a variable
 * with it and its questions and answers are checked.
 */
export interface RequestTarget<P = undefined> {
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
  /** Only of a `ServiceWorker`: a redundant one is not waited for. */
  readonly state?: string | undefined;
  /** Never there: it carries the protocol's type. */
  readonly "@serviceworker/std"?: P;
}

/**
 * The part of `navigator.serviceWorker` that {@linkcode request} uses.
 *
 * @typeParam P The protocol that the worker speaks.
 */
export interface RequestContainer<P = undefined> {
  /** The worker that controls the page, which is the one asked. */
  readonly controller: RequestTarget<P> | null;
  /** Resolves once a worker is active. */
  readonly ready: Promise<{ readonly active: RequestTarget<P> | null }>;
}

/**
 * The names of the questions in a protocol: its methods, except those that
 * return an `AsyncIterable`.
 *
 * @typeParam P The protocol.
 */
export type RequestName<P> =
  & {
    [K in keyof P]: P[K] extends (input: never) => infer R
      ? [R] extends [AsyncIterable<unknown>] ? never : K
      : never;
  }[keyof P]
  & string;

/**
 * The message that asks a question of a protocol: its name as `type`, with the
 * members of its input.
 *
 * @typeParam P The protocol.
 * @typeParam K The question's name.
 */
export type RequestMessage<P, K extends keyof P> =
  & { readonly type: K }
  & (P[K] extends (input: infer I) => unknown ? unknown extends I ? unknown
    : undefined extends I ? Partial<NonNullable<I>>
    : I
    : never);

/**
 * The answer to a question of a protocol.
 *
 * @typeParam P The protocol.
 * @typeParam K The question's name.
 */
export type RequestAnswer<P, K extends keyof P> = P[K] extends
  (input: never) => infer R ? Awaited<R> : never;

/** Options for {@linkcode request}. */
export interface RequestOptions {
  /**
   * Ends the wait; the promise then rejects with the signal's reason, and the
   * `signal` of the handler in `respond` aborts. It replaces the default
   * deadline of 30 seconds, after which the promise rejects with a
   * "TimeoutError".
   */
  signal?: AbortSignal | undefined;
  /**
   * Objects to move, rather than copy, with the question.
   *
   * @default {[]}
   */
  transfer?: Transferable[] | undefined;
  /**
   * Whether the question may be asked again, every 5 seconds, while no answer
   * comes: the worker may have been stopped before it could answer. Within one
   * life of the worker, `respond` runs its handler once.
   *
   * @default {false}
   */
  idempotent?: boolean | undefined;
  /**
   * Whether to wait for an active worker where the page has no controller, as
   * on a first visit. Without it such a question rejects at once.
   *
   * @default {false}
   */
  ready?: boolean | undefined;
}

const KEY = "@serviceworker/std";
const TICK = 1_000;
/** In ticks. */
const DEADLINE = 30;
const ASK_AGAIN = 5;
const ERRORS: Record<string, new (message: string) => Error> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/**
 * Asks one question and resolves with its answer. Use it for a version, a
 * command, a lookup; use `connect` for many questions a second. Where no answer
 * is wanted, `target.postMessage(message)` is enough.
 *
 * An error thrown by a handler of `respond` rejects the promise here, with its
 * class (where it is a built-in one), name, message, stack, cause and own
 * properties.
 *
 * @typeParam P The protocol, inferred from the type of `target`.
 * @typeParam K The question's name, inferred from `message.type`.
 * @param target Whom to ask. Of `navigator.serviceWorker`, the controller.
 * @param message The question: `{ type, ...input }`.
 * @param options Additional options.
 * @returns The answer.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {TypeError} If the question is idempotent and transfers objects.
 * @throws {DOMException} Named "NotSupportedError" if `target` is undefined, as
 * `navigator.serviceWorker` is on insecure origins; "NoWorkerError" if it is
 * null or has no controller; "DataCloneError" if question or answer cannot be
 * cloned; "NoHandlerError" if `respond` has no handler for it;
 * "DisconnectedError" if the worker is, or became, redundant; "TimeoutError" if
 * no answer came in 30 seconds, as when the other side closed the port or cannot
 * read the question.
 *
 * @example Asking a worker for its version
 * ```ts
 * import { request, type RequestTarget } from "@serviceworker/std/channel/request";
 * import { assertEquals } from "@std/assert";
 *
 * interface Podcast {
 *   version(): string;
 * }
 *
 * // Stands for `registration.active`.
 * const { port1, port2 } = new MessageChannel();
 * port2.onmessage = ({ ports: [reply] }) => {
 *   reply!.postMessage("1.0.0");
 *   reply!.close();
 * };
 *
 * const worker: RequestTarget<Podcast> = port1;
 * assertEquals(await request(worker, { type: "version" }), "1.0.0");
 *
 * port1.close();
 * port2.close();
 * ```
 */
export function request<P extends object, K extends RequestName<P>>(
  target: RequestTarget<P> | RequestContainer<P> | null | undefined,
  message: RequestMessage<P, K>,
  options?: RequestOptions,
): Promise<RequestAnswer<P, K>>;
/**
 * Asks one question of a target that declares no protocol.
 *
 * @typeParam T The type of the answer.
 * @param target Whom to ask. Of `navigator.serviceWorker`, the controller.
 * @param message The question: any value that can be cloned.
 * @param options Additional options.
 * @returns The answer.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {TypeError} If the question is idempotent and transfers objects.
 * @throws {DOMException} As above.
 *
 * @example Asking a worker that was written by hand
 * ```ts
 * import { request } from "@serviceworker/std/channel/request";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * port2.onmessage = ({ data, ports: [reply] }) => {
 *   reply!.postMessage(data * 2);
 *   reply!.close();
 * };
 *
 * assertEquals(await request<number>(port1, 21), 42);
 *
 * port1.close();
 * port2.close();
 * ```
 */
export function request<T = unknown>(
  target: RequestTarget | RequestContainer | null | undefined,
  message: unknown,
  options?: RequestOptions,
): Promise<T>;
export function request(
  target: RequestTarget<unknown> | RequestContainer<unknown> | null | undefined,
  message: unknown,
  options: RequestOptions = {},
): Promise<unknown> {
  const { signal, transfer = [], idempotent = false, ready = false } = options;
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const question = isPlainObject(message)
    ? { ...message, [KEY]: { request: idempotent ? crypto.randomUUID() : "" } }
    : message;
  const ports: MessagePort[] = [];
  let worker: RequestTarget<unknown> | undefined;
  let settled = false;
  let suspended = false;
  let redundant = false;
  let ticks = 0;
  let ticked = 0;
  let asked = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function post(to: RequestTarget<unknown>): void {
    const { port1, port2 } = new MessageChannel();
    ports.push(port1);
    port1.onmessage = ({ data }) => {
      const answer = isPlainObject(data) && data[KEY];
      if (!isPlainObject(answer)) resolve(data);
      else if ("error" in answer) reject(toError(answer.error));
      else resolve(answer.value);
    };
    port1.onmessageerror = () =>
      reject(
        new DOMException(
          "Cannot read the answer: it does not deserialize in this context",
          "DataCloneError",
        ),
      );
    try {
      to.postMessage(question, [port2, ...transfer]);
    } catch (error) {
      port2.close();
      throw error;
    }
  }

  function start(): void {
    signal?.throwIfAborted();
    if (idempotent && transfer.length > 0) {
      throw new TypeError(
        `Cannot repeat the request: 'transfer' moves ${transfer.length} objects away the first time`,
      );
    }
    if (target === undefined) {
      throw new DOMException(
        "Cannot post the request: 'target' is undefined, as navigator.serviceWorker is on insecure origins",
        "NotSupportedError",
      );
    }
    if (target === null || "postMessage" in target) ask(target);
    else if (target.controller !== null || !ready) ask(target.controller);
    else {
      target.ready.then(({ active }) => {
        if (!settled) ask(active);
      }).catch(reject);
    }
    // From here on it costs the caller nothing: the question is on its way.
    signal?.addEventListener("abort", abort);
    ticked = performance.now();
    timer = setTimeout(tick, TICK);
  }

  function ask(to: RequestTarget<unknown> | null): void {
    if (to === null) {
      throw new DOMException(
        "Cannot post the request: there is no worker, or none that controls this page",
        "NoWorkerError",
      );
    }
    if (to.state === "redundant") throw disconnected("is");
    worker = to;
    asked = ticks;
    post(to);
  }

  function tick(): void {
    const elapsed = Math.round((performance.now() - ticked) / TICK);
    ticked = performance.now();
    timer = setTimeout(tick, TICK);
    ticks += Math.max(1, elapsed);
    // After a page was frozen, what arrived meanwhile is still queued behind us.
    suspended = elapsed > 2 && !suspended;
    if (suspended) return;
    // What a worker posted before it was replaced may be on its way for a tick.
    if (redundant) return reject(disconnected("became"));
    redundant = worker?.state === "redundant";
    if (signal === undefined && ticks >= DEADLINE) {
      giveUp(
        new DOMException(
          `Cannot get an answer: none came within ${DEADLINE} seconds`,
          "TimeoutError",
        ),
      );
    } else if (
      idempotent && worker && !redundant && ticks - asked >= ASK_AGAIN
    ) {
      try {
        ask(worker);
      } catch (error) {
        reject(error);
      }
    }
  }

  function abort(): void {
    giveUp(signal?.reason);
  }

  function giveUp(reason: unknown): void {
    for (const port of ports) port.postMessage({ [KEY]: { abort: true } });
    reject(reason);
  }

  function end(): void {
    settled = true;
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    for (const port of ports) port.close();
  }

  // The caller goes first.
  const later = () => queueMicrotask(end);
  promise.then(later, later);
  try {
    start();
  } catch (error) {
    reject(error);
  }
  return promise;
}

/** The fields of what came from elsewhere. */
type Fields = Readonly<
  Partial<
    Record<
      | typeof KEY
      | "error"
      | "value"
      | "name"
      | "message"
      | "stack"
      | "cause"
      | "errors"
      | "dom"
      | "own",
      unknown
    >
  >
>;

function isPlainObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object" &&
    Object.getPrototypeOf(value) === Object.prototype;
}

function disconnected(verb: "is" | "became"): DOMException {
  return new DOMException(
    `Cannot get an answer: the worker ${verb} redundant`,
    "DisconnectedError",
  );
}

/** Rebuilds what `respond` took apart; what was no error is passed on as it is. */
function toError(sent: unknown): unknown {
  if (!isPlainObject(sent) || !isPlainObject(sent[KEY])) return sent;
  const { dom, own, ...rest } = sent[KEY];
  const [name, message] = [String(rest.name), String(rest.message)];
  const Class = (Object.hasOwn(ERRORS, name) && ERRORS[name]) || Error;
  const error = dom
    ? new DOMException(message, name)
    : Array.isArray(rest.errors)
    ? new AggregateError(rest.errors.map(toError), message)
    : new Class(message);
  const define = (key: string, value: unknown) =>
    Object.defineProperty(error, key, {
      value,
      configurable: true,
      writable: true,
    });
  if (error.name !== name) define("name", name);
  if (typeof rest.stack === "string") define("stack", rest.stack);
  if ("cause" in rest) define("cause", toError(rest.cause));
  if (isPlainObject(own)) Object.entries(own).forEach(([k, v]) => define(k, v));
  return error;
}
