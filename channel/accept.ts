// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The worker's half of a long-lived channel; the page's half is `connect`. Many
 * calls share one `MessagePort`, replies can be streamed, and both sides post
 * events.
 *
 * How it works. A page sends a port with `ServiceWorker.postMessage()`, which
 * wakes the worker. The worker answers with the name of a Web Lock that it holds
 * as long as it lives, and the page asks for the same lock: it is granted the
 * moment the worker is stopped, which nothing else tells. While a page has calls
 * pending it says so every ten seconds in a message, inside whose `waitUntil()`
 * the worker stays alive. Everything here lives in the worker's memory and may
 * be lost with it; the page then connects anew.
 *
 * ```text
 * page to worker    { "@serviceworker/std": { connect: channel } } and a port
 *                   { "@serviceworker/std": { keep: channel } }
 * on the port       ["call", id, type, input, oldest?]   oldest: if idempotent
 *                   ["stream", id, type, input, credit]  ["pull", id, credit]
 *                   ["cancel", id]  ["event", type, data]
 *                   ["ping", ids]   ["rest"]  ["close"]
 * worker to page    ["open", lock]  ["value", id, value]  ["end", id]
 * on the port       ["error", id, error]  ["event", type, data]
 *                   ["unread"]  ["pong", the ids that are not running]
 * by its client     { "@serviceworker/std": { event: [type, data] } }
 * ```
 *
 * @module
 */

/** The part of a `Client` that {@linkcode accept} uses. */
export interface AcceptClient {
  /** The client's id. */
  readonly id: string;
  /** Posts a message to the client. */
  postMessage(message: unknown): void;
}

/** The part of `self.clients` that {@linkcode accept} uses. */
export interface AcceptClients {
  /** Resolves with the open pages. */
  matchAll(
    options: { includeUncontrolled: true; type: "all" },
  ): Promise<readonly AcceptClient[]>;
}

