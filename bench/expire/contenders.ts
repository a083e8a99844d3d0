// Copyright 2026 the @serviceworker/std authors. MIT license.

import { expireCache } from "@serviceworker/std/fetch/expire-cache";
import { cacheFirst } from "@serviceworker/std/fetch/strategies";
import { openStore } from "@serviceworker/std/storage/open-store";
import {
  CacheExpiration as SerwistExpiration,
  CacheFirst as SerwistCacheFirst,
  ExpirationPlugin as SerwistPlugin,
} from "npm:serwist@9.5.12";
import {
  CacheExpiration as WorkboxExpiration,
  ExpirationPlugin as WorkboxPlugin,
} from "npm:workbox-expiration@7.4.1";
import { CacheFirst as WorkboxCacheFirst } from "npm:workbox-strategies@7.4.1";

/** Who answers from the cache `CACHE`. */
export interface Answering {
  /** Answers a request. */
  answer(event: FetchEvent): Promise<Response>;
  /** Notes all entries. */
  note?(urls: string[]): Promise<unknown>;
}

/** Who deletes entries of the cache that is named like it. */
export interface Expiring {
  /** Notes entries that were put there. */
  note?(urls: string[]): Promise<unknown>;
  /** Deletes a tenth; which is known already, to those whom it helps. */
  expire(known: string[]): Promise<unknown>;
}

/** How many entries there are to answer from. */
export const ENTRIES = 10_000;
/** How many there are, of which some expire: each contender needs its own. */
export const EXPIRING_ENTRIES = 4_000;
/** How many of those expire at a time. */
export const EXPIRED = EXPIRING_ENTRIES / 10;
/** The cache of all who answer. */
export const CACHE = "files";

const WEEK = 7 * 24 * 60 * 60;

/** The URL of an entry. */
export function urlOf(index: number): string {
  return new URL(`/file/${index}`, location.origin).href;
}

const opened = caches.open(CACHE);
const store = openStore("bench");
const counted = expireCache(caches, CACHE, { store, maxEntries: ENTRIES });
const aged = expireCache(caches, CACHE, { store, maxAge: WEEK * 1_000 });

const limits = { maxEntries: ENTRIES, maxAgeSeconds: WEEK };
const workbox = new WorkboxCacheFirst({
  cacheName: CACHE,
  plugins: [new WorkboxPlugin(limits) as object],
});
const serwist = new SerwistCacheFirst({
  cacheName: CACHE,
  plugins: [new SerwistPlugin(limits)],
});

function answering(
  cache: Parameters<typeof cacheFirst>[1]["cache"],
): Answering {
  return { answer: (event) => cacheFirst(event, { cache }) };
}

/** By name. */
export const ANSWERING: Record<string, Answering> = {
  "raw": answering(opened),
  "raw again": answering(opened),
  // Their first expiration adopts what is there.
  "expireCache": { ...answering(counted), note: () => counted.expire() },
  "expireCache, maxAge": { ...answering(aged), note: () => aged.expire() },
  workbox: {
    answer: (event) => workbox.handle({ event, request: event.request }),
    note: (urls) => noteEach(new WorkboxExpiration(CACHE, limits), urls),
  },
  serwist: {
    answer: (event) => serwist.handle({ event, request: event.request }),
    note: (urls) => noteEach(new SerwistExpiration(CACHE, limits), urls),
  },
};

const left = { maxEntries: EXPIRING_ENTRIES - EXPIRED };

/** By name. */
export const EXPIRING: Record<string, Expiring> = {
  raw: { expire: (known) => deleteAll("raw", known) },
  // Finds out what is to be deleted, and deletes its notes too.
  "raw, with notes": {
    note: (urls) =>
      store.transact((transaction) => {
        for (const url of urls) transaction.set(`raw/${url}`, Date.now());
      }),
    async expire() {
      const notes = await store.list({ prefix: "raw/" }) as [string, number][];
      const oldest = notes.sort(([, a], [, b]) => a - b).slice(0, EXPIRED);
      const urls = oldest.map(([key]) => key.slice("raw/".length));
      await deleteAll("raw, with notes", urls);
      await store.transact((transaction) => {
        for (const [key] of oldest) transaction.delete(key);
      });
    },
  },
  expireCache: {
    async note() {
      // Without what it noted of the clock, it adopts what has no note.
      await store.delete("expire-cache/expireCache");
      await expireCache(caches, "expireCache", { store }).expire();
    },
    // As of a worker that has just started.
    expire: () =>
      expireCache(caches, "expireCache", { store, ...left }).expire(),
  },
  workbox: {
    note: (urls) => noteEach(new WorkboxExpiration("workbox", left), urls),
    expire: () => new WorkboxExpiration("workbox", left).expireEntries(),
  },
  serwist: {
    note: (urls) => noteEach(new SerwistExpiration("serwist", left), urls),
    expire: () => new SerwistExpiration("serwist", left).expireEntries(),
  },
};

async function deleteAll(name: string, urls: string[]): Promise<void> {
  const cache = await caches.open(name);
  await Promise.all(urls.map((url) => cache.delete(url)));
}

/** Notes as many at once as the databases of peers bear. */
async function noteEach(
  expiration: { updateTimestamp(url: string): Promise<void> },
  urls: string[],
): Promise<void> {
  for (let from = 0; from < urls.length; from += 500) {
    const some = urls.slice(from, from + 500);
    await Promise.all(some.map((url) => expiration.updateTimestamp(url)));
  }
}
