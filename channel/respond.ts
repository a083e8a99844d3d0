// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answer the questions that `request` asks, in a service worker or in a page.
 * A question without the mark of `request` is answered too, if it has a `type`
 * with a handler and a port to answer on: so workbox-window's `messageSW()`
 * understands this worker, and receives the bare value.
 *
 * @module
 */

/** The part of a `message` event that {@linkcode respond} uses. */
export interface RespondEvent {
  /** The message. */
  readonly data: unknown;
  /** The ports that came with it; the first is answered on. */
  readonly ports: readonly MessagePort[];
  /** Only in a service worker: keeps it alive until the promise settles. */
  waitUntil?(promise: Promise<unknown>): void;
}

/**
 * What a handler is given beside the message.
 *
 * @typeParam E The type of the event.
 */
export interface RespondContext<E extends RespondEvent = RespondEvent> {
  /**
   * Aborts when the other side gives up waiting for the answer. A page that is
   * closed does not say so.
   */
  readonly signal: AbortSignal;
  /** Objects to move, rather than copy, with the answer: push them here. */
  readonly transfer: Transferable[];
  /** The event; its `source` tells who asks. */
  readonly event: E;
}

/**
 * A handler for each question of a protocol: for each method, except those that
 * return an `AsyncIterable`, which are for `accept`.
 *
 * @typeParam P The protocol.
 * @typeParam E The type of the event.
 */
export type RespondHandlers<P, E extends RespondEvent = RespondEvent> = {
  readonly [
    K in keyof P as P[K] extends (input: never) => infer R
      ? [R] extends [AsyncIterable<unknown>] ? never : K
      : never
  ]: string extends K ? RespondAnyHandler<E>
    : P[K] extends (input: infer I) => infer R
      ? (input: I, context: RespondContext<E>) => R | Promise<Awaited<R>>
    : never;
};

/**
 * A handler of a worker that declares no protocol: it may say of which type its
 * message is.
 *
 * @typeParam E The type of the event.
 */
export type RespondAnyHandler<E extends RespondEvent> = {
  /** Takes the message, answers a value or a promise of it. */
  answer(message: Record<string, unknown>, context: RespondContext<E>): unknown;
}["answer"];

/** Any question, for a worker that declares no protocol. */
export interface RespondAnything {
  /** Takes the message, answers a value or a promise of it. */
  [type: string]: (message: Record<string, unknown>) => unknown;
}

type Handler = (message: unknown, context: RespondContext) => unknown;

const KEY = "@serviceworker/std";
/** How many questions are remembered so as not to be answered twice. */
const REMEMBERED = 1_000;

/**
 * Makes a listener for `message` events that answers each question with the
 * value, the promise's value or the error of the handler named by its `type`.
 * In a service worker it answers inside `event.waitUntil()`.
 *
 * Add the listener at top level, during the first evaluation of the worker's
 * script. In a page, add it to `navigator.serviceWorker`; messages wait there
 * until the document is parsed, or for `navigator.serviceWorker.startMessages()`.
 *
 * Other messages are left to other listeners. Only a question of `request` that
 * no listener made by `respond` has a handler for is refused, at once, with a
 * "NoHandlerError". What asks is untrusted: check the input, and if it matters
 * `event.source`, as any page of the origin can ask.
 *
 * @typeParam P The protocol.
 * @typeParam E The type of the event, e.g. `ExtendableMessageEvent`.
 * @param handlers The handlers, by the `type` of the question.
 * @returns The listener.
 *
 * @example Answering pages from a worker
 * ```ts
 * import { respond } from "@serviceworker/std/channel/respond";
 * import { request } from "@serviceworker/std/channel/request";
 * import { assertEquals } from "@std/assert";
 *
 * interface Podcast {
 *   version(): string;
 *   remove(input: { id: string }): boolean;
 * }
 *
 * // In a worker: addEventListener("message", respond<Podcast>({ … }))
 * const { port1, port2 } = new MessageChannel();
 * port2.onmessage = respond<Podcast>({
 *   version: () => "1.0.0",
 *   remove: ({ id }) => caches.delete(`episode-${id}`),
 * });
 *
 * assertEquals(await request(port1, { type: "version" }), "1.0.0");
 * assertEquals(await request(port1, { type: "remove", id: "7" }), false);
 *
 * port1.close();
 * port2.close();
 * ```
 */
export function respond<
  P = RespondAnything,
  E extends RespondEvent = RespondEvent,
