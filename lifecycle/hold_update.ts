// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Keep an update from being applied, in all tabs, while this one has something to
 * lose: a comment half written, a recording, an upload. `applyUpdate` rejects
 * meanwhile, wherever it is called.
 *
 * The hold is a shared lock of the origin, so it ends with its tab, however that
 * ends. A tab that is frozen, and does not answer for five seconds, keeps no
 * other tab from moving on. Such a tab, and one that was overridden, still keeps
 * itself: `reloadOnUpdate` reloads it when it lets go, so that nothing is lost.
 *
 * Where a browser has no Web Locks, or refuses them, that is all there is: each
 * tab keeps itself, and the new worker answers it meanwhile.
 *
 * ```text
 * lock and channel  "@serviceworker/std/update <scope>"
 * asked             { "@serviceworker/std": { isUpdateHeld: true } }
 * answer            { "@serviceworker/std": { updateHeld: true } }
 * ```
 *
 * @module
 */

/** The part of `navigator.serviceWorker` that {@linkcode holdUpdate} uses. */
export interface HoldUpdateContainer {
  /** Resolves with the registration that the page belongs to. */
  readonly ready: Promise<{ readonly scope: string }>;
  /** Tells when the page is to reload. */
  addEventListener(
    type: string,
    listener: (event: Event) => void,
    options: AddEventListenerOptions,
  ): void;
  /** Tells that it can. */
  dispatchEvent(event: Event): boolean;
}

/** The part of `navigator.locks` that {@linkcode holdUpdate} uses. */
export interface HoldUpdateLocks {
  /** Runs a callback with a lock. */
  request(
    name: string,
    options: { mode: "shared"; signal: AbortSignal },
    callback: () => Promise<void>,
  ): Promise<unknown>;
}

/** Options for {@linkcode holdUpdate}. */
export interface HoldUpdateOptions {
  /** Ends the hold, as {@linkcode UpdateHold.release} does. */
  signal?: AbortSignal | undefined;
  /**
   * The locks of the origin.
   *
   * @default {navigator.locks}
   */
  locks?: HoldUpdateLocks | undefined;
}

/** What keeps an update from being applied, made by {@linkcode holdUpdate}. */
export interface UpdateHold {
  /** Lets go. If the worker was replaced meanwhile, `reloadOnUpdate` reloads the page now. */
  release(): void;
}

const KEY = "@serviceworker/std";
const RELOAD = "@serviceworker/std:reload";
const RELEASE = "@serviceworker/std:release";

/**
 * Holds the update until it is released, or the tab is closed. Any tab may hold
 * it, any number of times; it is held until the last of them lets go.
 *
 * It takes effect in this tab at once, and in others as soon as the browser has
 * granted the lock. An update that was being applied by then is not stopped.
 *
 * While it holds, some browsers do not keep the page in the back/forward cache.
 *
 * @param container `navigator.serviceWorker`; there is nothing to hold where that is
 * missing, as on insecure origins.
 * @param options Additional options.
 * @returns An object to let go with.
 *
 * @see https://w3c.github.io/web-locks/
 *
 * @example Holding an update while there is something to save
 * ```ts
 * import { holdUpdate } from "@serviceworker/std/lifecycle/hold-update";
 * import { applyUpdate } from "@serviceworker/std/lifecycle/apply-update";
 * import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assert, assertRejects } from "@std/assert";
 *
 * const host = createHost();
 * await host.register(() => {});
 * const page = await host.openWindow("/");
 * const { serviceWorker, locks } = page.navigator;
 * const registration = await host.register((self) => {
 *   self.addEventListener("message", skipWaiting(self));
 * });
 *
 * const hold = holdUpdate(serviceWorker, { locks });
 * await host.idle();
 * await assertRejects(
 *   () => applyUpdate(registration, { locks }),
 *   DOMException,
 *   "1 tab holds it",
 * );
 *
 * hold.release();
 * await host.idle();
 * assert(await applyUpdate(registration, { locks }));
 * host.close();
 * ```
 */
export function holdUpdate(
  container: HoldUpdateContainer | undefined,
  options: HoldUpdateOptions = {},
): UpdateHold {
  const { signal, locks = platformLocks() } = options;
  const over = new AbortController();
  const until = { signal: over.signal };
  const { promise: released, resolve } = Promise.withResolvers<void>();

  function release(): void {
    over.abort();
    resolve();
    container?.dispatchEvent(new Event(RELEASE));
  }

  async function holdForAll(
    { ready }: HoldUpdateContainer,
  ): Promise<void> {
    const { scope } = await ready;
    if (over.signal.aborted) return;
    const name = `${KEY}/update ${scope}`;
    // Before the lock: whoever sees that asks here.
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => {
      if (!data?.[KEY]?.isUpdateHeld) return;
      // A frozen page has no timers, though Chromium brings it its messages.
      setTimeout(() => {
        if (over.signal.aborted) return;
        channel.postMessage({ [KEY]: { updateHeld: true } });
      });
    };
    over.signal.addEventListener("abort", () => channel.close());
    await locks?.request(name, { mode: "shared", ...until }, () => released);
  }

  container?.addEventListener(RELOAD, (event) => event.preventDefault(), until);
  signal?.addEventListener("abort", release, until);
  if (signal?.aborted) release();
  // Released before it was granted; or refused, which leaves this tab's own hold.
  if (container) holdForAll(container).catch(() => {});
  return { release };
}

function platformLocks(): HoldUpdateLocks | undefined {
  return (globalThis as { navigator?: { locks?: HoldUpdateLocks } })
    .navigator?.locks;
}
