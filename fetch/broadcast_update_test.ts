// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import { createCacheStorage } from "../testing/cache_storage.ts";
import { createHost } from "../testing/host.ts";
import {
  broadcastingCache,
  broadcastUpdate,
  type BroadcastUpdateClient,
  receiveUpdates,
} from "./broadcast_update.ts";
import { networkFirst, staleWhileRevalidate } from "./strategies.ts";

const URL = "https://example.test/news";
const TOLD = { "@serviceworker/std": { updated: URL } };

/** Windows that note what they are told, of which the last comes late. */
function bed(ids: string[], late?: string) {
  const told: [id: string, message: unknown][] = [];
  const clientOf = (id: string): BroadcastUpdateClient => ({
    id,
    postMessage: (message) => void told.push([id, message]),
  });
  let asked = 0;
  const clients = {
    matchAll: (options: object) => {
      assertEquals(options, { includeUncontrolled: true, type: "window" });
      return Promise.resolve(ids.map(clientOf));
    },
    get: (id: string) =>
      Promise.resolve(id === late && ++asked > 3 ? clientOf(id) : undefined),
  };
  return { told, clients };
}

function response(body: string, headers: Record<string, string> = {}) {
  return new Response(body, { headers });
}

async function isTold(old: Response, fresh: Response): Promise<boolean> {
  const { told, clients } = bed(["1", "2"]);
  const event = { request: { url: URL } };
  const result = await broadcastUpdate(clients, event, { old, fresh });
  assertEquals(told, result ? [["1", TOLD], ["2", TOLD]] : []);
  return result;
}

Deno.test("broadcastUpdate() compares validators before bodies", async () => {
  const cases: [
    old: Record<string, string>,
    fresh: Record<string, string>,
    isTold: boolean,
  ][] = [
    [{ etag: '"1"' }, { etag: '"1"' }, false],
    [{ etag: '"1"' }, { etag: 'W/"1"' }, false],
    [{ etag: '"1"' }, { etag: '"2"' }, true],
    [
      { etag: '"1"', "last-modified": "a" },
      { etag: '"1"', "last-modified": "b" },
      false,
    ],
    [{ "last-modified": "a" }, { "last-modified": "b" }, true],
    [{ "last-modified": "a" }, { "last-modified": "a" }, false],
    [
      { "last-modified": "a", "content-length": "1" },
      { "last-modified": "a", "content-length": "2" },
      true,
    ],
    // Not comparable: the bodies are.
    [{ etag: '"1"' }, { "last-modified": "a" }, true],
    [{}, {}, true],
  ];
  for (const [old, fresh, expected] of cases) {
    const responses = [response("old", old), response("new", fresh)] as const;
    assertEquals(await isTold(...responses), expected);
    assertEquals(await responses[1].text(), "new");
  }
});

Deno.test("broadcastUpdate() compares bodies where there is no validator", async () => {
  assertEquals(await isTold(response("a"), response("a")), false);
  assertEquals(await isTold(response("a"), response("b")), true);
  const etag = { etag: '"1"' };
  assertEquals(await isTold(response("a", etag), response("a")), false);
  assertEquals(await isTold(response("a"), response("b", etag)), true);
});

Deno.test("broadcastUpdate() says nothing of what is new or opaque", async () => {
  const { told, clients } = bed(["1"]);
  const event = { request: { url: URL } };
  const fresh = response("a");
  const opaque = response("b");
  Object.defineProperty(opaque, "type", { value: "opaque" });
  for (const old of [undefined, opaque]) {
    const responses = { old, fresh };
    assertEquals(await broadcastUpdate(clients, event, responses), false);
  }
  assertEquals(told, []);
});

Deno.test("broadcastUpdate() rejects if a body was used", async () => {
  const fresh = response("a");
  await fresh.text();
  const { clients } = bed([]);
  await assertRejects(
    () =>
      broadcastUpdate(clients, { request: { url: URL } }, {
        old: response("b"),
        fresh,
      }),
    TypeError,
  );
});

Deno.test("broadcastUpdate() waits for the page that a navigation leads to", async () => {
  using time = new FakeTime();
  const { told, clients } = bed(["1"], "2");
  const event = { request: { url: URL }, resultingClientId: "2" };
  const done = broadcastUpdate(clients, event, {
    old: response("", { etag: "1" }),
    fresh: response("", { etag: "2" }),
  });
  for (let step = 0; step < 20; step++) await time.tickAsync(50);
  assertEquals(await done, true);
  assertEquals(told, [["1", TOLD], ["2", TOLD]]);
});

