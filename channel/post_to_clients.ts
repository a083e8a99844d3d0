// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Post one message from a service worker to its clients: to every window that
 * it controls, or to those that a filter picks.
 *
 * A frozen page gets the message when it resumes; a page in the back/forward
 * cache is no client and never gets it.
 *
 * @module
 */

/** The part of a `Client` that {@linkcode postToClients} uses. */
export interface PostToClientsClient {
  /** Where the client is. */
  readonly url: string;
  /** Only of a `WindowClient`: whether it has the focus. */
  readonly focused?: boolean | undefined;
  /** Only of a `WindowClient`: whether its page can be seen. */
  readonly visibilityState?: string | undefined;
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/**
 * The part of `self.clients` that {@linkcode postToClients} uses.
 *
 * @typeParam C The type of the clients.
 */
export interface PostToClientsTarget<C extends PostToClientsClient> {
  /** Resolves with the clients, the most recently focused window first. */
  matchAll(options: {
    includeUncontrolled: boolean;
    type: "all" | "sharedworker" | "window" | "worker";
  }): Promise<readonly C[]>;
}

/**
 * Options for {@linkcode postToClients}.
 *
 * @typeParam C The type of the clients.
 */
export interface PostToClientsOptions<C> {
  /** Whether to post to a client. Without it, all get the message. */
  filter?: ((client: C & PostToClientsClient) => boolean) | undefined;
  /**
   * Whether to post to clients that this worker does not control as well: pages
   * loaded before it was activated, or by a hard reload.
   *
   * @default {false}
   */
  includeUncontrolled?: boolean | undefined;
  /**
   * The type of clients to post to.
   *
   * @default {"window"}
   */
  type?: "all" | "sharedworker" | "window" | "worker" | undefined;
  /**
   * Objects to move, rather than copy, with the message. They can be moved once,
   * hence to one client only. They stay here if there is none.
   *
   * @default {[]}
   */
  transfer?: Transferable[] | undefined;
}

/**
 * Posts `message` to the clients, in the order of `clients.matchAll()`: focused
 * windows first, the most recently focused before others, then windows that
 * never had focus and workers, the oldest first. The one client that sent a
 * message is answered with `event.source.postMessage()` instead; what all tabs
 * should hear, whether a worker controls them or not, is a case for
 * `broadcast`.
 *
 * Hand the promise to `event.waitUntil()`.
 *
 * @typeParam C The type of the clients.
 * @param clients The worker's `self.clients`.
 * @param message The message: any value that can be cloned.
 * @param options Additional options.
 * @returns The clients that it was posted to.
 * @throws {TypeError} If there are objects to transfer and several clients to
 * transfer them to; then nothing was posted.
 * @throws {DOMException & { name: "DataCloneError" }} If the message cannot be
 * cloned; then nothing was posted.
 *
 * @example Telling every page that an episode is there
 * ```ts
 * import { postToClients } from "@serviceworker/std/channel/post-to-clients";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for `self.clients`.
 * const page = new MessageChannel();
 * const client = {
 *   url: "https://example.com/",
 *   postMessage: page.port1.postMessage.bind(page.port1),
 * };
 * const clients = { matchAll: () => Promise.resolve([client]) };
 *
 * const told = await postToClients(clients, { type: "downloaded", id: "7" });
 * assertEquals(told.length, 1);
 *
 * page.port1.close();
 * page.port2.close();
 * ```
 */
export async function postToClients<C extends PostToClientsClient>(
  clients: PostToClientsTarget<C>,
  message: unknown,
  options: PostToClientsOptions<C> = {},
): Promise<C[]> {
  const {
    filter = () => true,
    includeUncontrolled = false,
    type = "window",
    transfer = [],
  } = options;
  const all = await clients.matchAll({ includeUncontrolled, type });
  const addressees = all.filter(filter);
  if (transfer.length > 0 && addressees.length > 1) {
    throw new TypeError(
      `Cannot transfer objects: they can move to one client, not to ${addressees.length}`,
    );
  }
  // What cannot be cloned for the first cannot be cloned for any.
  for (const client of addressees) client.postMessage(message, transfer);
  return addressees;
}
