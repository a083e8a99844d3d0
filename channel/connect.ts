// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The page's half of a long-lived channel to its service worker; the worker's
 * half is `accept`, whose module doc tells how the two talk. Calls, streamed
 * replies and events share one `MessagePort`, which costs a small part of what
 * `ServiceWorker.postMessage()` does.
 *
 * Browsers stop a worker at will, and a port to a stopped worker is silent. The
 * channel notices the end of the worker by a Web Lock that dies with it, wakes
 * the worker when it is needed, connects anew, and asks again what is
 * idempotent. What is not fails with a "DisconnectedError", as it may have run.
 * A stream ends with that error, and is resumed by its reader, who knows what it
 * has seen. The same happens when the page goes to the back-forward cache and
 * comes back. When another worker takes control, calls under way end with the
 * old one and new ones go to the new one.
 *
 * @module
 */

/** The part of a `ServiceWorker` that {@linkcode connect} uses. */
export interface ConnectWorker {
  /** Where the worker is in its life. */
  readonly state: string;
  /** Posts a message and wakes the worker. */
  postMessage(message: unknown, transfer: Transferable[]): void;
  /** Tells when the worker becomes redundant. */
  addEventListener(
    type: "statechange",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** The part of `navigator.serviceWorker` that {@linkcode connect} uses. */
export interface ConnectContainer {
  /** The worker that controls the page. */
  readonly controller: ConnectWorker | null;
  /** Resolves once a worker is active. */
  readonly ready: Promise<{
    readonly active: ConnectWorker | null;
    readonly waiting: object | null;
  }>;
  /** Tells when another worker takes control, and what workers post. */
  addEventListener(
    type: "controllerchange" | "message",
    listener: (event: Event) => void,
    options: { signal: AbortSignal },
  ): void;
}

/** The part of `navigator.locks` that {@linkcode connect} uses. */
export interface ConnectLocks {
  /** Runs `callback` once the lock is granted, or at once without it. */
  request(
    name: string,
    options:
      | { mode: "shared"; signal: AbortSignal }
      | { mode: "shared"; ifAvailable: true },
    callback: (lock: object | null) => void,
  ): Promise<unknown>;
}

/** The part of a `Window` that {@linkcode connect} uses. */
export interface ConnectPage {
  /** Tells when the page goes and when it comes back. */
  addEventListener(
    type: "pagehide" | "pageshow",
    listener: (event: Event) => void,
    options: { signal: AbortSignal },
  ): void;
}

/** Options for {@linkcode connect}. */
export interface ConnectOptions {
  /** Closes the channel; what is pending rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Where the end of a worker is noticed. Without locks it takes up to twenty
   * seconds.
   *
   * @default {navigator.locks}
   */
  locks?: ConnectLocks | undefined;
  /**
   * The page that may be cached and come back.
   *
   * @default {globalThis}
   */
  page?: ConnectPage | undefined;
}

/** Options for {@linkcode Channel.call}. */
export interface ChannelCallOptions {
  /**
   * Ends the wait, and aborts the handler's own signal; the promise then rejects
   * with the signal's reason. It replaces the default deadline of 30 seconds,
   * after which the promise rejects with a "TimeoutError".
   */
  signal?: AbortSignal | undefined;
  /**
   * Objects to move, rather than copy, to the worker.
   *
   * @default {[]}
   */
  transfer?: Transferable[] | undefined;
  /**
   * Whether the call may be made again when the worker was stopped before it
   * replied. Within one life of the worker its handler runs once.
   *
   * @default {false}
   */
  idempotent?: boolean | undefined;
}

/** Options for {@linkcode Channel.stream}. */
export interface ChannelStreamOptions {
  /** Ends the stream, which then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Objects to move, rather than copy, to the worker.
   *
   * @default {[]}
   */
  transfer?: Transferable[] | undefined;
  /**
   * How many items may be on their way or wait for the reader. The handler is
   * not asked for more than that.
   *
   * @default {16}
   */
  buffer?: number | undefined;
}

/**
 * The names of the calls in a protocol: its methods, except its streams.
 *
 * @typeParam P The protocol.
 */
export type ChannelCall<P> =
  & {
    [K in keyof P]: unknown extends P[K] ? K
      : P[K] extends (input: never) => infer R
        ? [R] extends [AsyncIterable<unknown>] ? never : K
      : never;
  }[keyof P]
  & string;

/**
 * The names of the streams in a protocol: its methods that return an
 * `AsyncIterable`.
 *
 * @typeParam P The protocol.
 */
export type ChannelStream<P> =
  & {
    [K in keyof P]: unknown extends P[K] ? K
      : P[K] extends (input: never) => AsyncIterable<unknown> ? K
      : never;
  }[keyof P]
  & string;

/**
 * The names of the events in a protocol: its members that are no methods.
 *
 * @typeParam P The protocol.
 */
export type ChannelEvent<P> =
  & {
    [K in keyof P]: unknown extends P[K] ? K
      : P[K] extends (input: never) => unknown ? never
      : K;
  }[keyof P]
  & string;

/**
 * The arguments of a call or stream after its name: the input, if the protocol
 * has one, and options.
 *
 * @typeParam M The protocol's method.
 * @typeParam O The type of the options.
 */
export type ChannelArguments<M, O> = unknown extends M
  ? [input?: unknown, options?: O]
  : M extends (...inputs: infer A) => unknown
    ? A extends [] ? [input?: undefined, options?: O]
    : A extends [infer I] ? [input: I, options?: O]
    : [input?: A[0], options?: O]
  : never;

/**
 * The reply to a call.
 *
 * @typeParam M The protocol's method.
 */
export type ChannelReply<M> = unknown extends M ? unknown
  : M extends (input: never) => infer R ? Awaited<R>
  : never;

/**
 * The type of a stream's items.
 *
 * @typeParam M The protocol's method.
 */
export type ChannelItem<M> = unknown extends M ? unknown
  : M extends (input: never) => AsyncIterable<infer T> ? T
  : never;

/**
 * A channel to the page's service worker, made by {@linkcode connect}.
 *
 * @typeParam P The protocol.
 */
export interface Channel<P> {
  /**
   * Calls the worker and resolves with its reply.
   *
   * An error of the handler rejects the promise, with its class (where it is a
   * built-in one), name, message, stack, cause and own properties. Other errors
   * are a `DOMException` named "DisconnectedError" if the worker was stopped or
   * the page cached before the reply, and the call is not idempotent;
   * "TimeoutError"; "NoHandlerError"; "DataCloneError" if input or reply cannot
   * be cloned; "AbortError" if the channel is closed; "NotSupportedError" if
   * there are no service workers here. A call that is idempotent and transfers
   * objects is a `TypeError`.
   *
   * @typeParam K The call's name.
   * @param type The call's name.
   * @param rest The input, and options.
   * @returns The reply.
   */
  call<K extends ChannelCall<P>>(
    type: K,
    ...rest: ChannelArguments<P[K], ChannelCallOptions>
  ): Promise<ChannelReply<P[K]>>;
  /**
   * Calls the worker and gives the items of its reply as they come. Leaving the
   * loop cancels the handler. It throws as {@linkcode Channel.call} rejects. It
   * waits for the next item as long as the worker runs the handler.
   *
   * @typeParam K The stream's name.
   * @param type The stream's name.
   * @param rest The input, and options.
   * @returns The items.
   */
  stream<K extends ChannelStream<P>>(
    type: K,
    ...rest: ChannelArguments<P[K], ChannelStreamOptions>
  ): AsyncGenerator<ChannelItem<P[K]>, void, undefined>;
  /**
   * Posts an event to the worker, which is woken for it. There is no reply, and
   * no word of whether it arrived. Throws if the data cannot be cloned, or the
   * channel is closed.
   *
   * @typeParam K The event's name.
   * @param type The event's name.
   * @param data The event's data.
   */
  post<K extends ChannelEvent<P>>(type: K, data: P[K]): void;
  /**
   * Listens to an event that the worker posts.
   *
   * @typeParam K The event's name.
   * @param type The event's name.
   * @param listener Called with the event.
   * @param options As of any event target.
   */
  addEventListener<K extends ChannelEvent<P>>(
    type: K,
    listener: (event: MessageEvent<P[K]>) => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void;
  /** Closes the channel. What is pending rejects with an "AbortError". */
  close(): void;
}

/** A call, stream or event that the worker has not answered. */
interface Pending {
  readonly id: number;
  readonly message: unknown[];
  readonly transfer: Transferable[] | undefined;
  readonly signal: AbortSignal | undefined;
  readonly idempotent: boolean;
  /** The tick after which it is no longer waited for. */
  due: number;
  /** Where it was posted. */
  link: Link | undefined;
  receive(kind: "value" | "end" | "error", value: unknown): void;
}

/** One port to one life of a worker. */
interface Link {
  readonly port: MessagePort;
  readonly worker: ConnectWorker;
  /** Aborts when the link is over. */
  readonly ended: AbortController;
  /**
   * Whether the worker accepted it; and whether the worker, which was left alone
   * for a while, has yet to be looked after.
   */
  state: "opening" | "open" | "resting" | "waking";
  /** The lock that the worker holds as long as it lives, if it does. */
  lock: string;
  /** Ends the wait for the lock. */
  watch: AbortController | undefined;
  /** How many calls and streams were posted and have not ended. */
  load: number;
  /** Whether the worker stays alive for us. */
  held: boolean;
  /** The tick of connecting, then of last looking after what is under way. */
  tendedAt: number;
  /** The tick of a question on the port that the worker has not answered. */
  askedAt: number | undefined;
}

const KEY = "@serviceworker/std";
/** One timer for a whole channel: one for each call would cost a fifth of it. */
const TICK = 1_000;
/** In ticks. */
const DEADLINE = 30;
const OPENING = 3;
const HOLDING = 10;
const ANSWERING = 10;
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
 * Connects to the page's worker: its controller, or the active worker once there
 * is one. The channel lasts until it is closed, however often the worker is
 * stopped or replaced, and it does not keep an idle worker alive.
 *
 * @typeParam P The protocol: an interface whose methods are calls, whose methods
 * that return an `AsyncIterable` are streams, and whose other members are events.
 * @param container The page's `navigator.serviceWorker`. Where it is undefined,
 * as on insecure origins, every call rejects with a "NotSupportedError".
 * @param options Additional options.
 * @returns The channel.
 *
 * @example Resuming a stream from what was last seen
 * ```ts
 * import { connect } from "@serviceworker/std/channel/connect";
 * import { assertRejects } from "@std/assert";
 *
 * interface Podcast {
 *   version(): string;
 *   download(input: { id: string; from: number }): AsyncIterable<number>;
 * }
 *
 * const channel = connect<Podcast>(navigator.serviceWorker);
 *
 * async function download(id: string) {
 *   for (let from = 0;;) {
 *     try {
 *       for await (const loaded of channel.stream("download", { id, from })) {
 *         from = loaded;
 *       }
 *       return from;
 *     } catch (error) {
 *       if ((error as Error).name !== "DisconnectedError") throw error;
 *     }
 *   }
 * }
 *
 * // There are no service workers in Deno.
 * const there = "navigator.serviceWorker is undefined";
 * await assertRejects(() => channel.call("version"), DOMException, there);
 * await assertRejects(() => download("7"), DOMException, there);
 * ```
 */
export function connect<P = Record<string, unknown>>(
  container: ConnectContainer | undefined,
  options: ConnectOptions = {},
): Channel<P> {
  const { signal, locks = platformLocks(), page = globalThis } = options;
  const id = crypto.randomUUID();
  const closed = new AbortController();
  const events = new EventTarget();
  const pending = new Map<number, Pending>();
  const signals = new Map<AbortSignal, Set<Pending>>();
  /** Where what comes next is posted. Older links end with what they carry. */
  let link: Link | undefined;
  let opening = false;
  let cached = false;
  let stopped = false;
  let suspended = false;
  let lastID = 0;
  let ticks = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function open(): Promise<void> {
    if (link || opening || cached || !container || closed.signal.aborted) {
      return;
    }
    opening = true;
    if (stopped) await replaced(container);
    const worker = container.controller ?? (await ready(container))?.active;
    opening = false;
    if (!worker || worker.state === "redundant") return;
    if (cached || closed.signal.aborted) return;
    const { port1: port, port2 } = new MessageChannel();
    const ended = new AbortController();
    const next: Link = link = {
      port,
      worker,
      ended,
      state: "opening",
      lock: "",
      watch: undefined,
      load: 0,
      held: true,
      tendedAt: ticks,
      askedAt: undefined,
    };
    port.onmessage = ({ data }) => receive(next, data);
    port.onmessageerror = () => ask(next);
    worker.addEventListener("statechange", () => {
      if (worker.state === "redundant") retire(next);
    }, { signal: ended.signal });
    worker.postMessage({ [KEY]: { connect: id } }, [port2]);
    arm();
  }

  /**
   * Chromium stops a worker in order to replace it, and gives that up if a
   * message wakes it: where one waits, resolves once it is in control, or after
   * a while.
   */
  async function replaced(container: ConnectContainer): Promise<void> {
    stopped = false;
    if (!(await ready(container))?.waiting) return;
    const done = new AbortController();
    const { signal } = done;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TICK);
      signal.addEventListener("abort", () => clearTimeout(timer));
      closed.signal.addEventListener("abort", () => resolve(), { signal });
      container.addEventListener("controllerchange", () => resolve(), {
        signal,
      });
    });
    done.abort();
  }

