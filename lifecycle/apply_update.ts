// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Move on to the worker that waits: what the button "Update now" does. The worker
 * listens with `skipWaiting`, or was built by Workbox; every page runs
 * `reloadOnUpdate`, and reloads once; a page with something to lose has it held
 * by `holdUpdate`.
 *
 * ```text
 * question  { type: "SKIP_WAITING", "@serviceworker/std": { skipWaiting: {} } }
 * answer    { "@serviceworker/std": { skippingWaiting: true } }, on the port
 * ```
 *
 * Whether the update is held is decided with an exclusive lock of the origin,
 * which a hold shares: no hold begins while the worker is being asked.
 *
 * @module
 */

/** The part of a `ServiceWorkerRegistration` that {@linkcode applyUpdate} uses. */
export interface ApplyUpdateRegistration {
  /** The URLs it is for begin with this. */
  readonly scope: string;
  /** The worker to move on to. */
  readonly waiting: ApplyUpdateWorker | null;
}

/** The part of a `ServiceWorker` that {@linkcode applyUpdate} uses. */
export interface ApplyUpdateWorker {
  /** How far it is. */
  readonly state: string;
  /** Posts a message and moves the given objects with it. */
  postMessage(message: unknown, transfer: Transferable[]): void;
  /** Tells when it gets further. */
  addEventListener(
    type: "statechange",
    listener: () => void,
    options: AddEventListenerOptions,
  ): void;
}

/** The part of `navigator.serviceWorker` that {@linkcode applyUpdate} uses. */
export interface ApplyUpdateContainer {
  /** The worker that controls the page. */
  readonly controller: object | null;
  /** Tells when another one does. */
  addEventListener(
    type: "controllerchange",
    listener: () => void,
    options: AddEventListenerOptions,
  ): void;
}

/** The part of `navigator.locks` that {@linkcode applyUpdate} uses. */
export interface ApplyUpdateLocks {
  /** Runs a callback with a lock, or with `null` if somebody else has it. */
  request(
    name: string,
    options: { ifAvailable: true },
    callback: (lock: object | null) => Promise<void>,
  ): Promise<unknown>;
  /** Who holds what. */
  query(): Promise<
    { readonly held?: readonly ApplyUpdateHold[] | undefined }
  >;
}

/** The part of a `LockInfo` that {@linkcode applyUpdate} uses. */
export interface ApplyUpdateHold {
  /** The name of the lock. */
  readonly name?: string | undefined;
  /** Who has it. */
  readonly clientId?: string | undefined;
  /** Whether others may have it too. */
  readonly mode?: string | undefined;
}

/** Options for {@linkcode applyUpdate}. */
export interface ApplyUpdateOptions {
  /**
   * Ends the wait; the worker may still take over. It replaces the default
   * deadline: 30 seconds or, if the worker has answered that it skips waiting,
   * six minutes, as browsers let the old one end what it does for up to five.
   */
  signal?: AbortSignal | undefined;
  /**
   * Whether to apply it although it is held. A tab that holds it gets the new
   * worker at once, and reloads when it lets go.
   *
   * @default {false}
   */
  override?: boolean | undefined;
  /**
   * The workers, as this page sees them.
   *
   * @default {navigator.serviceWorker}
   */
  container?: ApplyUpdateContainer | undefined;
  /**
   * The locks of the origin. Without any, or where the browser refuses them, no
   * hold is seen.
   *
   * @default {navigator.locks}
   */
  locks?: ApplyUpdateLocks | undefined;
}

const KEY = "@serviceworker/std";
const SECOND = 1_000;
/** For the worker to answer. */
const DEADLINE = 30;
/** For the old worker to end what it does. */
const PATIENCE = 360;
/** How long a tab that holds the update can be silent: it is frozen then. */
const SILENCE = 5;

interface Platform {
  readonly navigator?: {
    readonly serviceWorker?: ApplyUpdateContainer;
    readonly locks?: ApplyUpdateLocks;
  };
}

