// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import { type MemoryStore, memoryStore } from "../storage/memory_store.ts";
import {
  createCacheStorage,
  type MemoryCacheStorage,
} from "../testing/cache_storage.ts";
import { createHost, type Host } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  expireCache,
  type ExpireCacheOptions,
  type ExpireCacheReport,
  type ExpiringCache,
} from "./expire_cache.ts";

const ORIGIN = "https://example.test";
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const YEAR = 365 * DAY;
const NOON = Date.UTC(2030, 5, 1, 12);

/** A browser's storage, and the clock. */
class Bed {
  readonly time = new FakeTime(NOON);
  readonly caches = createCacheStorage();
  readonly store = memoryStore();
  readonly reports: ExpireCacheReport[] = [];

  /** The cache, as another life of the worker or another tab makes it. */
  open(options: Partial<ExpireCacheOptions> = {}): ExpiringCache {
    return expireCache(this.caches, "c", {
      store: this.store.reopen(),
      report: (report) => this.reports.push(report),
      ...options,
    });
  }

  /** The names of what is stored, and of what is noted. */
  async names(): Promise<[stored: string[], noted: string[]]> {
    const requests = await (await this.caches.open("c")).keys();
    const notes = await this.store.list({ prefix: "expire-cache/c/" });
    return [
      requests.map(({ url }) => nameOf(url)).sort(),
      notes.map(([key]) => nameOf(key)).sort(),
    ];
  }

  async stored(): Promise<string> {
    const [stored, noted] = await this.names();
    assertEquals(noted, stored);
    return stored.join(" ");
  }

  /** Lets time pass, and batches be written. */
  async pass(milliseconds: number): Promise<void> {
    await this.time.tickAsync(milliseconds);
    // Whatever that has begun.
    for (let turn = 0; turn < 20; turn++) await this.store.list();
  }

  [Symbol.dispose](): void {
    this.time[Symbol.dispose]();
  }
}

function nameOf(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

function at(name: string): string {
  return `${ORIGIN}/${name}`;
}

async function put(cache: ExpiringCache, names: string): Promise<void> {
  for (const name of names.split(" ")) {
    await cache.put(at(name), new Response(name));
  }
}

async function use(cache: ExpiringCache, name: string): Promise<boolean> {
  return await cache.match(at(name)) !== undefined;
}

/** A store whose operations fail while it is broken. */
function breakable(store: MemoryStore) {
  const state = { broken: false };
  const check = () => {
    if (state.broken) throw new DOMException("Broken", "UnknownError");
  };
  const broken: ExpireCacheOptions["store"] = {
    async get(key) {
      check();
      return await store.get(key);
    },
    async list(options) {
      check();
      return await store.list(options);
    },
    async transact(work) {
      check();
      return await store.transact(work);
    },
  };
  return { state, store: broken };
}

Deno.test("expireCache() keeps as many entries as it may, and those that were used", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxEntries: 3 });
  await put(cache, "a b c");
  assert(await use(cache, "a"));
  await put(cache, "d e");
  assertEquals(await bed.stored(), "a d e");
  await bed.pass(MINUTE);
});

Deno.test("expireCache() knows after a restart what was used", async () => {
  using bed = new Bed();
  const before = bed.open({ maxEntries: 3 });
  for (const name of ["a", "b", "c"]) {
    await put(before, name);
    await bed.pass(MINUTE);
  }
  assert(await use(before, "a"));
  await bed.pass(MINUTE);
  await put(bed.open({ maxEntries: 3 }), "d");
  assertEquals(await bed.stored(), "a c d");
});

Deno.test("expireCache() writes hits in one batch, a second later", async () => {
  using bed = new Bed();
  await put(bed.open(), "a b c");
  let writes = 0;
  const store = bed.store.reopen();
  const cache = bed.open({
    store: {
      ...store,
      transact(work) {
        writes++;
        return store.transact(work);
      },
    },
  });
  for (const name of ["a", "b", "c", "a", "b", "c"]) await use(cache, name);
  await bed.pass(999);
  assertEquals(writes, 0);
  await bed.pass(1);
  assertEquals(writes, 1);
});

