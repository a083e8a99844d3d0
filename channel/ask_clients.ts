// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Ask the clients of a service worker one question and collect their answers:
 * whether any page has unsaved work, which one plays, what each of them shows.
 *
 * @module
 */

/** The part of a `Client` that {@linkcode askClients} uses. */
export interface AskClientsClient {
  /** The client's identifier. */
  readonly id: string;
  /** Only of a `WindowClient`: whether it has the focus. */
  readonly focused?: boolean | undefined;
  /** Only of a `WindowClient`: whether its page can be seen. */
  readonly visibilityState?: string | undefined;
}

/**
 * The part of `self.clients` that {@linkcode askClients} uses.
 *
 * @typeParam C The type of the clients.
 */
export interface AskClientsTarget<C extends AskClientsClient> {
  /** Resolves with the clients, the most recently focused window first. */
  matchAll(options: {
    includeUncontrolled: boolean;
    type: "all" | "sharedworker" | "window" | "worker";
  }): Promise<readonly C[]>;
  /** Resolves with a client, or `undefined` once it is gone. */
  get(id: string): Promise<unknown>;
}

/**
 * Options for {@linkcode askClients}.
 *
 * @typeParam C The type of the clients.
 */
export interface AskClientsOptions<C> {
  /** Ends the wait; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Ends the wait for those that have not answered: their `error` is then the
   * signal's reason, and the answers of the others are kept. A frozen page may
   * not answer for hours.
   *
   * @default {AbortSignal.timeout(5_000)}
   */
  deadline?: AbortSignal | undefined;
  /** Whether to ask a client. Without it, all are asked. */
  filter?: ((client: C & AskClientsClient) => boolean) | undefined;
  /**
   * Whether to ask clients that this worker does not control as well: pages
   * loaded before it was activated, or by a hard reload.
   *
   * @default {false}
   */
  includeUncontrolled?: boolean | undefined;
  /**
   * The type of clients to ask.
   *
   * @default {"window"}
   */
  type?: "all" | "sharedworker" | "window" | "worker" | undefined;
}

/**
 * What came of asking one client: its answer, or why there is none.
 *
 * @typeParam C The type of the clients.
 * @typeParam T The type of the answers.
 */
export type AskClientsAnswer<C, T> =
  | { readonly client: C; readonly value: T }
  | { readonly client: C; readonly error: unknown };

/** How often to look whether a client that has not answered is still there. */
const LOOK_EVERY = 250;

/**
 * Asks all clients at once and resolves when each has answered, failed, gone
 * away or been waited for long enough. That one client fails is no reason to
 * reject. Where no answer is wanted, use `postToClients`.
 *
 * Hand the promise to `event.waitUntil()`.
 *
 * @typeParam C The type of the clients.
 * @typeParam T The type of the answers.
 * @param clients The worker's `self.clients`.
 * @param ask Asks one client, usually by
 * `(client, signal) => request(client, message, { signal })`. The signal aborts
 * when the answer is no longer waited for.
 * @param options Additional options.
 * @returns The answers, in the order of `clients.matchAll()`: focused windows
 * first. Tell them apart by `"value" in answer`. The `error` of a client that
 * was closed, or went to the back/forward cache, is a "DisconnectedError".
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 *
 * @example Asking whether any page has unsaved work
 * ```ts
 * import { askClients } from "@serviceworker/std/channel/ask-clients";
 * import { assert } from "@std/assert";
 *
 * // Stands for `self.clients`.
 * const pages = [{ id: "a", unsaved: false }, { id: "b", unsaved: true }];
 * const clients = {
 *   matchAll: () => Promise.resolve(pages),
 *   get: (id: string) => Promise.resolve(pages.find((page) => page.id === id)),
 * };
 *
 * // In a worker: (client, signal) => request(client, { type: "unsaved" }, { signal })
 * const answers = await askClients(
 *   clients,
 *   ({ unsaved }) => Promise.resolve(unsaved),
 *   { deadline: AbortSignal.timeout(1_000) },
 * );
 * // A page that does not answer may have unsaved work too.
 * assert(answers.some((answer) => "error" in answer || answer.value));
 * ```
 */
export async function askClients<C extends AskClientsClient, T>(
  clients: AskClientsTarget<C>,
  ask: (client: C, signal: AbortSignal) => Promise<T>,
  options: AskClientsOptions<C> = {},
): Promise<AskClientsAnswer<C, T>[]> {
  const {
    signal,
    deadline = AbortSignal.timeout(5_000),
    filter = () => true,
    includeUncontrolled = false,
    type = "window",
  } = options;
  signal?.throwIfAborted();
  const all = await clients.matchAll({ includeUncontrolled, type });
  const answers = await Promise.all(all.filter(filter).map(answerOf));
  signal?.throwIfAborted();
  return answers;

  async function answerOf(client: C): Promise<AskClientsAnswer<C, T>> {
    const gone = new AbortController();
    const ended = AbortSignal.any([gone.signal, deadline, signal ?? deadline]);
    const { promise: end, reject } = Promise.withResolvers<never>();
    ended.onabort = () => reject(ended.reason);
    // No event tells a worker that a client goes.
    const looking = setInterval(() => {
      clients.get(client.id).then((found) => {
        if (found === undefined) gone.abort(disconnected(client));
      }, (error) => gone.abort(error));
    }, LOOK_EVERY);
    try {
      ended.throwIfAborted();
      return { client, value: await Promise.race([ask(client, ended), end]) };
    } catch (error) {
      return { client, error };
    } finally {
      clearInterval(looking);
      ended.onabort = null;
    }
  }
}

function disconnected({ id }: AskClientsClient): DOMException {
  return new DOMException(
    `Cannot get an answer: client "${id}" is gone`,
    "DisconnectedError",
  );
}
