// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * One page produces a value that is expensive to get, a position, a socket, a
 * clock, and all pages and workers of the origin follow it.
 *
 * Who produces is decided by a Web Lock: the first page to follow the source
 * produces it, the others wait for the lock and receive the values through a
 * `BroadcastChannel`. When the producer's page is closed, frozen or put into the
 * back/forward cache, the next page goes on within a second; if a page dies
 * without a word, as one that hangs does, it is replaced after four to six
 * seconds without an answer. A page that comes back follows again.
 *
 * The values are a state, not a log: a consumer that is busy finds the latest
 * value only. Who follows late gets the last value at once.
 *
 * A hidden page goes on producing. Sensors sleep there: for such a source, abort
 * the signal when the page is hidden, and follow again when it is visible. In
 * Firefox, a page that holds or awaits a lock is not put into the back/forward
 * cache; other browsers put it there, as it gives up the lock on `pagehide`.
 *
 * @module
 */

/** The part of `navigator.locks` that {@linkcode sharedSource} uses. */
export interface SharedSourceLocks {
  /** Holds a lock until the callback's promise settles. */
  request(
    name: string,
    options: { signal: AbortSignal } | { steal: true },
    callback: () => Promise<void>,
  ): Promise<unknown>;
}

/** The part of a `Window` that {@linkcode sharedSource} uses. */
export interface SharedSourcePage {
  /** Tells when the page goes to sleep and when it is back. */
  addEventListener(
    type: "freeze" | "pagehide" | "pageshow" | "resume",
    listener: () => void,
    options: { capture: true; signal: AbortSignal },
  ): void;
}

/** Options for {@linkcode sharedSource}. */
export interface SharedSourceOptions {
  /**
   * Ends all iterators, which then reject with the signal's reason. Without one,
   * an iterator ends by `break`, or when the source ends; until then it waits
   * for the next value without a deadline.
   */
  signal?: AbortSignal | undefined;
  /**
   * Decides who produces.
   *
   * @default {navigator.locks}
   */
  locks?: SharedSourceLocks | undefined;
  /**
   * The page that may go to sleep.
   *
   * @default {globalThis}
   */
  page?: SharedSourcePage | undefined;
}

/** An error, or whatever was thrown, with what structured cloning would lose. */
interface Thrown {
  error: unknown;
  name?: string;
  stack?: string | undefined;
  cause?: Thrown;
}

interface Value<T> {
  type: "value";
  id: string;
  value: T;
}

type Message<T> =
  | Value<T>
  | { type: "ask" | "alive" }
  | { type: "end"; thrown?: Thrown };

/** How often a page looks whether the producer still answers. */
const LOOK_EVERY = 2_000;
/** How much later than the end the lock is released, so that the end is known. */
const LINGER = 50;

/**
 * Follows the source of the given name. Nothing happens before the iteration
 * starts; each `for await` follows the source by itself and is a candidate to
 * produce it, until the loop is left.
 *
 * When the iterable of the producer ends, or throws, the iterators of all
 * followers end, or throw that error; whoever follows then, starts it anew.
 *
 * @typeParam T The type of the values, which are cloned from page to page.
 * @param name The name of the source, the same in all pages.
 * @param produce Starts to produce. It must end when its signal is aborted:
 * another page produces then. Without it this page or worker only follows: a
 * worker should, as it is stopped when it is idle.
 * @param options Additional options.
 * @returns The values, from the last one on.
 *
 * @example Sharing a position among tabs
 * ```ts
 * import { sharedSource } from "@serviceworker/std/channel/shared-source";
 * import { assertEquals } from "@std/assert";
 *
 * async function* watch(signal: AbortSignal) {
 *   yield { latitude: 52.52, longitude: 13.4 };
 *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
 * }
 *
 * // In every page; in a worker, without `watch`.
 * for await (const { latitude } of sharedSource("position", watch)) {
 *   assertEquals(latitude, 52.52);
 *   break;
 * }
 * ```
 */