>(
  handlers: RespondHandlers<P, E>,
): (event: E) => void {
  // Both only need to last as long as this life of the worker.
  const seen = new Set<unknown>();
  const known = new Map(Object.entries(handlers) as [unknown, Handler][]);

  /** Whether the question came before, in this life of the worker. */
  function isRepeated(id: unknown): boolean {
    if (id === "") return false;
    if (seen.has(id)) return true;
    seen.add(id);
    for (const oldest of seen) {
      if (seen.size <= REMEMBERED) break;
      seen.delete(oldest);
    }
    return false;
  }

  return (event) => {
    const { data, ports: [port] } = event;
    if (!isObject(data) || port === undefined) return;
    const mark = isObject(data[KEY]) ? data[KEY] : undefined;
    const question = typeof mark?.request === "string" ? mark : undefined;
    if (mark !== undefined && question === undefined) return;

    const handler = known.get(data.type);
    if (handler === undefined) {
      if (!question) return;
      const refused = refuse(question, port, data.type);
      return event.waitUntil?.(refused);
    }
    if (question) {
      // Read by the other listeners of `respond`, which share the message.
      question.taken = true;
      // The answer goes, or went, to the port of the first time.
      if (isRepeated(question.request)) return port.close();
    }
    const answered = answer(handler, event, port, question !== undefined);
    if (answered) event.waitUntil?.(answered);
  };
}

/** Runs the handler and posts what comes of it, now or in time. */
function answer(
  handler: Handler,
  event: RespondEvent,
  port: MessagePort,
  marked: boolean,
): Promise<void> | undefined {
  const context = new Context(event, port);
  const fulfil = (value: unknown) => {
    try {
      port.postMessage(marked ? { [KEY]: { value } } : value, context.transfer);
      port.close();
    } catch (error) {
      fail(error);
    }
  };
  const fail = (error: unknown) => {
    postError(port, error);
    port.close();
  };
  try {
    const value = handler(event.data, context);
    if (isPromise(value)) {
      return Promise.resolve(value).then(fulfil, fail);
    }
    fulfil(value);
  } catch (error) {
    fail(error);
  }
  return undefined;
}

class Context implements RespondContext {
  readonly transfer: Transferable[] = [];
  #controller: AbortController | undefined;

  readonly event: RespondEvent;
  readonly #port: MessagePort;

  constructor(event: RespondEvent, port: MessagePort) {
    this.event = event;
    this.#port = port;
  }

  get signal(): AbortSignal {
    // Listening costs as much as answering: only who asks for it has it.
    this.#controller ??= this.#listen(new AbortController());
    return this.#controller.signal;
  }

  #listen(controller: AbortController): AbortController {
    this.#port.onmessage = ({ data }) => {
      if (!isObject(data) || !isObject(data[KEY])) return;
      if (data[KEY].abort) controller.abort();
    };
    return controller;
  }
}

/** Says that there is no handler, unless a listener called after us has one. */
async function refuse(
  question: Fields,
  port: MessagePort,
  type: unknown,
): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  if (question.taken) return;
  postError(
    port,
    new DOMException(
      `Cannot answer the request: there is no handler for ${
        typeof type === "string" ? JSON.stringify(type) : typeof type
      }`,
      "NoHandlerError",
    ),
  );
  port.close();
}

function postError(port: MessagePort, error: unknown): void {
  try {
    port.postMessage({ [KEY]: { error: toSent(error) } });
  } catch (refusal) {
    // It, its cause or a property cannot be cloned; strings always can.
    const told = error instanceof Error ? error : refusal as Error;
    const { name, message, stack } = told;
    const dom = told instanceof DOMException;
    const sent = { [KEY]: { name, message, stack, dom } };
    port.postMessage({ [KEY]: { error: sent } });
  }
}

/** An error, taken apart. */
interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  dom?: true;
  own?: object;
  cause?: unknown;
  errors?: unknown[];
}

/** Takes an error apart: structured cloning alone loses most of it. */
function toSent(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  const sent: SentError = { name, message, stack };
  if (error instanceof DOMException) sent.dom = true;
  else sent.own = { ...error };
  if ("cause" in error) sent.cause = toSent(error.cause);
  if (error instanceof AggregateError) sent.errors = error.errors.map(toSent);
  return { [KEY]: sent };
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value.then === "function";
}

/** The fields of what came from elsewhere. */
type Fields = Partial<
  Record<typeof KEY | "type" | "request" | "taken" | "abort" | "then", unknown>
>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}
