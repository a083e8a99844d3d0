// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { MultiCacheQueryOptions } from "../cache_storage.ts";
import type { HostFeature } from "../host.ts";
import { Cache } from "./cache.ts";
import type { Core } from "./core.ts";
import type { Life } from "./life.ts";
import type { Realm } from "./realm.ts";
import type { Registration } from "./registration.ts";
import type { Container, Window } from "./window.ts";

/** `caches`, with URLs relative to `base`. */
export function cachesOf({ caches }: Core, base: string): object {
  const at = (info: Request | string | URL) =>
    typeof info === "string" ? new URL(info, base) : info;
  return {
    has: (name: string) => caches.has(name),
    delete: (name: string) => caches.delete(name),
    keys: () => caches.keys(),
    match: async (
      info: Request | string | URL,
      options?: MultiCacheQueryOptions,
    ) => await caches.match(at(info), options),
    open: async (name: string) => new Cache(await caches.open(name), at),
  };
}

/** The members of a registration that belong to other specifications. */
export function featuresOf(
  realm: Realm,
  registration: Registration,
): [string, unknown][] {
  const { core } = realm;
  const features: [HostFeature, () => unknown][] = [
    ["sync", () => core.syncs.managerOf(realm, registration)],
    ["periodicSync", () => core.periodicSyncs.managerOf(registration)],
    ["pushManager", () => core.pushes.managerOf(registration)],
    [
      "backgroundFetch",
      () => core.backgroundFetches.managerOf(realm, registration),
    ],
    ["navigationPreload", () => preloadManagerOf(registration)],
  ];
  return [
    ...features.filter(([name]) => core.has(name))
      .map(([name, create]): [string, unknown] => [name, create()]),
    ...Object.entries(core.notifications.methodsOf(registration)),
  ];
}

/** The `navigator` of a page, or of a life of a worker. */
export function navigatorOf(
  core: Core,
  owner: Window | Life,
  serviceWorker?: Container,
): object {
  const { network } = core;
  return {
    get onLine() {
      return !network.offline;
    },
    userAgent: "Mozilla/5.0 (compatible; @serviceworker/std)",
    language: "en",
    languages: ["en"],
    ...(serviceWorker && { serviceWorker }),
    ...(core.has("locks") && {
      locks: core.locks.managerOf(
        owner,
        () => "id" in owner ? owner.id : "",
      ),
    }),
    storage: {
      estimate: () => {
        const { usage, quota } = core.caches;
        return Promise.resolve({ usage, quota });
      },
      persist: () => {
        core.persisted = core.permission("persistent-storage") === "granted";
        return Promise.resolve(core.persisted);
      },
      persisted: () => Promise.resolve(core.persisted),
    },
    permissions: {
      query: ({ name }: { name: string }) =>
        Promise.resolve({ name, state: core.permission(name) }),
    },
    ...(core.has("setAppBadge") && {
      setAppBadge: (count = 0) => {
        core.badge = count;
        return Promise.resolve();
      },
      clearAppBadge: () => {
        core.badge = undefined;
        return Promise.resolve();
      },
    }),
  };
}

function preloadManagerOf(registration: Registration): object {
  const change = async (
    change: Partial<Registration["navigationPreload"]>,
  ) => {
    if (!registration.active) {
      throw new DOMException(
        `Cannot set the navigation preload of ${registration.scope}: no worker is active`,
        "InvalidStateError",
      );
    }
    registration.navigationPreload = {
      ...registration.navigationPreload,
      ...change,
    };
    return await undefined;
  };
  return {
    enable: () => change({ enabled: true }),
    disable: () => change({ enabled: false }),
    setHeaderValue: (headerValue: string) => change({ headerValue }),
    getState: () => Promise.resolve({ ...registration.navigationPreload }),
  };
}