  function receive(from: Link, message: unknown): void {
    if (!Array.isArray(message)) return;
    const kind = message[0];
    if (kind === "value" || kind === "end" || kind === "error") {
      pending.get(message[1])?.receive(kind, message[2]);
    } else if (kind === "event") {
      dispatch(message[1], message[2]);
    } else if (kind === "open") {
      from.lock = message[1];
      begin(from);
    } else if (kind === "unread") {
      ask(from);
    } else if (kind === "pong") {
      from.askedAt = undefined;
      for (const id of message[1]) {
        const entry = pending.get(id);
        if (entry?.link === from) {
          fail(entry, "it or its reply cannot be read", "DataCloneError");
        }
      }
    }
  }

  /** Posts what waits, and has the end of the worker end the link. */
  function begin(from: Link): void {
    if (from.ended.signal.aborted) return;
    from.state = "open";
    if (from.lock && locks) {
      const { signal } = from.watch = new AbortController();
      locks.request(from.lock, { mode: "shared", signal }, () => {
        stopped = true;
        end(from, "the worker was stopped");
      }).catch(() => {});
    }
    for (const entry of pending.values()) {
      if (entry.link === undefined) post(entry);
    }
  }

  /**
   * Lets an idle worker be stopped, without waiting for its end: a page that
   * waits for a lock does not go to the back-forward cache of Firefox.
   */
  function rest(from: Link): void {
    from.port.postMessage(["rest"]);
    from.held = false;
    from.state = "resting";
    from.watch?.abort();
  }

