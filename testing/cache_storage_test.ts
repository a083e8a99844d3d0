// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { createCacheStorage } from "./cache_storage.ts";

const ORIGIN = "https://example.test";

/** A storage whose `add()` is answered by what `respond` says about the path. */
function storageWith(
  respond: (path: string) => Response = () => new Response(),
) {
  return createCacheStorage({
    fetch: ({ url }) => Promise.resolve(respond(new URL(url).pathname)),
  });
}

Deno.test("createCacheStorage() opens one cache by one name", async () => {
  const caches = createCacheStorage();
  const cache = await caches.open("a");
  await cache.put("/", new Response("text"));
  assertEquals(await (await caches.open("a")).keys().then((k) => k.length), 1);
  assertEquals(await caches.has("a"), true);
  assertEquals(await caches.has("b"), false);
  assertEquals(await caches.keys(), ["a"]);
  assertEquals(await caches.delete("a"), true);
  assertEquals(await caches.delete("a"), false);
  assertEquals(await (await caches.open("a")).keys(), []);
});

Deno.test("createCacheStorage() resolves relative URLs", async () => {
  const caches = createCacheStorage({ baseURL: "https://other.test/app/" });
  const cache = await caches.open("a");
  await cache.put("page", new Response());
  const [request] = await cache.keys();
  assertEquals(request?.url, "https://other.test/app/page");
});

Deno.test("put() stores what the response was, whatever is done to it later", async () => {
  const cache = await createCacheStorage().open("a");
  const response = new Response("body", { headers: { "x-a": "1" } });
  await cache.put("/", response);
  response.headers.set("x-a", "2");
  const found = await cache.match("/");
  assertEquals(found?.headers.get("x-a"), "1");
  assertEquals(response.bodyUsed, true);
  assertEquals(await found?.text(), "body");
  assertEquals(await (await cache.match("/"))?.text(), "body");
});

Deno.test("put() keeps a body of bytes, and none at all", async () => {
  const cache = await createCacheStorage().open("a");
  await cache.put("/bytes", new Response(Uint8Array.of(0, 255, 10)));
  await cache.put("/none", new Response(null, { status: 204 }));
  const bytes = await (await cache.match("/bytes"))?.bytes();
  assertEquals(bytes, Uint8Array.of(0, 255, 10));
  const none = await cache.match("/none");
  assertEquals([none?.status, none?.body], [204, null]);
});

Deno.test("put() rejects what the specification forbids", async () => {
  const cache = await createCacheStorage().open("a");
  const used = new Response("used");
  await used.text();
  const locked = new Response("locked");
  const reader = locked.body?.getReader();
  const wrong: [Request | string, Response][] = [
    [new Request(`${ORIGIN}/`, { method: "POST" }), new Response()],
    ["data:text/plain,", new Response()],
    ["/", new Response(null, { status: 206 })],
    ["/", new Response(null, { headers: { vary: "a, *" } })],
    ["/", used],
    ["/", locked],
  ];
  for (const [request, response] of wrong) {
    await assertRejects(
      () => cache.put(request, response),
      TypeError,
      "Cannot",
    );
  }
  await reader?.cancel();
  assertEquals(await cache.keys(), []);
});

Deno.test("put() that cannot read the body leaves the old response", async () => {
  const cache = await createCacheStorage().open("a");
  await cache.put("/", new Response("old"));
  const broken = new ReadableStream({
    pull: (controller) => controller.error(new Error("broken")),
  });
  await assertRejects(
    () => cache.put("/", new Response(broken)),
    Error,
    "broken",
  );
  assertEquals(await (await cache.match("/"))?.text(), "old");
});

Deno.test("match() clones for every caller, with immutable headers", async () => {
  const cache = await createCacheStorage().open("a");
  await cache.put("/", new Response("text"));
  const response = await cache.match("/");
  const clone = response?.clone();
  for (const one of [response, clone]) {
    await assertRejects(
      () => Promise.resolve().then(() => one?.headers.set("x", "y")),
      TypeError,
      "immutable",
    );
    assertEquals(await one?.text(), "text");
  }
});

Deno.test("match() keeps the URL, type and redirection of a fetched response", async () => {
  const fetched = Object.defineProperties(new Response("text"), {
    url: { value: `${ORIGIN}/end` },
    type: { value: "basic" },
    redirected: { value: true },
  });
  const cache = await createCacheStorage().open("a");
  await cache.put("/", fetched);
  const { url, type, redirected } = (await cache.match("/"))?.clone() ?? {};
  assertEquals([url, type, redirected], [`${ORIGIN}/end`, "basic", true]);
});

Deno.test("match() keeps an opaque response opaque", async () => {
  const opaque = Object.defineProperties(new Response(), {
    status: { value: 0 },
    ok: { value: false },
    type: { value: "opaque" },
  });
  const cache = await createCacheStorage().open("a");
  await cache.put("/", opaque);
  const { status, ok, type } = await cache.match("/") ?? {};
  assertEquals([status, ok, type], [0, false, "opaque"]);
});

