// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Attach data to a client, for the service worker to read: whether its user is
 * typing, what it shows, its size. A page sets it with `setClientData`; the
 * worker keeps it with `keepClientData` and reads it with `getClientData`, as
 * often as it likes and without asking the page.
 *
 * The data outlives the worker, since it is in a store, but not its client: once
 * that is gone, the next set or get removes what it left. It is kept under the
 * client's own identifier, whatever a message claims, and is out of reach of
 * other origins, as the store is. A page in the back/forward cache is no client
 * and may lose its data: set it on `pageshow`, which comes when the page is
 * loaded and when it is back.
 *
 * ```text
 * set    { "@serviceworker/std": { clientData: data } }, with a port
 * reply  { "@serviceworker/std": { error } }, a text, undefined if it is stored
 * store  "client-data/<client's identifier>": data
 * ```
 *
 * @module
 */

/** The part of a `ServiceWorker` that {@linkcode setClientData} uses. */
export interface ClientDataWorker {
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/** The part of `navigator.serviceWorker` that {@linkcode setClientData} uses. */
export interface ClientDataContainer {
  /** The worker that controls the page. */
  readonly controller: ClientDataWorker | null;
}

/** The part of a `message` event that {@linkcode keepClientData} uses. */
export interface ClientDataEvent {
  /** The message. */
  readonly data: unknown;
  /** The ports that came with it; the first is replied on. */
  readonly ports: readonly MessagePort[];
  /** Who sent it; only of a `Client` is there data to keep. */
  readonly source: object | null;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** The part of a `Client` that {@linkcode getClientData} uses. */
export interface ClientDataClient {
  /** The client's identifier. */
  readonly id: string;
}

/**
 * The part of `self.clients` that {@linkcode getClientData} uses.
 *
 * @typeParam C The type of the clients.
 */
export interface ClientDataClients<C extends ClientDataClient> {
  /** Resolves with the clients, the most recently focused window first. */
  matchAll(options: {
    includeUncontrolled: boolean;
    type: "all" | "sharedworker" | "window" | "worker";
  }): Promise<readonly C[]>;
}

/** Where the data is kept: any store that outlives the worker. */
export interface ClientDataStore {
  /** Stores a value under a key. */
  set(key: string, value: unknown): Promise<void>;
  /** Removes a key. */
  delete(key: string): Promise<void>;
  /** Resolves with all keys that begin with the prefix, and their values. */
  list(options: { prefix: string }): Promise<[key: string, value: unknown][]>;
}

/** Options for {@linkcode setClientData}. */
export interface SetClientDataOptions {
  /**
   * Ends the wait; the promise then rejects with the signal's reason, though the
   * data may still be stored. It replaces the default deadline of 30 seconds,
   * after which the promise rejects with a "TimeoutError".
   */
  signal?: AbortSignal | undefined;
}

/** Options for {@linkcode getClientData}. */
export interface GetClientDataOptions {
  /**
   * Whether to include clients that this worker does not control: pages loaded
   * before it was activated, or by a hard reload.
   *
   * @default {false}
   */
  includeUncontrolled?: boolean | undefined;
  /**
   * The type of clients.
   *
   * @default {"window"}
   */
  type?: "all" | "sharedworker" | "window" | "worker" | undefined;
}

const KEY = "@serviceworker/std";
const PREFIX = "client-data/";
const DEADLINE = 30_000;

/**
 * Sets the data of this client, and resolves once the worker has stored it. What
 * was set before is replaced; `undefined` removes it. Of several sets at once,
 * the one that was posted last wins.
 *
 * @param target The worker, or `navigator.serviceWorker` for the one that
 * controls this page.
 * @param data The data: any value that can be cloned and stored.
 * @param options Additional options.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {DOMException} Named "NotSupportedError" if `target` is undefined, as
 * `navigator.serviceWorker` is on insecure origins; "NoWorkerError" if it is
 * null or has no controller; "DataCloneError" if the data cannot be cloned;
 * "NotSavedError" if the worker's store failed; "TimeoutError" if no reply came
 * in 30 seconds, as from a worker that does not use {@linkcode keepClientData}.
 *
 * @example Setting it when the page is loaded, and when it is back
 * ```ts
 * import { setClientData } from "@serviceworker/std/channel/client-data";
 * import { assertRejects } from "@std/assert";
 *
 * addEventListener("pageshow", async () => {
 *   await setClientData(navigator.serviceWorker, { typing: false });
 * });
 *
 * await assertRejects(() => setClientData(null, {}), DOMException, "no worker");
 * ```
 */
export async function setClientData(
  target: ClientDataWorker | ClientDataContainer | null | undefined,
  data: unknown,
  options: SetClientDataOptions = {},
): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (target === undefined) {
    throw failure("NotSupportedError", "there are no service workers here");
  }
  const worker = target && "controller" in target ? target.controller : target;
  if (worker === null) throw failure("NoWorkerError", "there is no worker");