  /** Connects, unless the worker that was left to rest still lives. */
  function wake(): void {
    if (!link) return void open();
    if (link.state !== "resting") return;
    const from = link;
    if (!from.lock || !locks) return begin(from);
    from.state = "waking";
    locks.request(from.lock, { mode: "shared", ifAvailable: true }, (lock) => {
      if (!lock) return begin(from);
      stopped = true;
      end(from, "the worker was stopped");
      void open();
    }).catch(() => begin(from));
  }

  function start(entry: Pending): void {
    pending.set(entry.id, entry);
    const { signal } = entry;
    if (signal) {
      let entries = signals.get(signal);
      if (!entries) {
        signals.set(signal, entries = new Set());
        signal.addEventListener("abort", onabort, { once: true });
      }
      entries.add(entry);
    }
    if (link?.state === "open") post(entry);
    else wake();
    arm();
  }

  function onabort(event: Event): void {
    const signal = event.target as AbortSignal;
    for (const entry of signals.get(signal) ?? []) {
      entry.link?.port.postMessage(["cancel", entry.id]);
      entry.receive("error", signal.reason);
    }
  }

  function post(entry: Pending): void {
    if (!link) return;
    const { message, transfer } = entry;
    entry.link = link;
    link.load++;
    if (entry.idempotent) message[4] = pending.keys().next().value;
    // A stream may take any time: the worker says whether it still runs.
    if (message[0] === "stream") entry.due = Infinity;
    try {
      if (!link.held) keep(link);
      if (transfer) link.port.postMessage(message, transfer);
      else link.port.postMessage(message);
      if (message[0] === "event") finish(entry);
    } catch (error) {
      entry.receive("error", error);
    }
  }