Deno.test("match() honours every option", async () => {
  const cache = await createCacheStorage().open("a");
  const request = new Request(`${ORIGIN}/a?q`, { headers: { "x-a": "1" } });
  await cache.put(request, new Response("1", { headers: { vary: "x-a" } }));
  const finds = async (...query: Parameters<typeof cache.match>) =>
    await cache.match(...query) !== undefined;
  assertEquals(await finds(request), true);
  assertEquals(await finds("/a?q"), false);
  assertEquals(await finds("/a?q", { ignoreVary: true }), true);
  assertEquals(await finds("/a", { ignoreVary: true }), false);
  assertEquals(
    await finds("/a", { ignoreVary: true, ignoreSearch: true }),
    true,
  );
  const head = new Request(request, { method: "HEAD" });
  assertEquals(await finds(head), false);
  assertEquals(await finds(head, { ignoreMethod: true }), true);
});

Deno.test("matchAll() returns all, or what matches", async () => {
  const cache = await createCacheStorage().open("a");
  for (const path of ["/a?1", "/a?2", "/b"]) {
    await cache.put(path, new Response(path));
  }
  const texts = async (...query: Parameters<typeof cache.matchAll>) =>
    await Promise.all(
      (await cache.matchAll(...query)).map((response) => response.text()),
    );
  assertEquals(await texts(), ["/a?1", "/a?2", "/b"]);
  assertEquals(await texts("/a", { ignoreSearch: true }), ["/a?1", "/a?2"]);
  assertEquals(await texts("/c"), []);
});

Deno.test("a query rejects when it is for no URL", async () => {
  const cache = await createCacheStorage().open("a");
  await assertRejects(() => cache.match("http://:0"), TypeError);
  await assertRejects(() => cache.keys("http://:0"), TypeError);
});

Deno.test("delete() deletes what matches, and says whether there was any", async () => {
  const cache = await createCacheStorage().open("a");
  await cache.put("/a?1", new Response());
  await cache.put("/a?2", new Response());
  assertEquals(await cache.delete("/a"), false);
  assertEquals(await cache.delete("/a", { ignoreSearch: true }), true);
  assertEquals(await cache.keys(), []);
});

Deno.test("addAll() stores all that it fetches", async () => {
  const caches = storageWith((path) => new Response(path));
  const cache = await caches.open("a");
  await cache.addAll(["/a", new Request(`${ORIGIN}/b`)]);
  await cache.addAll([]);
  assertEquals(await (await cache.match("/b"))?.text(), "/b");
  assertEquals((await cache.keys()).length, 2);
});

Deno.test("addAll() stores nothing if one is refused", async () => {
  const answers: Record<string, () => Response> = {
    "/missing": () => new Response(null, { status: 404 }),
    "/part": () => new Response(null, { status: 206 }),
    "/star": () => new Response(null, { headers: { vary: "*" } }),
    "/opaque": () =>
      Object.defineProperty(new Response(), "ok", { value: false }),
  };
  const caches = storageWith((path) => answers[path]?.() ?? new Response());
  const cache = await caches.open("a");
  for (const path of Object.keys(answers)) {
    await assertRejects(() => cache.addAll(["/good", path]), TypeError, path);
  }
  await assertRejects(() => cache.add("data:,"), TypeError, "http");
  await assertRejects(
    () => cache.addAll(["/good", "/good#again"]),
    DOMException,
    "twice",
  );
  assertEquals(await cache.keys(), []);
});

Deno.test("addAll() passes on what the network rejects with", async () => {
  const cache = await createCacheStorage({
    fetch: () => Promise.reject(new TypeError("offline")),
  }).open("a");
  await assertRejects(() => cache.add("/"), TypeError, "offline");
});

Deno.test("match() of the storage looks in every cache, or in one", async () => {
  const caches = createCacheStorage();
  for (const name of ["a", "b"]) {
    await (await caches.open(name)).put("/", new Response(name));
  }
  const text = async (cacheName?: string) =>
    await (await caches.match("/", { cacheName }))?.text();
  assertEquals(await text(), "a");
  assertEquals(await text("b"), "b");
  assertEquals(await text("c"), undefined);
});

Deno.test("quota refuses what does not fit, and leaves what was there", async () => {
  const caches = createCacheStorage({ quota: 1000 });
  const cache = await caches.open("a");
  await cache.put("/", new Response("old"));
  const { usage } = caches;
  const error = await assertRejects(
    () => cache.put("/", new Response("x".repeat(1000))),
    DOMException,
    "of 1000",
  );
  assertEquals(error.name, "QuotaExceededError");
  assertEquals(caches.usage, usage);
  assertEquals(await (await cache.match("/"))?.text(), "old");
});

Deno.test("quota can be changed, and what is deleted is free again", async () => {
  const caches = createCacheStorage();
  const cache = await caches.open("a");
  await cache.put("/a", new Response("x".repeat(500)));
  caches.quota = caches.usage;
  await assertRejects(() => cache.put("/b", new Response("b")), DOMException);
  await cache.put("/a", new Response("y"));
  await cache.put("/b", new Response("b"));
  await cache.delete("/a");
  await caches.delete("a");
  assertEquals(caches.usage, 0);
  // Whoever has it open can go on, at nobody's expense.
  await cache.put("/c", new Response("x".repeat(5000)));
  assertEquals(caches.usage, 0);
});