Deno.test("expireCache() reads one note for the first hit of a URL, whatever it holds", async () => {
  using bed = new Bed();
  const names = Array.from(Array(200).keys(), String);
  await put(bed.open(), names.join(" "));
  const read: string[] = [];
  const store = bed.store.reopen();
  const cache = bed.open({
    maxAge: DAY,
    store: {
      ...store,
      get: (key) => (read.push(nameOf(key)), store.get(key)),
      list: (options) => (read.push("all"), store.list(options)),
    },
  });
  for (let times = 0; times < 3; times++) assert(await use(cache, "7"));
  await bed.pass(1_000);
  assertEquals(read, ["7"]);
});

Deno.test("expireCache() reads no notes for a hit where nothing gets too old", async () => {
  using bed = new Bed();
  await put(bed.open(), "a b");
  const { state, store } = breakable(bed.store);
  const cache = bed.open({ store, maxEntries: 2 });
  state.broken = true;
  assert(await use(cache, "a"));
  state.broken = false;
  await bed.pass(MINUTE);
});

Deno.test("expireCache() counts bytes, as sent or as they are", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxBytes: 100 });
  const body = "x".repeat(40);
  await cache.put(at("a"), new Response(body));
  await cache.put(
    at("b"),
    new Response(body, { headers: { "content-length": "40" } }),
  );
  await cache.put(
    at("c"),
    new Response(body, {
      headers: { "content-length": "3", "content-encoding": "br" },
    }),
  );
  assertEquals(await bed.stored(), "b c");
  assertEquals(await cache.expire(), { deleted: 0, entries: 2, bytes: 80 });
});

Deno.test("expireCache() counts the bytes of all variants", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxBytes: 100 });
  for (const language of ["de", "fr"]) {
    await cache.put(
      new Request(at("a"), { headers: { "accept-language": language } }),
      new Response("x".repeat(30), { headers: { vary: "Accept-Language" } }),
    );
  }
  assertEquals((await cache.expire()).bytes, 60);
});

Deno.test("expireCache() does not store what is larger than all it may hold", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxBytes: 100 });
  await put(cache, "a");
  const body = "x".repeat(101);
  const headers = { "content-length": "101" };
  const known = new Response(body, { headers });
  await cache.put(at("known"), known);
  // Nothing of it is left in memory.
  assert(known.bodyUsed);
  await cache.put(at("unknown"), new Response(body));
  assertEquals(await bed.stored(), "a");
  assertEquals(bed.reports, [
    { url: at("known"), evicted: 0, stored: false },
    { url: at("unknown"), evicted: 0, stored: false },
  ]);
});

Deno.test("expireCache() counts opaque responses as it is told", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxBytes: 10_000_000 });
  for (const name of ["a", "b"]) {
    const response = new Response("x");
    Object.defineProperty(response, "type", { value: "opaque" });
    Object.defineProperty(response, "clone", { value: () => new Response() });
    await cache.put(at(name), response);
  }
  assertEquals(await bed.stored(), "b");
  assertEquals((await cache.expire()).bytes, 7_000_000);
});

Deno.test("expireCache() no longer finds what was stored too long ago, however often it is used", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxAge: MINUTE });
  await put(cache, "a");
  for (let seconds = 5; seconds <= 60; seconds += 5) {
    await bed.pass(5_000);
    assert(await use(cache, "a"));
  }
  await bed.pass(5_000);
  assertEquals(await use(cache, "a"), false);
  assertEquals(await use(bed.open({ maxAge: MINUTE }), "a"), false);
  await put(cache, "a");
  assert(await use(bed.open({ maxAge: MINUTE }), "a"));
  await bed.pass(5_000);
});