  /** Forgets an entry that was answered, failed or given up. */
  function finish(entry: Pending): void {
    const { id, link: from, signal } = entry;
    if (!pending.delete(id)) return;
    if (signal) {
      const entries = signals.get(signal);
      entries?.delete(entry);
      if (entries?.size === 0) {
        signals.delete(signal);
        signal.removeEventListener("abort", onabort);
      }
    }
    if (from && --from.load === 0 && from !== link) leave(from);
  }

  function fail(
    entry: Pending,
    fact: string,
    name = "DisconnectedError",
  ): void {
    const [kind, , type] = entry.message;
    entry.receive(
      "error",
      new DOMException(`Cannot ${kind} ${JSON.stringify(type)}: ${fact}`, name),
    );
  }

  /** Sends what comes next elsewhere, and lets what is under way end. */
  function retire(from: Link): void {
    if (link !== from) return;
    link = undefined;
    if (from.load === 0) leave(from);
    void open();
  }

  function leave(from: Link): void {
    from.port.postMessage(["close"]);
    from.port.close();
    from.ended.abort();
    from.watch?.abort();
  }

  /** Fails what was posted on the link, or has it posted on the next one. */
  function end(from: Link, fact: string): void {
    if (from.ended.signal.aborted) return;
    from.ended.abort();
    from.watch?.abort();
    if (link === from) link = undefined;
    for (const entry of [...pending.values()]) {
      if (entry.link !== from) continue;
      entry.link = undefined;
      if (entry.idempotent) continue;
      from.port.postMessage(["cancel", entry.id]);
      fail(entry, `${fact} before it ended`);
    }
    from.port.close();
    if (pending.size > 0) void open();
  }

