// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A `BroadcastChannel` with typed messages that can be read with `for await`.
 * Every page and worker of the origin that opened the same name receives what
 * one of them posts; the one that posts does not.
 *
 * In an iframe of another site the name is shared with that site's frames on
 * the same top-level site only, as all storage is. A page in the back/forward
 * cache is dropped from there when a message arrives, or misses it: close the
 * channel on `pagehide`, open it again on `pageshow`. A frozen page gets its
 * messages when it resumes.
 *
 * @module
 */

/** Options for {@linkcode broadcast}. */
export interface BroadcastOptions {
  /**
   * Closes the channel; its iterators then reject with the signal's reason.
   * Without one, close the channel with its `close()`.
   */
  signal?: AbortSignal | undefined;
  /**
   * How many messages an iterator keeps for a consumer that is busy. One more,
   * and the iterator rejects with a "QuotaExceededError".
   *
   * @default {1000}
   */
  buffer?: number | undefined;
}

/**
 * An open channel. Each `for await` over it reads every message posted from the
 * moment the loop starts until the channel is closed.
 *
 * @typeParam T The type of the messages.
 */
export interface Broadcast<T> extends AsyncIterable<T> {
  /** The name of the channel. */
  readonly name: string;
  /**
   * Posts to every other holder of the channel. Once the channel is closed it
   * drops the message and returns `false`. Throws a "DataCloneError" if the
   * message cannot be cloned.
   */
  post(message: T): boolean;
  /** Listens, without a buffer in between, as on a `BroadcastChannel`. */
  addEventListener(
    type: "message" | "messageerror",
    listener: (event: MessageEvent<T>) => void,
    options?: AddEventListenerOptions,
  ): void;
  /** Stops listening. */
  removeEventListener(
    type: "message" | "messageerror",
    listener: (event: MessageEvent<T>) => void,
  ): void;
  /** Closes the channel; its iterators end after what they have buffered. */
  close(): void;
}

/**
 * Opens the channel of the given name. Where one listener is all there is and
 * nothing needs types, `new BroadcastChannel(name)` does.
 *
 * An iterator that receives what cannot be deserialized here rejects with a
 * "DataCloneError"; a listener hears `messageerror`. Chromium gives both `null`
 * instead.
 *
 * @typeParam T The type of the messages. It is not checked at run time: what
 * arrives was posted by some script of the origin.
 * @param name The name of the channel.
 * @param options Additional options.
 * @returns The open channel, or a closed one if the signal is aborted already.
 *
 * @example Telling the other tabs what plays
 * ```ts
 * import { broadcast } from "@serviceworker/std/channel/broadcast";
 * import { assertEquals } from "@std/assert";
 *
 * interface Playing {
 *   episode: string;
 * }
 * const here = broadcast<Playing>("playing");
 * const elsewhere = broadcast<Playing>("playing"); // In another tab.
 *
 * queueMicrotask(() => here.post({ episode: "7" }));
 * for await (const { episode } of elsewhere) {
 *   assertEquals(episode, "7");
 *   break;
 * }
 *
 * here.close();
 * elsewhere.close();
 * ```
 */
export function broadcast<T>(
  name: string,
  options: BroadcastOptions = {},
): Broadcast<T> {
  const { signal, buffer = 1_000 } = options;
  const channel = new BroadcastChannel(name);
  const closed = new AbortController();

  function close(): void {
    channel.close();
    closed.abort();
  }

  if (signal?.aborted) close();
  signal?.addEventListener("abort", close, { signal: closed.signal });

  return {
    name,
    post(message) {
      if (closed.signal.aborted) return false;
      channel.postMessage(message);
      return true;
    },
    addEventListener: (type, listener, options) =>
      channel.addEventListener(type, listener, options),
    removeEventListener: (type, listener) =>
      channel.removeEventListener(type, listener),
    close,
    [Symbol.asyncIterator]: iterate,
  };

  function iterate(): AsyncIterator<T> {
    const over = new AbortController();
    const until = { signal: over.signal };

    function start(controller: ReadableStreamDefaultController<T>): void {
      function fail(fact: string, errorName: string): void {
        over.abort();
        controller.error(
          new DOMException(`Cannot read "${name}": ${fact}`, errorName),
        );
      }
      function end(): void {
        over.abort();
        if (signal?.aborted) controller.error(signal.reason);
        else controller.close();
      }
      if (closed.signal.aborted) return end();
      closed.signal.addEventListener("abort", end, until);
      channel.addEventListener("message", ({ data }) => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(data);
        else fail(`${buffer} messages wait unread`, "QuotaExceededError");
      }, until);
      channel.addEventListener("messageerror", () => {
        fail("a message does not deserialize here", "DataCloneError");
      }, until);
    }

    // A stream is the buffer; not every engine can iterate one by itself.
    const reader = new ReadableStream<T>(
      { start, cancel: () => over.abort() },
      { highWaterMark: buffer },
    ).getReader();
    const done = () => ({ done: true as const, value: undefined });
    return {
      next: () => reader.read() as Promise<IteratorResult<T>>,
      return: () => reader.cancel().then(done, done),
    };
  }
}