Deno.test("expireCache() keeps what is used, and deletes what is idle", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxIdle: DAY });
  await put(cache, "a b");
  for (let hour = 0; hour < 30; hour++) {
    await bed.pass(60 * MINUTE);
    assert(await use(cache, "a"));
    if (hour === 20) await cache.expire();
  }
  assertEquals(await use(cache, "b"), false);
  assertEquals(await cache.expire(), { deleted: 1, entries: 1, bytes: 0 });
  assertEquals(await bed.stored(), "a");
});

Deno.test("expireCache() finds what another tab has stored again", async () => {
  using bed = new Bed();
  const here = bed.open({ maxAge: MINUTE });
  const there = bed.open({ maxAge: MINUTE });
  await put(here, "a");
  await bed.pass(MINUTE + 1);
  assertEquals(await use(here, "a"), false);
  await put(there, "a");
  assert(await use(here, "a"));
  await bed.pass(MINUTE);
});

Deno.test("expireCache() does not evict what another tab has used", async () => {
  using bed = new Bed();
  const here = bed.open({ maxEntries: 3 });
  const there = bed.open({ maxEntries: 3 });
  for (const name of ["a", "b", "c"]) {
    await put(here, name);
    await bed.pass(1_000);
  }
  assert(await use(there, "a"));
  await bed.pass(1_000);
  await put(here, "d");
  assertEquals(await bed.stored(), "a c d");
});

Deno.test("expireCache() keeps the latest use that any tab has noted", async () => {
  using bed = new Bed();
  const here = bed.open();
  const there = bed.open();
  await put(here, "a");
  assert(await use(here, "a"));
  await bed.pass(500);
  assert(await use(there, "a"));
  // What it has noted is written as well, before the batch of the other.
  await put(there, "b");
  await bed.pass(1_000);
  const note = await bed.store.get(`expire-cache/c/${at("a")}`);
  assertEquals(note, { stored: NOON, used: NOON + 500, bytes: 0 });
});

Deno.test("expireCache() keeps to its limits with puts at once, from the first on", async () => {
  using bed = new Bed();
  await put(bed.open(), "a b c d e");
  const cache = bed.open({ maxEntries: 5 });
  const names = Array.from(Array(20).keys(), String);
  await Promise.all(names.map((name) => put(cache, name)));
  assertEquals((await bed.stored()).split(" ").length, 5);
});

Deno.test("expireCache() compares cache and notes once a day", async () => {
  using bed = new Bed();
  let compared = 0;
  const open = () =>
    expireCache(
      {
        match: (request, options) => bed.caches.match(request, options),
        async open(name) {
          const cache = await bed.caches.open(name);
          return {
            put: (request, response) => cache.put(request, response),
            delete: (request, query) => cache.delete(request, query),
            matchAll: (request, query) => cache.matchAll(request, query),
            keys: () => (compared++, cache.keys()),
          };
        },
      },
      "c",
      { store: bed.store.reopen() },
    );
  for (const [hours, times] of [[0, 1], [1, 1], [24, 1], [25, 2], [30, 2]]) {
    bed.time.now = NOON + hours! * 60 * MINUTE;
    await open().expire();
    assertEquals(compared, times, `${hours}`);
  }
});

Deno.test("expireCache() keeps to its limits with two tabs that put at once", async () => {
  using bed = new Bed();
  const tabs = [bed.open({ maxEntries: 5 }), bed.open({ maxEntries: 5 })];
  const puts = Array.from(
    Array(40).keys(),
    (i) => put(tabs[i % 2] as ExpiringCache, `${i}`),
  );
  await Promise.all(puts);
  const { entries } = await bed.open({ maxEntries: 5 }).expire();
  assertEquals(entries, 5);
  assertEquals((await bed.stored()).split(" ").length, 5);
});