Deno.test("broadcastUpdate() does not wait for ever", async () => {
  using time = new FakeTime();
  const { told, clients } = bed([]);
  const event = { request: { url: URL }, resultingClientId: "2" };
  const done = broadcastUpdate(clients, event, {
    old: response("", { etag: "1" }),
    fresh: response("", { etag: "2" }),
  });
  let isDone = false;
  done.then(() => isDone = true);
  for (let step = 0; step < 180; step++) await time.tickAsync(50);
  assertEquals(isDone, false);
  for (let step = 0; step < 40; step++) await time.tickAsync(50);
  assertEquals([isDone, await done], [true, true]);
  assertEquals(told, []);
});

Deno.test("broadcastingCache() tells each page once what a strategy has renewed", async () => {
  let news = "Rain";
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
    network: () => new Response(news),
  });
  await host.register((self) => {
    self.addEventListener("fetch", (event) => {
      const opened = self.caches.open("news");
      const cache = broadcastingCache(self.clients, event, opened);
      event.respondWith(staleWhileRevalidate(event, { cache }));
    });
  });
  const page = await host.openWindow("/");
  await host.idle();
  const heard: string[] = [];
  receiveUpdates(page.serviceWorker, (url) => heard.push(url));

  assertEquals(await (await page.fetch("/")).text(), "Rain");
  await host.idle();
  assertEquals(heard, []);
  news = "Sun";
  assertEquals(await (await page.fetch("/")).text(), "Rain");
  await host.idle();
  assertEquals(heard, ["https://example.test/"]);
  assertEquals(await (await page.fetch("/")).text(), "Sun");
  await host.idle();
  assertEquals(heard.length, 1);
  host.close();
});

Deno.test("broadcastingCache() tells of what is stored, and stores whether or not it can tell", async () => {
  const { told, clients } = bed(["1"]);
  const stored: string[] = [];
  let isFull = true;
  const inner = {
    match: () => Promise.resolve(response("Rain")),
    put: async (_: Request, fresh: Response) => {
      const text = await fresh.text();
      if (isFull) throw new DOMException("", "QuotaExceededError");
      stored.push(text);
    },
  };
  const request = new Request(URL);
  const put = (each: typeof clients) =>
    broadcastingCache(each, { request }, inner).put(request, response("Sun"));
  await assertRejects(() => put(clients), DOMException);
  assertEquals(told, []);
  isFull = false;
  const matchAll = () => Promise.reject(new TypeError());
  await put({ ...clients, matchAll });
  assertEquals([stored, told], [["Sun"], []]);
});

Deno.test("broadcastingCache() has a strategy delete what is gone", async () => {
  const caches = createCacheStorage();
  const inner = await caches.open("news");
  await inner.put(URL, response("Rain", { vary: "Accept" }));
  const event = {
    request: new Request(URL),
    handled: Promise.resolve(),
    waitUntil: (promise: Promise<unknown>) => waits.push(promise),
  };
  const waits: Promise<unknown>[] = [];
  const cache = broadcastingCache(
    bed([]).clients,
    event,
    Promise.resolve(inner),
  );
  await networkFirst(event, {
    cache,
    deleteGone: true,
    fetch: () => Promise.resolve(new Response("", { status: 410 })),
  });
  await Promise.all(waits);
  assertEquals(await inner.keys(), []);
});

Deno.test("receiveUpdates() ignores other messages, and ends with its signal", async () => {
  const host = createHost();
  await host.register(() => {});
  const page = await host.openWindow("/");
  const heard: string[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  let isStarted = false;
  page.serviceWorker.startMessages = () => void (isStarted = true);
  receiveUpdates(page.serviceWorker, (url) => heard.push(url), { signal });
  assertEquals(isStarted, true);
  const post = (data: unknown) =>
    page.serviceWorker.dispatchEvent(new MessageEvent("message", { data }));
  post(null);
  post({ updated: URL });
  post({ "@serviceworker/std": null });
  post({ "@serviceworker/std": { updated: 1 } });
  post(TOLD);
  controller.abort();
  post(TOLD);
  assertEquals(heard, [URL]);
  host.close();
});
