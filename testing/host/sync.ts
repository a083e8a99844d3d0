// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Core } from "./core.ts";
import { PeriodicSyncEvent, SyncEvent } from "./events.ts";
import type { Realm } from "./realm.ts";
import type { Registration } from "./registration.ts";

/** When Chromium tries again, in milliseconds; after the last it gives up. */
const RETRY_DELAYS = [300_000, 900_000];

interface Sync {
  readonly registration: Registration;
  readonly tag: string;
  failures: number;
  firing: boolean;
  /** Whether it was registered again while it fired. */
  again: boolean;
  timer: number | undefined;
}

interface PeriodicSync {
  readonly registration: Registration;
  readonly tag: string;
  minInterval: number;
  timer: number | undefined;
}

/** One-off syncs: https://wicg.github.io/background-sync/spec/ */
export class Syncs {
  readonly #core: Core;
  readonly #syncs = new Set<Sync>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** `registration.sync` */
  managerOf(realm: Realm, registration: Registration): object {
    return {
      register: (tag: string) => this.#register(realm, registration, tag),
      getTags: () =>
        Promise.resolve(
          [...this.#syncs].filter((sync) => sync.registration === registration)
            .map(({ tag }) => tag),
        ),
    };
  }

  /** Fires what is due now that the network is there, or a worker. */
  resume(registration?: Registration): void {
    for (const sync of this.#syncs) {
      if (registration && sync.registration !== registration) continue;
      if (sync.timer === undefined) this.#tryFire(sync);
    }
  }

  /** Fires a sync now, registered or not; resolves with whether it succeeded. */
  async dispatch(tag: string, lastChance: boolean): Promise<boolean> {
    const sync = [...this.#syncs].find((sync) => sync.tag === tag);
    if (sync) return await this.#fire(sync, lastChance);
    const { status } = await this.#core.activeWorker(`sync "${tag}"`).fire(
      `sync "${tag}"`,
      () => new SyncEvent("sync", { tag, lastChance }),
    );
    return status === "fulfilled";
  }

  /** Fires none of a registration that is no more. */
  forget(registration: Registration): void {
    for (const sync of this.#syncs) {
      if (sync.registration !== registration) continue;
      this.#core.clock.clearTimeout(sync.timer);
      this.#syncs.delete(sync);
    }
  }

  #register(
    realm: Realm,
    registration: Registration,
    tag: string,
  ): Promise<void> {
    const refuse = (why: string, name: string) =>
      Promise.reject(
        new DOMException(`Cannot register sync "${tag}": ${why}`, name),
      );
    if (!registration.active) {
      return refuse("no worker is active", "InvalidStateError");
    }
    if (this.#core.permission("background-sync") === "denied") {
      return refuse("permission is denied", "NotAllowedError");
    }
    if (realm.core.windows.length === 0) {
      return refuse("the origin has no window open", "InvalidAccessError");
    }
    let sync = [...this.#syncs].find((sync) =>
      sync.registration === registration && sync.tag === tag
    );
    if (sync) {
      sync.again = sync.firing;
      sync.failures = 0;
      this.#core.clock.clearTimeout(sync.timer);
      sync.timer = undefined;
    } else {
      sync = {
        registration,
        tag,
        failures: 0,
        firing: false,
        again: false,
        timer: undefined,
      };
      this.#syncs.add(sync);
    }
    this.#core.task(() => this.#tryFire(sync));
    return Promise.resolve();
  }

  #tryFire(sync: Sync): void {
    if (sync.firing || this.#core.network.offline) return;
    if (!this.#syncs.has(sync) || !sync.registration.active) return;
    this.#fire(sync, sync.failures >= RETRY_DELAYS.length);
  }

  async #fire(sync: Sync, lastChance: boolean): Promise<boolean> {
    const { clock } = this.#core;
    const { registration, tag } = sync;
    clock.clearTimeout(sync.timer);
    sync.timer = undefined;
    sync.firing = true;
    const outcome = await registration.active?.fire(
      `sync "${tag}"`,
      () => new SyncEvent("sync", { tag, lastChance }),
    );
    sync.firing = false;
    const succeeded = outcome?.status === "fulfilled";
    const delay = RETRY_DELAYS[sync.failures];
    if (sync.again) {
      sync.again = false;
      this.#core.task(() => this.#tryFire(sync));
    } else if (succeeded || lastChance || delay === undefined) {
      this.#syncs.delete(sync);
    } else {
      sync.failures++;
      sync.timer = clock.schedule(() => {
        sync.timer = undefined;
        this.#tryFire(sync);
      }, delay);
    }
    return succeeded;
  }
}

/** Periodic syncs: https://wicg.github.io/periodic-background-sync/ */
export class PeriodicSyncs {
  readonly #core: Core;
  readonly #syncs = new Set<PeriodicSync>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** `registration.periodicSync` */
  managerOf(registration: Registration): object {
    const own = () =>
      [...this.#syncs].filter((sync) => sync.registration === registration);
    const find = (tag: string) => own().find((sync) => sync.tag === tag);
    return {
      register: (
        tag: string,
        { minInterval = 0 }: { minInterval?: number } = {},
      ) => {
        const refuse = (why: string, name: string) =>
          Promise.reject(
            new DOMException(
              `Cannot register periodic sync "${tag}": ${why}`,
              name,
            ),
          );
        if (!registration.active) {
          return refuse("no worker is active", "InvalidStateError");
        }
        const state = this.#core.permission("periodic-background-sync");
        if (state !== "granted") {
          return refuse(`permission is ${state}`, "NotAllowedError");
        }
        const sync = find(tag) ??
          { registration, tag, minInterval, timer: undefined };
        sync.minInterval = minInterval;
        this.#syncs.add(sync);
        this.#schedule(sync);
        return Promise.resolve();
      },
      unregister: (tag: string) => {
        const sync = find(tag);
        if (sync) this.#remove(sync);
        return Promise.resolve();
      },
      getTags: () => Promise.resolve(own().map(({ tag }) => tag)),
    };
  }

  /** Fires one now, registered or not; resolves with whether it succeeded. */
  async dispatch(tag: string): Promise<boolean> {
    const label = `periodicsync "${tag}"`;
    const sync = [...this.#syncs].find((sync) => sync.tag === tag);
    const worker = sync?.registration.active ?? this.#core.activeWorker(label);
    const { status } = await worker.fire(
      label,
      () => new PeriodicSyncEvent("periodicsync", { tag }),
    );
    return status === "fulfilled";
  }

  /** Fires none of a registration that is no more. */
  forget(registration: Registration): void {
    for (const sync of this.#syncs) {
      if (sync.registration === registration) this.#remove(sync);
    }
  }

  #schedule(sync: PeriodicSync): void {
    const { clock, network } = this.#core;
    clock.clearTimeout(sync.timer);
    sync.timer = clock.schedule(() => {
      if (!network.offline) this.dispatch(sync.tag);
      this.#schedule(sync);
    }, Math.max(sync.minInterval, 1));
  }

  #remove(sync: PeriodicSync): void {
    this.#core.clock.clearTimeout(sync.timer);
    this.#syncs.delete(sync);
  }
}
