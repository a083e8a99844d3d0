// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Find the `ServiceWorker` object of the worker that asks: its state, or which
 * of the registration's workers it is. That is `self.serviceWorker`, where the
 * browser has it; Firefox has not.
 *
 * @module
 */

/** The part of a `ServiceWorker` that {@linkcode ownWorker} uses. */
export interface OwnWorkerCandidate {
  /** The URL of its script. */
  readonly scriptURL: string;
  /** How far it is. */
  readonly state: string;
}

/**
 * The part of a worker's `self` that {@linkcode ownWorker} uses.
 *
 * @typeParam W The type of the workers.
 */
export interface OwnWorkerScope<W extends OwnWorkerCandidate> {
  /** The worker itself; missing in some browsers. */
  readonly serviceWorker?: W | undefined;
  /** Where the worker's script is from. */
  readonly location: { readonly href: string };
  /** The registration that the worker belongs to, or did. */
  readonly registration: {
    /** The worker that is being installed. */
    readonly installing: W | null;
    /** The worker that waits to be activated. */
    readonly waiting: W | null;
    /** The worker that is being activated, or is active. */
    readonly active: W | null;
  };
}

/** Options for {@linkcode ownWorker}. */
export interface OwnWorkerOptions {
  /**
   * The event that is being handled. Without it, the worker is known only where
   * the browser has `self.serviceWorker`.
   */
  event?: { readonly type: string } | undefined;
}

/**
 * What {@linkcode ownWorker} found.
 *
 * @typeParam W The type of the workers.
 */
export interface OwnWorker<W extends OwnWorkerCandidate> {
  /**
   * The worker. `undefined` if it cannot be told from others, or is none of the
   * registration's, as one that has been replaced.
   */
  readonly worker: W | undefined;
  /** Whether no other worker can be it. */
  readonly certain: boolean;
}

/**
 * Finds the worker that asks. The answer is certain where the browser has
 * `self.serviceWorker`.
 *
 * Elsewhere it is the worker of the registration that has the same script URL.
 * An update has that too, usually, so the event decides:
 *
 * - In `install` it is the installing worker, and in `activate` the active one.
 *   That is certain until what the event waits for has settled: no other worker
 *   takes those places before.
 * - Other events but `message` are for the active worker only. Not certain: a
 *   worker that was just replaced may still handle one, and then its successor
 *   is there.
 * - A `message` may be for any of them: it is the only one with that URL, if there
 *   is just one. Not certain, for the same reason.
 * - Without an event it is unknown. At top level, when the script is evaluated for
 *   the first time, the worker has no place in its registration yet.
 *
 * Ask when it is needed rather than once: a place in the registration is not
 * for ever. The object itself stays the same for as long as the worker runs.
 *
 * Spec: https://w3c.github.io/ServiceWorker/#service-worker-global-scope-serviceworker
 *
 * @typeParam W The type of the workers.
 * @param scope The worker's `self`.
 * @param options Additional options.
 * @returns The worker, and whether that is certain.
 *
 * @example Asking in an event
 * ```ts
 * import { ownWorker } from "@serviceworker/std/lifecycle/own-worker";
 * import { assertEquals } from "@std/assert";
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * sw.addEventListener("install", (event) => {
 *   const { worker } = ownWorker(sw, { event });
 *   worker?.addEventListener("statechange", () => {});
 * });
 *
 * // What it does in a browser without `self.serviceWorker`, during an update.
 * const scriptURL = "https://example.com/sw.js";
 * const installing = { scriptURL, state: "installing" };
 * const active = { scriptURL, state: "activated" };
 * const scope = {
 *   location: { href: scriptURL },
 *   registration: { installing, waiting: null, active },
 * };
 * assertEquals(ownWorker(scope, { event: new Event("install") }), {
 *   worker: installing,
 *   certain: true,
 * });
 * assertEquals(ownWorker(scope, { event: new Event("message") }), {
 *   worker: undefined,
 *   certain: false,
 * });
 * ```
 */
export function ownWorker<W extends OwnWorkerCandidate>(
  scope: OwnWorkerScope<W>,
  options: OwnWorkerOptions = {},
): OwnWorker<W> {
  const { event } = options;
  const { serviceWorker, location, registration } = scope;
  if (serviceWorker) return { worker: serviceWorker, certain: true };

  const { installing, waiting, active } = registration;
  const type = event?.type;
  let places = [active];
  if (type === undefined) places = [];
  if (type === "install") places = [installing];
  if (type === "message") places = [installing, waiting, active];
  const found = places.filter((one) => one?.scriptURL === location.href);
  const worker = found.length === 1 ? found[0] ?? undefined : undefined;
  const certain = type === "install" && worker?.state === "installing" ||
    type === "activate" && worker?.state === "activating";
  return { worker, certain };
}