  /** Asks on the port which calls are running: answered in order with replies. */
  function ask(from: Link): void {
    const ids = [];
    for (const { id, link } of pending.values()) {
      if (link === from) ids.push(id);
    }
    from.askedAt ??= ticks;
    from.port.postMessage(["ping", ids]);
  }

  /** Wakes the worker, or has it stay alive. */
  function keep(from: Link): void {
    from.held = true;
    from.worker.postMessage({ [KEY]: { keep: id } }, []);
  }

  function arm(): void {
    if (timer !== undefined) return;
    const armed = performance.now();
    timer = setTimeout(() => {
      timer = undefined;
      tick(Math.round((performance.now() - armed) / TICK));
    }, TICK);
  }

  function tick(elapsed: number): void {
    ticks += Math.max(1, elapsed);
    // After a page was frozen, what arrived meanwhile is still queued behind us.
    suspended = elapsed > 2 && !suspended;
    if (!suspended) expire();
    const links = new Set([...pending.values()].map(({ link }) => link));
    for (const from of links.add(link)) if (from) tend(from);
    if (pending.size > 0 && !link) void open();
    if (pending.size > 0 || link?.state === "open" || link?.held) arm();
  }

  function expire(): void {
    for (const entry of [...pending.values()]) {
      if (ticks <= entry.due) continue;
      entry.link?.port.postMessage(["cancel", entry.id]);
      const fact = entry.link ? "there is no reply" : "no worker accepted it";
      fail(entry, `${fact} after ${DEADLINE} seconds`, "TimeoutError");
    }
  }

  function tend(from: Link): void {
    if (from.state === "opening") {
      if (ticks - from.tendedAt < OPENING || suspended) return;
      end(from, "the worker did not accept the channel");
    } else if (ticks - (from.askedAt ?? ticks) > ANSWERING && !suspended) {
      end(from, "the worker does not answer");
    } else if (from.load > 0 && ticks - from.tendedAt >= HOLDING) {
      from.tendedAt = ticks;
      keep(from);
      ask(from);
    } else if (from.load === 0) {
      if (from.state === "open") rest(from);
    } else if (from.held && !isCalling(from)) {
      // The worker has 30 seconds from its last event, which streams renew; to
      // hold an event all the time would keep an update from taking over.
      from.port.postMessage(["rest"]);
      from.held = false;
    }
  }

  function isCalling(from: Link): boolean {
    for (const { link, message } of pending.values()) {
      if (link === from && message[0] === "call") return true;
    }
    return false;
  }

  function dispatch(type: unknown, data: unknown): void {
    events.dispatchEvent(new MessageEvent(String(type), { data }));
  }

  function close(reason: unknown): void {
    if (closed.signal.aborted) return;
    closed.abort(reason);
    clearTimeout(timer);
    for (const entry of [...pending.values()]) entry.receive("error", reason);
    if (link) leave(link);
    link = undefined;
  }

  /** What must hold before anything is pending. */
  function check(type: string, signal?: AbortSignal): void {
    signal?.throwIfAborted();
    closed.signal.throwIfAborted();
    if (container) return;
    throw new DOMException(
      `Cannot post ${
        JSON.stringify(type)
      }: navigator.serviceWorker is undefined`,
      "NotSupportedError",
    );
  }