Deno.test("expireCache() deletes all variants", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxEntries: 1 });
  const variant = async (name: string, language: string) => {
    const headers = { "accept-language": language };
    await cache.put(
      new Request(at(name), { headers }),
      new Response("x", { headers: { vary: "Accept-Language" } }),
    );
  };
  await variant("a", "de");
  await variant("a", "fr");
  assertEquals((await bed.names())[0], ["a", "a"]);
  await variant("b", "de");
  assertEquals(await bed.stored(), "b");
  await variant("b", "fr");
  assert(await cache.delete(at("b#top")));
  assertEquals(await bed.stored(), "");
});

Deno.test("expireCache() matches and deletes without the query if asked to", async () => {
  using bed = new Bed();
  const cache = bed.open({ maxAge: MINUTE });
  const options = { ignoreSearch: true };
  await put(cache, "a?1 a?2 b");
  assert(await cache.match(at("a"), options));
  assertEquals(await cache.match(at("c"), options), undefined);
  await bed.pass(MINUTE + 1);
  assertEquals(await cache.match(at("a"), options), undefined);
  assert(await cache.delete(at("a"), options));
  assertEquals(await cache.delete(at("a"), options), false);
  assertEquals(await bed.stored(), "b");
});

Deno.test("expireCache() adopts entries that others have put, and drops notes without entries", async () => {
  using bed = new Bed();
  const options = { maxEntries: 3, maxBytes: 1_000 };
  await put(bed.open(options), "a b");
  await bed.caches.delete("c");
  const bare = await bed.caches.open("c");
  await bare.put(at("x"), new Response("12345"));
  await bed.pass(2 * DAY);
  const cache = bed.open(options);
  assertEquals(await cache.expire(), { deleted: 0, entries: 1, bytes: 5 });
  assertEquals(await bed.stored(), "x");
});

Deno.test("expireCache() goes on after its store has failed", async () => {
  using bed = new Bed();
  const { state, store } = breakable(bed.store);
  const cache = bed.open({ store, maxEntries: 2, maxAge: DAY });
  await put(cache, "a");
  state.broken = true;
  await put(cache, "b c d");
  assert(await use(cache, "d"));
  assert(await cache.delete(at("d")));
  await bed.pass(2_000);
  await assertRejects(() => cache.expire(), DOMException, "Broken");
  state.broken = false;
  await put(cache, "e");
  assertEquals(await bed.stored(), "c e");
  assertEquals((await cache.expire()).entries, 2);
});

Deno.test("expireCache() finds what it cannot read the note of", async () => {
  using bed = new Bed();
  await put(bed.open(), "a");
  const { state, store } = breakable(bed.store);
  state.broken = true;
  const cache = bed.open({ store, maxAge: MINUTE });
  assert(await use(cache, "a"));
  await bed.pass(2_000);
});

Deno.test("expireCache() writes what was used while writing failed", async () => {
  using bed = new Bed();
  const { state, store } = breakable(bed.store);
  const cache: ExpiringCache = bed.open({
    store: {
      ...store,
      async transact(work) {
        if (state.broken) {
          bed.time.now = NOON + 5;
          await use(cache, "a");
        }
        return await store.transact(work);
      },
    },
  });
  await put(cache, "z");
  state.broken = true;
  await put(cache, "a");
  state.broken = false;
  await put(cache, "b");
  assertEquals(await bed.stored(), "a b z");
  const note = await bed.store.get(`expire-cache/c/${at("a")}`);
  assertEquals(note, { stored: NOON, used: NOON + 5, bytes: 0 });
});

Deno.test("expire() rejects when what it has done cannot be written", async () => {
  using bed = new Bed();
  const { state, store } = breakable(bed.store);
  const cache = bed.open({
    store: { ...bed.store.reopen(), transact: store.transact },
    maxEntries: 1,
  });
  await put(cache, "a");
  state.broken = true;
  await put(cache, "b");
  await assertRejects(() => cache.expire(), DOMException, "Broken");
  state.broken = false;
  assertEquals((await cache.expire()).entries, 1);
  assertEquals(await bed.stored(), "b");
});