export function sharedSource<T>(
  name: string,
  produce?: (signal: AbortSignal) => AsyncIterable<T>,
  options: SharedSourceOptions = {},
): AsyncIterable<T> {
  const {
    signal,
    locks = platform().navigator?.locks,
    page = platform(),
  } = options;
  const key = `@serviceworker/std/shared-source/${name}`;
  return { [Symbol.asyncIterator]: follow };

  function follow(): AsyncIterator<T> {
    const over = new AbortController();
    let latest: Value<T> | undefined;
    let isRead = true;
    let isWanted = false;
    let close: (() => void) | undefined;
    let controller: ReadableStreamDefaultController<T>;

    // As long as the page is awake:
    let awake: AbortController | undefined;
    let channel: BroadcastChannel;
    let isProducer = false;
    let silence = 0;

    function start(it: ReadableStreamDefaultController<T>): void {
      controller = it;
      if (signal?.aborted) return it.error(signal.reason);
      signal?.addEventListener("abort", () => {
        stop();
        it.error(signal.reason);
      }, { signal: over.signal });
      const until = { capture: true, signal: over.signal } as const;
      page.addEventListener("freeze", leave, until);
      page.addEventListener("pagehide", leave, until);
      page.addEventListener("resume", () => join(), until);
      page.addEventListener("pageshow", () => join(), until);
      join();
    }

    function stop(): void {
      leave();
      over.abort();
    }

    /** Ends the iterator once it has given the last value. */
    function end(thrown?: { error: unknown }): void {
      stop();
      close = () =>
        thrown ? controller.error(thrown.error) : controller.close();
      give();
    }

    function give(): void {
      if (!isWanted) return;
      if (latest && !isRead) {
        isRead = true;
        isWanted = false;
        controller.enqueue(latest.value);
      } else close?.();
    }

    function take(message: Value<T>): void {
      if (message.id === latest?.id) return;
      latest = message;
      isRead = false;
      give();
    }

    function join(steal = false): void {
      if (awake) return;
      awake = new AbortController();
      silence = 0;
      channel = new BroadcastChannel(key);
      channel.onmessage = ({ data }) => receive(data);
      // Chromium has a message `null` instead.
      channel.onmessageerror = () => receive(null);
      channel.postMessage({ type: "ask" });
      if (produce) compete(produce, awake.signal, steal);
    }

    function leave(): void {
      awake?.abort();
      awake = undefined;
      isProducer = false;
      channel?.close();
    }

    function receive(message: Message<T> | null): void {
      if (message === null) {
        const fact = "a value does not deserialize in this context";
        return end({ error: failure(fact, "DataCloneError") });
      }
      if (message.type === "ask") {
        if (isProducer) channel.postMessage(latest ?? { type: "alive" });
        return;
      }
      silence = 0;
      if (message.type === "value") take(message);
      if (message.type === "end") {
        end(message.thrown && { error: toError(message.thrown) });
      }
    }

    /** Waits for the turn of this page, then produces until it leaves. */
    async function compete(
      start: NonNullable<typeof produce>,
      signal: AbortSignal,
      steal: boolean,
    ): Promise<void> {
      const looking = setInterval(look, LOOK_EVERY);
      signal.addEventListener("abort", () => clearInterval(looking));
      try {
        if (!locks) throw failure("Web Locks are missing", "NotSupportedError");
        await locks.request(key, steal ? { steal } : { signal }, () => {
          if (signal.aborted) return Promise.resolve();
          clearInterval(looking);
          isProducer = true;
          channel.postMessage(latest ?? { type: "alive" });
          run(start, signal);
          return new Promise((resolve) => {
            signal.addEventListener("abort", () => resolve());
          });
        });
      } catch (error) {
        if (signal.aborted) return;
        if (!isProducer) return end({ error });
        // It did not answer for so long that another page took the lock.
        leave();
        join();
      }
    }

    function look(): void {
      silence++;
      if (silence === 2) channel.postMessage({ type: "ask" });
      if (silence < 3) return;
      leave();
      join(true);
    }

    async function run(
      start: NonNullable<typeof produce>,
      signal: AbortSignal,
    ): Promise<void> {
      let thrown: { error: unknown } | undefined;
      try {
        for await (const value of start(signal)) {
          if (signal.aborted) return;
          const id = crypto.randomUUID();
          const message = { type: "value", id, value } as const;
          channel.postMessage(message);
          take(message);
        }
      } catch (error) {
        thrown = { error };
      }
      if (signal.aborted) return;
      isProducer = false;
      channel.postMessage({
        type: "end",
        thrown: thrown && toThrown(thrown.error),
      });
      const timer = setTimeout(() => end(thrown), LINGER);
      signal.addEventListener("abort", () => clearTimeout(timer));
    }

    const reader = new ReadableStream<T>(
      {
        start,
        cancel: stop,
        pull() {
          isWanted = true;
          give();
        },
      },
      { highWaterMark: 0 },
    ).getReader();
    const done = () => ({ done: true as const, value: undefined });
    return {
      next: () => reader.read() as Promise<IteratorResult<T>>,
      return: () => reader.cancel().then(done, done),
    };
  }

  function failure(fact: string, errorName: string): DOMException {
    return new DOMException(`Cannot follow "${name}": ${fact}`, errorName);
  }
}

function toThrown(error: unknown): Thrown {
  try {
    return structuredClone(takeApart(error));
  } catch {
    // It cannot be cloned, or its causes go round in a circle.
    return { error: new Error(String(error)) };
  }
}

function takeApart(error: unknown): Thrown {
  if (!(error instanceof Error)) return { error };
  const { name, stack, cause } = error;
  const thrown = { error, name, stack };
  return cause === undefined ? thrown : { ...thrown, cause: takeApart(cause) };
}

function toError({ error, cause, ...fields }: Thrown): unknown {
  const own = cause ? { ...fields, cause: toError(cause) } : fields;
  for (const [key, value] of Object.entries(own)) {
    Object.defineProperty(error, key, {
      value,
      configurable: true,
      writable: true,
    });
  }
  return error;
}

interface Platform extends SharedSourcePage {
  navigator?: { locks?: SharedSourceLocks };
}

function platform(): Platform {
  return globalThis as unknown as Platform;
}
