// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A small store that outlives the worker: JSON in a cache.
 *
 * @module
 */

import type { ClientDataStore } from "@serviceworker/std/channel/client-data";

const PREFIX = "/store/";

/** Opens the store of that name. */
export function createStore(name: string): ClientDataStore {
  const open = () => caches.open(name);
  return {
    async set(key, value) {
      const cache = await open();
      await cache.put(PREFIX + key, Response.json(value));
    },
    async delete(key) {
      const cache = await open();
      await cache.delete(PREFIX + key);
    },
    async list({ prefix }) {
      const cache = await open();
      const entries: [string, unknown][] = [];
      for (const request of await cache.keys()) {
        const key = new URL(request.url).pathname.slice(PREFIX.length);
        const response = await cache.match(request);
        if (!key.startsWith(prefix) || !response) continue;
        entries.push([key, await response.json()]);
      }
      return entries;
    },
  };
}