Deno.test("expireCache() makes room, and stores at the second try", async () => {
  using bed = new Bed();
  const body = "x".repeat(900);
  const cache = bed.open();
  for (let i = 0; i < 10; i++) {
    await cache.put(at(`${i}`), new Response(body));
  }
  await bed.pass(1_000);
  await use(cache, "0");
  bed.caches.quota = bed.caches.usage + 500;
  const other = await bed.caches.open("other");
  await other.put(at("mine"), new Response("mine"));
  await cache.put(at("new"), new Response(body));
  assertEquals(bed.reports, [{ url: at("new"), evicted: 1, stored: true }]);
  assertEquals(await bed.stored(), "0 2 3 4 5 6 7 8 9 new");
  assert(await other.match(at("mine")));
  await bed.pass(1_000);
});

Deno.test("expireCache() makes as much room as is needed", async () => {
  using bed = new Bed();
  const headers = { "content-length": "900" };
  const cache = bed.open();
  for (let i = 0; i < 10; i++) {
    await cache.put(at(`${i}`), new Response("x".repeat(900), { headers }));
  }
  bed.caches.quota = bed.caches.usage;
  await cache.put(
    at("new"),
    new Response("x".repeat(2_500), { headers: { "content-length": "2500" } }),
  );
  assertEquals(bed.reports, [{ url: at("new"), evicted: 3, stored: true }]);
});

Deno.test("expireCache() does not fail where there is no room at all", async () => {
  using bed = new Bed();
  const cache = bed.open();
  await put(cache, "a b");
  bed.caches.quota = 0;
  await put(cache, "c");
  assertEquals(bed.reports, [{ url: at("c"), evicted: 1, stored: false }]);
  const large = { headers: { "content-length": "8000001" } };
  bed.caches.quota = 0;
  await cache.put(at("d"), new Response("large", large));
  assertEquals(bed.reports[1]?.stored, false);
});

Deno.test("expireCache() makes room where there is none for notes either", async () => {
  using bed = new Bed();
  const { caches } = bed;
  const store = bed.store.reopen();
  const isFull = () => caches.usage > caches.quota - 100;
  const cache = bed.open({
    store: {
      get: (key) => store.get(key),
      list: (options) => store.list(options),
      transact: (work) =>
        isFull()
          ? Promise.reject(new DOMException("Full", "QuotaExceededError"))
          : store.transact(work),
    },
  });
  for (let i = 0; i < 10; i++) {
    await cache.put(at(`${i}`), new Response("x".repeat(900)));
  }
  await use(cache, "0");
  caches.quota = caches.usage;
  await cache.put(at("new"), new Response("x".repeat(500)));
  assertEquals(bed.reports, [{ url: at("new"), evicted: 1, stored: true }]);
  await bed.pass(1_000);
});

Deno.test("expireCache() rejects as put() of a cache does", async () => {
  using bed = new Bed();
  const cache = bed.open();
  const request = new Request(at("a"), { method: "POST", body: "x" });
  await assertRejects(() => cache.put(request, new Response()), TypeError);
  const body = new ReadableStream({
    pull: (controller) => controller.error(new TypeError("cut")),
  });
  await put(cache, "a");
  await assertRejects(
    () => cache.put(at("a"), new Response(body)),
    TypeError,
    "cut",
  );
  assertEquals(await (await cache.match(at("a")))?.text(), "a");
  await bed.pass(1_000);
});