  function call(
    type: string,
    input?: unknown,
    { signal, transfer, idempotent = false }: ChannelCallOptions = {},
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      check(type, signal);
      if (idempotent && transfer?.length) {
        throw new TypeError(
          `Cannot repeat ${
            JSON.stringify(type)
          }: 'transfer' moves ${transfer.length} objects away the first time`,
        );
      }
      const entry: Pending = {
        id: ++lastID,
        message: ["call", lastID, type, input],
        transfer,
        signal,
        idempotent,
        due: signal ? Infinity : ticks + DEADLINE,
        link: undefined,
        receive(kind, value) {
          finish(entry);
          if (kind === "error") reject(toError(value));
          else resolve(value);
        },
      };
      start(entry);
    });
  }

  async function* stream(
    type: string,
    input?: unknown,
    { signal, transfer, buffer = 16 }: ChannelStreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    check(type, signal);
    if (!Number.isInteger(buffer) || buffer < 1) {
      throw new RangeError(
        `Cannot stream ${
          JSON.stringify(type)
        }: 'buffer' must be a positive integer, current value is ${buffer}`,
      );
    }
    const items: unknown[] = [];
    let read = 0;
    let last: { kind: "end" | "error"; value: unknown } | undefined;
    let wake = () => {};
    const entry: Pending = {
      id: ++lastID,
      message: ["stream", lastID, type, input, buffer],
      transfer,
      signal,
      idempotent: false,
      due: signal ? Infinity : ticks + DEADLINE,
      link: undefined,
      receive(kind, value) {
        if (kind === "value") {
          items.push(value);
        } else {
          last = { kind, value };
          finish(entry);
        }
        wake();
      },
    };
    start(entry);
    try {
      while (true) {
        signal?.throwIfAborted();
        if (items.length > 0) {
          yield items.shift();
          if (++read < buffer / 2) continue;
          entry.link?.port.postMessage(["pull", entry.id, read]);
          read = 0;
        } else if (last?.kind === "error") {
          throw toError(last.value);
        } else if (last) {
          return;
        } else {
          await new Promise<void>((resolve) => wake = resolve);
        }
      }
    } finally {
      if (!last) entry.link?.port.postMessage(["cancel", entry.id]);
      finish(entry);
    }
  }

  function postEvent(type: string, data: unknown): void {
    check(type);
    if (link?.state === "open") {
      link.port.postMessage(["event", type, data]);
      if (!link.held) keep(link);
      return arm();
    }
    const entry: Pending = {
      id: ++lastID,
      // What cannot be cloned throws now, not when there is a worker.
      message: structuredClone(["event", type, data]),
      transfer: undefined,
      signal: undefined,
      idempotent: false,
      due: ticks + DEADLINE,
      link: undefined,
      receive: () => finish(entry),
    };
    start(entry);
  }

  const until = { signal: closed.signal };
  container?.addEventListener("controllerchange", () => {
    if (link && link.worker !== container.controller) retire(link);
    else void open();
  }, until);
  // A worker that was started anew does not know our port; its events come here.
  container?.addEventListener("message", (event) => {
    const { data } = event as MessageEvent;
    const posted = data?.[KEY]?.event;
    if (!Array.isArray(posted)) return;
    dispatch(posted[0], posted[1]);
    wake();
  }, until);
  page.addEventListener("pagehide", (event) => {
    cached = true;
    const links = new Set([...pending.values()].map(({ link }) => link));
    for (const from of links.add(link)) {
      if (!from) continue;
      if (!(event as Event & { persisted?: boolean }).persisted) {
        from.port.postMessage(["close"]);
      }
      end(from, "the page was cached");
    }
  }, until);
  page.addEventListener("pageshow", () => {
    cached = false;
    void open();
  }, until);
  signal?.addEventListener("abort", () => close(signal.reason), until);
  if (signal?.aborted) close(signal.reason);
  void open();

  return {
    call,
    stream,
    post: postEvent,
    addEventListener: (type, listener, options) =>
      events.addEventListener(type, listener as EventListener, options),
    close: () =>
      close(
        new DOMException("Cannot go on: the channel is closed", "AbortError"),
      ),
  } as Channel<P>;
}

/** Rebuilds what `accept` took apart; anything else is passed on as it is. */
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

/** The fields of what came from elsewhere. */
type Fields = Readonly<
  Partial<
    Record<
      | typeof KEY
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

/** The registration, or nothing where the browser refuses to tell. */
function ready(container: ConnectContainer) {
  return container.ready.catch(() => undefined);
}

function platformLocks(): ConnectLocks | undefined {
  return (globalThis as { navigator?: { locks?: ConnectLocks } })
    .navigator?.locks;
}