/** The part of an `ExtendableMessageEvent` that {@linkcode accept} uses. */
export interface AcceptEvent {
  /** The message. */
  readonly data: unknown;
  /** The ports that came with it. */
  readonly ports: readonly MessagePort[];
  /** The client that sent it. */
  readonly source: object | null;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** The part of `navigator.locks` that {@linkcode accept} uses. */
export interface AcceptLocks {
  /** Holds a lock while the promise of `callback` is pending. */
  request(
    name: string,
    callback: () => Promise<unknown>,
  ): Promise<unknown>;
}

/** Options for {@linkcode accept}. */
export interface AcceptOptions {
  /**
   * Where the worker holds the lock that tells pages of its end. Without locks a
   * page notices within twenty seconds.
   *
   * @default {navigator.locks}
   */
  locks?: AcceptLocks | undefined;
}

/**
 * The names of the events in a protocol: its members that are no methods.
 *
 * @typeParam P The protocol.
 */
export type AcceptEventName<P> =
  & {
    [K in keyof P]: unknown extends P[K] ? K
      : P[K] extends (input: never) => unknown ? never
      : K;
  }[keyof P]
  & string;

/**
 * What a handler is given beside its input.
 *
 * @typeParam P The protocol.
 */
export interface AcceptContext<P> {
  /** Aborts when the caller gave up, left the stream, or went away. */
  readonly signal: AbortSignal;
  /**
   * Objects to move, rather than copy, with the reply or the next item of the
   * stream: push them here.
   */
  readonly transfer: Transferable[];
  /** The page that calls; `null` where the browser does not say. */
  readonly client: AcceptClient | null;
  /**
   * Posts an event to the page that calls.
   *
   * @typeParam K The event's name.
   * @param type The event's name.
   * @param data The event's data.
   */
  post<K extends AcceptEventName<P>>(type: K, data: P[K]): void;
}

/**
 * A handler for each member of a protocol: a function of the input that returns
 * the reply or a promise of it; an async generator (or any function that returns
 * an `AsyncIterable`) for a stream; and, where it is wanted, a function of the
 * data for an event that pages post.
 *
 * @typeParam P The protocol.
 */
export type AcceptHandlers<P> =
  & {
    readonly [
      K in keyof P as P[K] extends (input: never) => unknown ? K : never
    ]: P[K] extends (input: infer I) => infer R
      ? [R] extends [AsyncIterable<infer T>]
        ? (input: I, context: AcceptContext<P>) => AsyncIterable<T>
      : (input: I, context: AcceptContext<P>) => R | Promise<Awaited<R>>
      : never;
  }
  & {
    readonly [K in AcceptEventName<P>]?: unknown extends P[K]
      ? (input: never, context: AcceptContext<P>) => unknown
      : (data: P[K], context: AcceptContext<P>) => unknown;
  };

/**
 * The listener made by {@linkcode accept}.
 *
 * @typeParam P The protocol.
 */
export interface AcceptListener<P> {
  /** Handles a `message` event. */
  (event: AcceptEvent): void;
  /**
   * Posts an event to every page with a channel, also to those that connected
   * to an earlier life of this worker.
   *
   * @typeParam K The event's name.
   * @param type The event's name.
   * @param data The event's data.
   * @returns A promise of when it has been posted to all, for `waitUntil()`.
   */
  post<K extends AcceptEventName<P>>(type: K, data: P[K]): Promise<void>;
}

type Handler = (input: unknown, context: Context) => unknown;

/** One page's channel. */
interface Session {
  port: MessagePort;
  readonly client: AcceptClient | null;
  /** The calls and streams that have not ended. */
  readonly running: Map<number, Running>;
  /** The replies to idempotent calls that the page may not have received. */
  readonly kept: Map<number, { value: unknown; failed: boolean }>;
  /** Lets go of the events that keep the worker alive. */
  readonly holds: Set<() => void>;
}

interface Running {
  readonly idempotent: boolean;
  cancel(): void;
  /** Only of a stream. */
  pull?(credit: number): void;
}

const EVERYBODY = { includeUncontrolled: true, type: "all" } as const;
const KEY = "@serviceworker/std";
/** Longer than a page in the background, whose timers run once a minute. */
const HOLD = 90_000;
/** How often to look whether a page that reads no more is still there. */
const LOOK = 5_000;
/** How long after its first event a worker tells pages that are not connected. */
const INVITE = 5_000;

/**
 * Makes a listener for `message` events that accepts the channels of `connect`
 * and answers their calls and streams by the handlers. Add it at top level,
 * during the first evaluation of the worker's script; one to a worker.
 *
 * What calls is untrusted: check the input where it matters.
 *
 * @typeParam P The protocol: an interface whose methods are calls, whose methods
 * that return an `AsyncIterable` are streams, and whose other members are events.
 * @param clients The worker's `self.clients`.
 * @param handlers The handlers, by the protocol's names.
 * @param options Additional options.
 * @returns The listener, which also posts events.
 *
 * @example A call, a stream and an event
 * ```ts
 * import { accept } from "@serviceworker/std/channel/accept";
 * import { assertEquals } from "@std/assert";
 *
 * interface Podcast {
 *   version(): string;
 *   download(input: { id: string }): AsyncIterable<{ loaded: number }>;
 *   playing: { id: string };
 * }
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 *
 * const podcast = accept<Podcast>(sw.clients, {
 *   version: () => "1.0.0",
 *   async *download({ id }, { signal }) {
 *     let loaded = 0;
 *     const { body } = await fetch(`/episodes/${id}`, { signal });
 *     const reader = body!.getReader();
 *     for (let part; !(part = await reader.read()).done;) {
 *       yield { loaded: loaded += part.value.length };
 *     }
 *   },
 *   playing: (data) => void podcast.post("playing", data),
 * });
 *
 * sw.addEventListener("message", podcast);
 * assertEquals(typeof podcast.post, "function");
 * ```
 */
export function accept<P = Record<string, unknown>>(
  clients: AcceptClients,
  handlers: AcceptHandlers<P>,
  options: AcceptOptions = {},
): AcceptListener<P> {
  const { locks = platformLocks() } = options;
  const known = new Map(Object.entries(handlers) as [unknown, Handler][]);
  const sessions = new Map<string, Session>();
  let lock: Promise<string> | undefined;
  let invited:
    | { until: number; all: Promise<readonly AcceptClient[]> }
    | undefined;

  function listener(event: AcceptEvent): void {
    const { data, ports: [port] } = event;
    if (!isObject(data) || !isObject(data[KEY])) return;
    const { connect, keep } = data[KEY];
    if (typeof connect === "string" && port !== undefined) {
      event.waitUntil(open(connect, port, event.source));
    } else if (typeof keep === "string") {
      const session = sessions.get(keep);
      if (session) event.waitUntil(hold(session));
    }
  }

  async function open(
    channel: string,
    port: MessagePort,
    source: object | null,
  ): Promise<void> {
    const earlier = sessions.get(channel);
    if (earlier) leave(earlier);
    const others = [...sessions].filter(([key]) => key !== channel);
    const session = earlier ?? {
      port,
      client: source && "id" in source ? source as AcceptClient : null,
      running: new Map(),
      kept: new Map(),
      holds: new Set(),
    };
    session.port = port;
    sessions.set(channel, session);
    port.onmessage = ({ data }) => {
      if (Array.isArray(data)) receive(channel, session, data);
    };
    port.onmessageerror = () => port.postMessage(["unread"]);
    const held = hold(session);
    port.postMessage(["open", await (lock ??= holdLock(locks))]);
    await Promise.all([held, prune(others)]);
  }

  /** Forgets pages that went without a word, as one that crashed. */
  async function prune(others: [string, Session][]): Promise<void> {
    const open = new Set<string>();
    for (const { id } of await clients.matchAll(EVERYBODY)) open.add(id);
    for (const [channel, session] of others) {
      if (session.client === null || open.has(session.client.id)) continue;
      // A page in the back-forward cache comes back for its idempotent calls.
      if (session.kept.size > 0) continue;
      const running = [...session.running.values()];
      if (running.some(({ idempotent }) => idempotent)) continue;
      sessions.delete(channel);
      leave(session, true);
    }
  }

  function receive(
    channel: string,
    session: Session,
    message: unknown[],
  ): void {
    // By index: destructuring would iterate, for each call.
    const kind = message[0];
    const id = message[1] as number;
    if (kind === "call") {
      call(session, id, message[2], message[3], message[4]);
    } else if (kind === "stream") {
      void stream(session, id, message[2], message[3], Number(message[4]));
    } else if (kind === "pull") {
      session.running.get(id)?.pull?.(Number(message[2]));
    } else if (kind === "cancel") {
      session.running.get(id)?.cancel();
    } else if (kind === "event") {
      known.get(message[1])?.(message[2], new Context(session));
    } else if (kind === "ping" && Array.isArray(message[1])) {
      const lost = message[1].filter((id) => !session.running.has(id));
      session.port.postMessage(["pong", lost]);
    } else if (kind === "rest") {
      session.kept.clear();
      for (const release of session.holds) release();
    } else if (kind === "close") {
      sessions.delete(channel);
      leave(session, true);
    }
  }

  function call(
    session: Session,
    id: number,
    type: unknown,
    input: unknown,
    oldest: unknown,
  ): void {
    const idempotent = typeof oldest === "number";
    if (idempotent) {
      for (const key of session.kept.keys()) {
        if (key < oldest) session.kept.delete(key);
      }
      // Asked again: it runs once, and its answer goes to the present port.
      if (session.running.has(id)) return;
      const kept = session.kept.get(id);
      if (kept) return reply(session, id, kept.value, kept.failed);
    }
    const context = new Context(session);
    const settle = (value: unknown, failed: boolean) => {
      session.running.delete(id);
      if (context.aborted) return;
      const transfer = failed ? undefined : context.takeTransfer();
      reply(session, id, value, failed, transfer);
      if (!idempotent) return;
      session.kept.set(
        id,
        transfer ? { value: moved(type), failed: true } : { value, failed },
      );
    };
    const fulfil = (value: unknown) => settle(value, false);
    const fail = (error: unknown) => settle(error, true);
    try {
      const value = handlerOf(type)(input, context);
      if (!isPromise(value)) return fulfil(value);
      session.running.set(id, { idempotent, cancel: () => context.abort() });
      Promise.resolve(value).then(fulfil, fail);
    } catch (error) {
      fail(error);
    }
  }

  async function stream(
    session: Session,
    id: number,
    type: unknown,
    input: unknown,
    credit: number,
  ): Promise<void> {
    const context = new Context(session);
    const { port } = session;
    let left = credit;
    let wake = () => {};
    let iterator: AsyncIterator<unknown> | undefined;
    session.running.set(id, {
      idempotent: false,
      cancel() {
        context.abort();
        wake();
        iterator?.return?.().catch(() => {});
      },
      pull(credit) {
        left += credit;
        wake();
      },
    });
    try {
      const items = handlerOf(type)(input, context) as AsyncIterable<unknown>;
      if (!isObject(items) || !(Symbol.asyncIterator in items)) {
        throw new TypeError(
          `Cannot stream ${
            JSON.stringify(type)
          }: its handler returned no AsyncIterable`,
        );
      }
      iterator = items[Symbol.asyncIterator]();
      while (!context.aborted) {
        if (left > 0) {
          const { done, value } = await iterator.next();
          if (done || context.aborted) break;
          left--;
          port.postMessage(["value", id, value], context.takeTransfer() ?? []);
        } else {
          // Not every page that goes can say so.
          const timer = setInterval(() => void prune([...sessions]), LOOK);
          await new Promise<void>((resolve) => wake = resolve);
          clearInterval(timer);
        }
      }
      if (!context.aborted) port.postMessage(["end", id]);
    } catch (error) {
      if (!context.aborted) reply(session, id, error, true);
      await iterator?.return?.().catch(() => {});
    } finally {
      session.running.delete(id);
    }
  }

  function handlerOf(type: unknown): Handler {
    const handler = known.get(type);
    if (handler) return handler;
    throw new DOMException(
      `Cannot call ${JSON.stringify(type)}: the worker has no handler for it`,
      "NoHandlerError",
    );
  }

  return Object.assign(listener, {
    async post(type: string, data: unknown): Promise<void> {
      const connected = new Set<string | undefined>();
      for (const session of sessions.values()) {
        session.port.postMessage(["event", type, data]);
        connected.add(session.client?.id);
      }
      // Pages that connected to an earlier life of this worker connect to this
      // one when its first event reaches them.
      invited ??= {
        until: performance.now() + INVITE,
        all: clients.matchAll(EVERYBODY),
      };
      if (performance.now() > invited.until) return;
      for (const client of await invited.all) {
        if (connected.has(client.id)) continue;
        client.postMessage({ [KEY]: { event: [type, data] } });
      }
    },
  });
}

/** What a handler is given: cheap to make, as most handlers use none of it. */
class Context implements AcceptContext<Record<string, unknown>> {
  readonly #session: Session;
  #controller: AbortController | undefined;
  #transfer: Transferable[] | undefined;
  aborted = false;

