// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { detectEviction } from "./detect_eviction.ts";
import { memoryStore } from "./memory_store.ts";
import type { Store } from "./open_store.ts";

const NAME = "serviceworker-std-canary";

/** A witness like `localStorage`. */
class Items {
  items: Record<string, string> = {};
  writes = 0;

  getItem(name: string): string | null {
    return this.items[name] ?? null;
  }

  setItem(name: string, value: string): void {
    this.writes++;
    this.items[name] = value;
  }
}

/** A witness like `cookieStore`. */
class Cookies {
  cookies: { name: string; value: string; expires: number }[] = [];

  get(name: string) {
    const found = this.cookies.find((cookie) => cookie.name === name);
    return Promise.resolve(found ?? null);
  }

  set(cookie: { name: string; value: string; expires: number }) {
    this.cookies.unshift(cookie);
    return Promise.resolve();
  }
}

/** A witness that cannot be used. */
const blocked = {
  getItem(): string {
    throw new DOMException("No", "SecurityError");
  },
  setItem(): void {
    throw new DOMException("No", "SecurityError");
  },
};

/** Never called: it compiles as long as the platform's own types fit. */
async function _inWorker(self: ServiceWorkerGlobalScope, store: Store) {
  await detectEviction(store, [self.cookieStore, self.caches, localStorage]);
}

Deno.test("detectEviction() finds a store new, kept and lost", async () => {
  const items = new Items();
  const store = memoryStore();
  assertEquals(await detectEviction(store, [items]), "new");
  assertEquals(await detectEviction(store, [items]), "kept");
  assertEquals(items.writes, 1);
  const empty = memoryStore();
  assertEquals(await detectEviction(empty, [items]), "lost");
  assertEquals(await detectEviction(empty, [items]), "kept");
});

Deno.test("detectEviction() takes cookies for a witness", async () => {
  const cookies = new Cookies();
  assertEquals(await detectEviction(memoryStore(), [cookies]), "new");
  const days = (cookies.cookies[0]!.expires - Date.now()) /
    (24 * 60 * 60 * 1000);
  assertEquals(Math.round(days), 400);
  assertEquals(await detectEviction(memoryStore(), [cookies]), "lost");
});

Deno.test("detectEviction() takes caches for a witness", async () => {
  try {
    const store = memoryStore();
    assertEquals(await detectEviction(store, [caches]), "new");
    assertEquals(await detectEviction(store, [caches]), "kept");
    assertEquals(await detectEviction(memoryStore(), [caches]), "lost");
  } finally {
    await caches.delete(NAME);
  }
});

Deno.test("detectEviction() is content with one witness that remembers", async () => {
  const items = new Items();
  await detectEviction(memoryStore(), [items]);
  const witnesses = [undefined, null, blocked, new Cookies(), items];
  assertEquals(await detectEviction(memoryStore(), witnesses), "lost");
});

Deno.test("detectEviction() finds a store kept when its witnesses are gone", async () => {
  const store = memoryStore();
  await detectEviction(store, [new Items()]);
  const items = new Items();
  assertEquals(await detectEviction(store, [items, blocked]), "kept");
  assertEquals(await detectEviction(memoryStore(), [items]), "lost");
});

Deno.test("detectEviction() finds a store new where nothing remembers", async () => {
  assertEquals(await detectEviction(memoryStore(), []), "new");
  assertEquals(await detectEviction(memoryStore(), [blocked]), "new");
});

Deno.test("detectEviction() tells of a loss whoever has another witness", async () => {
  const [page, worker] = [new Items(), new Cookies()];
  const store = memoryStore();
  await detectEviction(store, [page]);
  await detectEviction(store, [worker]);
  const empty = memoryStore();
  assertEquals(await detectEviction(empty, [worker]), "lost");
  assertEquals(await detectEviction(empty, [page]), "lost");
  assertEquals(await detectEviction(empty, [worker]), "kept");
  assertEquals(await detectEviction(empty, [page]), "kept");
});

Deno.test("detectEviction() takes two tabs that start at once for one", async () => {
  const store = memoryStore();
  const items = new Items();
  const tabs = [store, store.reopen()];
  await Promise.all(tabs.map((store) => detectEviction(store, [items])));
  assertEquals(await detectEviction(store, [items]), "kept");
});

Deno.test("detectEviction() keeps two stores apart by name", async () => {
  const items = new Items();
  const [first, second] = [memoryStore(), memoryStore()];
  await detectEviction(first, [items], { name: "first" });
  const options = { name: "second" };
  assertEquals(await detectEviction(second, [items], options), "new");
  assertEquals(Object.keys(items.items), ["first", "second"]);
  assertEquals(await first.list().then(([entry]) => entry?.[0]), "first");
});

Deno.test("detectEviction() passes on why the store cannot be read", async () => {
  const error = new DOMException("No", "SecurityError");
  const store = { transact: () => Promise.reject(error) };
  const items = new Items();
  const thrown = await assertRejects(() => detectEviction(store, [items]));
  assertStrictEquals(thrown, error);
  assertEquals(items.writes, 0);
});