/**
 * Has the waiting worker take over, and resolves when it controls this page or,
 * if none of its registration does, when it is activated. It does not reload:
 * that is `reloadOnUpdate`'s, in this page as in all others. Several tabs may call
 * it at once: there is one change of workers.
 *
 * What the old worker is doing comes to its end first, as long as it does so within
 * `waitUntil()`. That goes for the body of a response which it passes on, too: where
 * only `respondWith()` has it, WebKit cuts it off.
 *
 * If it rejects, the worker still waits, or is gone; unless it was merely slow, in
 * which case it takes over later. It can be called again.
 *
 * @param registration The registration.
 * @param options Additional options.
 * @returns Whether there was a worker that waited, which is in charge now.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {DOMException} Named "HeldError" if a tab holds the update;
 * "DisconnectedError" if the worker became redundant, as when a newer one came or
 * the registration was removed; "TimeoutError" if the worker did not take over in
 * time, as one that does not listen; "InvalidStateError" if it cannot be asked.
 *
 * @see https://w3c.github.io/ServiceWorker/#activation-algorithm
 *
 * @example Updating when the user wants to
 * ```ts
 * import { applyUpdate } from "@serviceworker/std/lifecycle/apply-update";
 * import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assert, assertFalse } from "@std/assert";
 *
 * const host = createHost();
 * await host.register(() => {});
 * const page = await host.openWindow("/");
 * const registration = await host.register((self) => {
 *   self.addEventListener("message", skipWaiting(self));
 * });
 *
 * assert(await applyUpdate(registration));
 * assertFalse(await applyUpdate(registration)); // There is nothing left to do.
 * host.close();
 * ```
 */
export async function applyUpdate(
  registration: ApplyUpdateRegistration,
  options: ApplyUpdateOptions = {},
): Promise<boolean> {
  const platform = globalThis as Platform;
  const {
    signal,
    override = false,
    container = platform.navigator?.serviceWorker,
    locks = platform.navigator?.locks,
  } = options;
  signal?.throwIfAborted();
  const { scope, waiting: worker } = registration;
  if (!worker) return false;

  const name = `${KEY}/update ${scope}`;
  const over = new AbortController();
  const until = { signal: over.signal };
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function look(): void {
    if (worker?.state === "redundant") {
      reject(
        failure("the waiting worker became redundant", "DisconnectedError"),
      );
    } else if (
      worker?.state === "activated" || container?.controller === worker
    ) resolve(true);
  }

  function expireIn(seconds: number): void {
    clearTimeout(timer);
    if (signal || over.signal.aborted) return;
    timer = setTimeout(() => {
      const fact = `the worker did not take over within ${seconds} seconds`;
      reject(failure(fact, "TimeoutError"));
    }, seconds * SECOND);
  }

  function ask(): void {
    if (over.signal.aborted) return;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      if (data?.[KEY]?.skippingWaiting) expireIn(PATIENCE);
    };
    over.signal.addEventListener("abort", () => {
      port1.close();
      // It is still here if it could not be posted.
      port2.close();
    });
    worker?.postMessage(
      { type: "SKIP_WAITING", [KEY]: { skipWaiting: {} } },
      [port2],
    );
  }

  async function askUnlessHeld(locks: ApplyUpdateLocks): Promise<void> {
    let isRefused = true;
    await locks.request(name, { ifAvailable: true }, async (lock) => {
      isRefused = false;
      if (!lock) await refuseIfHeld(name, locks, over.signal);
      ask();
      // Nobody begins to hold what is under way.
      await promise.catch(() => {});
    }).catch((error) => {
      if (!isRefused) throw error;
      ask();
    });
  }

  expireIn(DEADLINE);
  worker.addEventListener("statechange", look, until);
  container?.addEventListener("controllerchange", look, until);
  signal?.addEventListener("abort", () => reject(signal.reason), until);
  look();
  try {
    if (override || !locks) ask();
    else askUnlessHeld(locks).catch(reject);
    return await promise;
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** Throws if a tab that is not frozen holds the update: others apply it too. */
async function refuseIfHeld(
  name: string,
  locks: ApplyUpdateLocks,
  signal: AbortSignal,
): Promise<void> {
  const { held = [] } = await locks.query();
  const holds = held.filter((lock) =>
    lock.name === name && lock.mode === "shared"
  );
  if (holds.length === 0 || !await isAnswered(name, signal)) return;
  const { size } = new Set(holds.map(({ clientId }) => clientId));
  const who = size === 1 ? "1 tab holds" : `${size} tabs hold`;
  throw failure(`${who} it`, "HeldError");
}

/** Whether one of those who hold the update says so. */
async function isAnswered(name: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => {
    if (data?.[KEY]?.updateHeld) resolve(true);
  };
  const silent = () => resolve(false);
  const timer = setTimeout(silent, SILENCE * SECOND);
  signal.addEventListener("abort", silent);
  channel.postMessage({ [KEY]: { isUpdateHeld: true } });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    channel.close();
  }
}

function failure(fact: string, name: string): DOMException {
  return new DOMException(`Cannot apply the update: ${fact}`, name);
}