  constructor(session: Session) {
    this.#session = session;
  }

  get client(): AcceptClient | null {
    return this.#session.client;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.aborted) this.#controller.abort();
    return this.#controller.signal;
  }

  get transfer(): Transferable[] {
    return this.#transfer ??= [];
  }

  /** A function of its own, which a handler may take out of the context. */
  get post(): (type: string, data: unknown) => void {
    return (type, data) =>
      this.#session.port.postMessage(["event", type, data]);
  }

  abort(): void {
    this.aborted = true;
    this.#controller?.abort();
  }

  /** The objects to move with what is posted now. */
  takeTransfer(): Transferable[] | undefined {
    const transfer = this.#transfer;
    this.#transfer = undefined;
    return transfer;
  }
}

/** Posts how a call ended, or that what it ended with cannot be cloned. */
function reply(
  session: Session,
  id: number,
  value: unknown,
  failed: boolean,
  transfer?: Transferable[],
): void {
  const { port } = session;
  try {
    const message = failed
      ? ["error", id, toSent(value)]
      : ["value", id, value];
    if (transfer) port.postMessage(message, transfer);
    else port.postMessage(message);
  } catch (refusal) {
    // Of an error, it is its cause or a property; strings always can.
    const error = failed && value instanceof Error ? value : refusal as Error;
    const { name, message, stack } = error;
    const dom = error instanceof DOMException;
    port.postMessage(["error", id, { [KEY]: { name, message, stack, dom } }]);
  }
}

/** Ends what nobody waits for any more. An idempotent call may be asked again. */
function leave(session: Session, forGood = false): void {
  session.port.close();
  for (const running of session.running.values()) {
    if (forGood || !running.idempotent) running.cancel();
  }
  for (const release of session.holds) release();
}

/** Resolves when the page has nothing pending, or did not say so for long. */
function hold({ holds }: Session): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(release, HOLD);
    function release(): void {
      clearTimeout(timer);
      holds.delete(release);
      resolve();
    }
    holds.add(release);
  });
}

/** Holds a lock until the worker is stopped; resolves with its name. */
function holdLock(locks: AcceptLocks | undefined): Promise<string> {
  const name = `${KEY} ${crypto.randomUUID()}`;
  return new Promise((resolve) => {
    locks?.request(name, () => {
      resolve(name);
      return new Promise(() => {});
    }).catch(() => resolve(""));
    if (!locks) resolve("");
  });
}

function platformLocks(): AcceptLocks | undefined {
  return (globalThis as { navigator?: { locks?: AcceptLocks } })
    .navigator?.locks;
}

function moved(type: unknown): DOMException {
  return new DOMException(
    `Cannot answer ${JSON.stringify(type)} again: its reply was transferred`,
    "DataCloneError",
  );
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
type Fields = Readonly<
  Partial<Record<typeof KEY | "connect" | "keep" | "then", unknown>>
>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}