Deno.test("expireCache() survives a clock that was a year ahead", async () => {
  using bed = new Bed();
  const options = { maxAge: 7 * DAY };
  await put(bed.open(options), "a");
  bed.time.now = NOON + YEAR;
  const ahead = bed.open(options);
  assertEquals(await use(ahead, "a"), false);
  await put(ahead, "b");
  assertEquals(await bed.stored(), "a b");
  bed.time.now = NOON + DAY;
  const right = bed.open(options);
  assert(await use(right, "a"));
  assert(await use(right, "b"));
  assertEquals((await right.expire()).deleted, 0);
  // What was stored in the future is not there for ever.
  bed.time.now = NOON + 3 * DAY;
  assert(await use(right, "b"));
  await bed.pass(2_000);
  bed.time.now = NOON + 9 * DAY;
  assert(await use(right, "b"));
  bed.time.now = NOON + 11 * DAY;
  assertEquals(await use(right, "b"), false);
  assertEquals(await use(bed.open(options), "b"), false);
  await bed.pass(2_000);
});

Deno.test("expireCache() survives a clock that was a year behind", async () => {
  using bed = new Bed();
  const options = { maxAge: 7 * DAY };
  await put(bed.open(options), "a");
  bed.time.now = NOON - YEAR;
  const behind = bed.open(options);
  assert(await use(behind, "a"));
  await put(behind, "b");
  assertEquals((await behind.expire()).entries, 2);
  bed.time.now = NOON;
  const right = bed.open(options);
  assertEquals((await right.expire()).deleted, 0);
  assert(await use(right, "a"));
  assertEquals(await use(right, "b"), false);
  bed.time.now = NOON + DAY;
  assertEquals((await right.expire()).deleted, 1);
  assertEquals(await bed.stored(), "a");
});

Deno.test("expireCache() believes a clock that stays where it jumped to", async () => {
  using bed = new Bed();
  const options = { maxAge: 7 * DAY };
  await put(bed.open(options), "a");
  bed.time.now = NOON + YEAR;
  assertEquals((await bed.open(options).expire()).deleted, 0);
  bed.time.now = NOON + YEAR + DAY;
  assertEquals((await bed.open(options).expire()).deleted, 1);
});

Deno.test("expireCache() deletes what is too old where only hits happen", async () => {
  using bed = new Bed();
  await put(bed.open(), "a b");
  await bed.pass(MINUTE + 1);
  await bed.store.set("expire-cache/c", {
    seen: Date.now(),
    since: -Infinity,
    before: 0,
    compared: Date.now(),
  });
  assertEquals(await use(bed.open({ maxAge: MINUTE }), "a"), false);
  await bed.pass(1_000);
  assertEquals(await bed.stored(), "");
});

Deno.test("expireCache() deletes what was too old at the last visit, at once", async () => {
  using bed = new Bed();
  const options = { maxAge: DAY };
  for (const name of ["a", "b", "c"]) {
    await put(bed.open(options), name);
    await bed.pass(7 * DAY);
  }
  assertEquals(await bed.stored(), "b c");
  assertEquals((await bed.open(options).expire()).deleted, 1);
  assertEquals(await bed.stored(), "c");
});

Deno.test("expireCache() keeps caches apart whose names begin alike", async () => {
  using bed = new Bed();
  const store = bed.store;
  const inner = expireCache(bed.caches, "c/https:", { store, maxEntries: 1 });
  await put(inner, "a");
  const outer = bed.open({ maxEntries: 1 });
  await put(outer, "b");
  assertEquals((await outer.expire()).entries, 1);
  assert(await use(inner, "a"));
  await inner.expire();
});

Deno.test("during() keeps the worker alive until hits are written", async () => {
  using bed = new Bed();
  const cache = bed.open();
  await put(cache, "a");
  const waited: Promise<unknown>[] = [];
  const { match } = cache.during({
    waitUntil: (promise) => void waited.push(promise),
  });
  await bed.pass(10);
  assert(await match(at("a")));
  assertEquals(await match(at("b")), undefined);
  await bed.pass(1_000);
  await Promise.all(waited);
  assertEquals(waited.length, 2);
  const note = await bed.store.get(`expire-cache/c/${at("a")}`);
  assertEquals(note, { stored: NOON, used: NOON + 10, bytes: 0 });
});