  const { port1, port2 } = new MessageChannel();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  const timer = signal ? undefined : setTimeout(() => {
    reject(
      failure("TimeoutError", `no reply came in ${DEADLINE / 1_000} seconds`),
    );
  }, DEADLINE);
  port1.onmessage = ({ data }) => {
    const reply = markOf(data);
    if (reply === undefined) return;
    if (reply.error === undefined) resolve();
    else reject(failure("NotSavedError", `not saved, ${reply.error}`));
  };
  try {
    worker.postMessage({ [KEY]: { clientData: data } }, [port2]);
    await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
    clearTimeout(timer);
    port1.close();
    port2.close();
  }
}

/**
 * Makes the `message` listener that keeps what clients set, inside
 * `event.waitUntil()`, and removes what clients left that are gone. It leaves
 * all other messages alone.
 *
 * Add it at top level, during the first evaluation of the worker's script. What
 * it keeps is as untrusted as any message: every page of the origin can set any
 * data for itself.
 *
 * @param clients The worker's `self.clients`.
 * @param store Where to keep the data.
 * @returns The listener.
 *
 * @example Keeping data in a worker
 * ```ts
 * import { keepClientData } from "@serviceworker/std/channel/client-data";
 * import { assertEquals } from "@std/assert";
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * const stored = new Map<string, unknown>(); // Stands for a durable store.
 * const store = {
 *   set: async (key: string, value: unknown) => void stored.set(key, value),
 *   delete: async (key: string) => void stored.delete(key),
 *   list: async () => [...stored],
 * };
 *
 * sw.addEventListener("message", keepClientData(sw.clients, store));
 * assertEquals(stored.size, 0);
 * ```
 */
export function keepClientData(
  clients: ClientDataClients<ClientDataClient>,
  store: ClientDataStore,
): (event: ClientDataEvent) => void {
  let last: Promise<void> = Promise.resolve();

  async function keep(event: ClientDataEvent, data: unknown): Promise<void> {
    const { source, ports: [port] } = event;
    let error: string | undefined;
    try {
      if (source === null || !("id" in source)) {
        throw new TypeError("Cannot keep client data: the sender is no client");
      }
      const key = PREFIX + source.id;
      await (data === undefined ? store.delete(key) : store.set(key, data));
    } catch (cause) {
      error = String(cause);
    }
    port?.postMessage({ [KEY]: { error } });
    port?.close();
    await prune(clients, store);
  }

  return (event) => {
    const mark = markOf(event.data);
    if (mark === undefined || !("clientData" in mark)) return;
    // One after the other, lest an earlier set is stored after a later one.
    const kept = last.then(() => keep(event, mark.clientData));
    last = kept.catch(() => {});
    event.waitUntil(kept);
  };
}

/**
 * Reads the data of the clients, and removes what clients left that are gone.
 *
 * @typeParam C The type of the clients.
 * @param clients The worker's `self.clients`.
 * @param store Where {@linkcode keepClientData} keeps the data.
 * @param options Additional options.
 * @returns Each client, in the order of `clients.matchAll()`, with its data:
 * `undefined` if it has set none, else what some script of the origin set.
 *
 * @example Asking which window to focus
 * ```ts
 * import { getClientData } from "@serviceworker/std/channel/client-data";
 * import { assertEquals } from "@std/assert";
 *
 * // Stand for `self.clients` and a durable store.
 * const clients = { matchAll: async () => [{ id: "a" }, { id: "b" }] };
 * const store = {
 *   set: async () => {},
 *   delete: async () => {},
 *   list: async (): Promise<[string, unknown][]> => [
 *     ["client-data/b", { playing: "7" }],
 *   ],
 * };
 *
 * const all = await getClientData(clients, store);
 * const player = all.find(({ data }) =>
 *   (data as { playing?: unknown } | undefined)?.playing === "7"
 * );
 * assertEquals(player?.client.id, "b");
 * ```
 */
export async function getClientData<C extends ClientDataClient>(
  clients: ClientDataClients<C>,
  store: ClientDataStore,
  options: GetClientDataOptions = {},
): Promise<{ client: C; data: unknown }[]> {
  const { includeUncontrolled = false, type = "window" } = options;
  const kept = await prune(clients, store);
  const chosen = await clients.matchAll({ includeUncontrolled, type });
  return chosen.map((client) => ({
    client,
    data: kept.get(PREFIX + client.id),
  }));
}

/** Removes what clients left that are gone, and resolves with what is there. */
async function prune(
  clients: ClientDataClients<ClientDataClient>,
  store: ClientDataStore,
): Promise<Map<string, unknown>> {
  // Listed first: whoever comes later has nothing that could be removed.
  const kept = new Map(await store.list({ prefix: PREFIX }));
  const query = { includeUncontrolled: true, type: "all" } as const;
  const alive = new Set(
    (await clients.matchAll(query)).map(({ id }) => PREFIX + id),
  );
  for (const key of kept.keys()) {
    if (!alive.has(key)) await store.delete(key);
  }
  return kept;
}

/** What a message has under our key, if it has anything. */
function markOf(data: unknown): Fields | undefined {
  const mark = isObject(data) ? data[KEY] : undefined;
  return isObject(mark) ? mark : undefined;
}

/** The fields of what came from elsewhere. */
type Fields = Readonly<
  Partial<Record<typeof KEY | "clientData" | "error", unknown>>
>;

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === "object";
}

function failure(name: string, fact: string): DOMException {
  return new DOMException(`Cannot set the client data: ${fact}`, name);
}