Deno.test("during() keeps the worker alive for no longer than until hits are written", async () => {
  using bed = new Bed();
  const cache = bed.open();
  await put(cache, "a");
  const waited: Promise<unknown>[] = [];
  const { match } = cache.during({
    waitUntil: (promise) => void waited.push(promise),
  });
  assert(await match(at("a")));
  // It writes what is to be written as well.
  await put(cache, "b");
  await Promise.all(waited);
});

Deno.test("during() deletes as the cache does", async () => {
  using bed = new Bed();
  const cache = bed.open();
  await put(cache, "a b");
  const event = { waitUntil() {} };
  assert(await cache.during(event).delete(at("a")));
  assertEquals(await bed.stored(), "b");
});

/** A worker that stores everything it is asked for, in a cache with limits. */
async function start(
  options: Partial<ExpireCacheOptions>,
  caches?: (storage: Host["caches"]) => void,
) {
  const store = memoryStore();
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
    time: NOON,
    network: ({ url }) => new Response(nameOf(url).padEnd(100)),
    provide: { store },
  });
  caches?.(host.caches);
  await host.register((self) => {
    const { store } = self as unknown as { store: MemoryStore };
    const cache = expireCache(self.caches, "c", { ...options, store });
    self.addEventListener("fetch", (event) => {
      const { match } = cache.during(event);
      event.respondWith((async () => {
        const found = await match(event.request);
        if (found) return found;
        const response = await self.fetch(event.request);
        event.waitUntil(cache.put(event.request, response.clone()));
        return response;
      })());
    });
    self.addEventListener("periodicsync", (event) => {
      event.waitUntil(cache.expire());
    });
  });
  return { host, store };
}

/** What is done again until the worker is no longer stopped. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch {
    return await insist(work);
  }
}

/** A day later at most, everything is as if nothing had happened. */
async function settle(
  host: Host,
  store: MemoryStore,
  limit: number,
): Promise<void> {
  await host.clock.advance(2 * DAY);
  while (!await host.dispatchPeriodicSyncEvent("expire"));
  const requests = await (await host.caches.open("c")).keys();
  const notes = await store.list({ prefix: "expire-cache/c/" });
  assertEquals(
    notes.map(([key]) => nameOf(key)).sort(),
    requests.map(({ url }) => nameOf(url)).sort(),
  );
  assert(requests.length <= limit, `${requests.length} entries`);
}

Deno.test("expireCache() is right again wherever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { host, store } = await start({ maxEntries: 3, maxAge: 30 * DAY });
    const page = await host.openWindow("/0");
    arm(host);
    for (const name of ["1", "2", "1", "3", "4", "1", "5"]) {
      const text = await insist(async () =>
        await (await page.fetch(`/${name}`)).text()
      );
      assertEquals(text.trim(), name);
      await host.clock.advance(400);
    }
    await settle(host, store, 3);
    host.close();
  });
  assert(stops > 20, `it was stopped ${stops} times`);
});

Deno.test("expireCache() makes room wherever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { host, store } = await start({});
    const page = await host.openWindow("/0");
    for (let i = 1; i < 8; i++) await page.fetch(`/${i}`);
    await host.idle();
    host.caches.quota = host.caches.usage + 50;
    arm(host);
    for (const name of ["a", "b"]) {
      const text = await insist(async () =>
        await (await page.fetch(`/${name}`)).text()
      );
      assertEquals(text.trim(), name);
      await host.idle();
    }
    await settle(host, store, 9);
    host.close();
  });
  assert(stops > 10, `it was stopped ${stops} times`);
});

Deno.test("expireCache() serves what it cannot store", async () => {
  const { host } = await start({}, (caches: MemoryCacheStorage) => {
    caches.quota = 0;
  });
  const page = await host.openWindow("/");
  const response = await page.fetch("/a");
  assertEquals((await response.text()).trim(), "a");
  await host.idle();
  assertEquals(await (await host.caches.open("c")).keys(), []);
  host.close();
});
