// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { createCacheStorage } from "../testing/cache_storage.ts";
import { putInCache } from "./put_in_cache.ts";

const URL_A = "https://a.test/a";

/** A cache with some room. */
async function open(quota = Infinity) {
  const caches = createCacheStorage({ quota });
  return { caches, cache: await caches.open("c") };
}

function bytes(size: number, headers: HeadersInit = {}): Response {
  return new Response(new Uint8Array(size), { headers });
}

/** A response as no constructor makes it. */
function like(response: Response, facts: Partial<Response>): Response {
  return new Proxy(response, {
    get(target, key) {
      const value = Reflect.get(key in facts ? facts : target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("putInCache() stores a response, and says so", async () => {
  const { cache } = await open();
  for (const request of [URL_A, new URL(URL_A), new Request(URL_A)]) {
    const response = new Response(String(request));
    assertEquals(await putInCache(cache, request, response), true);
    assert(response.bodyUsed);
    const stored = await cache.match(URL_A);
    assertEquals(await stored?.text(), String(request));
  }
});

Deno.test("putInCache() takes the name of a cache, or a promise of it", async () => {
  const { caches } = await open();
  const before = Object.getOwnPropertyDescriptor(globalThis, "caches");
  Object.defineProperty(globalThis, "caches", {
    value: caches,
    configurable: true,
  });
  try {
    assert(await putInCache("named", URL_A, new Response("named")));
    const promised = caches.open("promised");
    assert(await putInCache(promised, URL_A, new Response("promised")));
  } finally {
    if (before) Object.defineProperty(globalThis, "caches", before);
  }
  for (const cacheName of ["named", "promised"]) {
    const stored = await caches.match(URL_A, { cacheName });
    assertEquals(await stored?.text(), cacheName);
  }
});

Deno.test("putInCache() stores what may be stored, and nothing else", async (t) => {
  const of = (headers: HeadersInit) => new Response("a", { headers });
  const cases: [string, Response, boolean, RequestInit?][] = [
    ["a success", new Response("a"), true],
    ["a success without a body", new Response(null, { status: 204 }), true],
    [
      "what may be stored for a while",
      of({ "cache-control": "no-cache" }),
      true,
    ],
    ["what varies", of({ vary: "Accept, Cookie" }), true],
    ["an error page", new Response("a", { status: 500 }), false],
    ["what is missing", new Response("a", { status: 404 }), false],
    ["a part", new Response("a", { status: 206 }), false],
    ["what varies by anything", of({ vary: "Accept, *" }), false],
    ["no-store", of({ "cache-control": "private, No-Store" }), false],
    ["no-store of the page", new Response("a"), false, { cache: "no-store" }],
    ["a range", new Response("a"), false, { headers: { range: "bytes=0-1" } }],
    ["an answer to POST", new Response("a"), false, { method: "POST" }],
    ["an answer to HEAD", new Response(null), false, { method: "HEAD" }],
    ["a network error", Response.error(), false],
    [
      "a redirect",
      like(new Response(null), { type: "opaqueredirect", ok: true }),
      false,
    ],
    [
      "what is opaque",
      like(new Response("a"), { type: "opaque", ok: false }),
      false,
    ],
  ];
  for (const [name, response, isStored, init] of cases) {
    await t.step(name, async () => {
      const { cache } = await open();
      const request = new Request(URL_A, init);
      assertEquals(await putInCache(cache, request, response), isStored);
      assertEquals((await cache.keys()).length, isStored ? 1 : 0);
      // Nothing of it is left in memory.
      assert(response.bodyUsed || response.body === null);
    });
  }
  await t.step("another protocol", async () => {
    const { cache } = await open();
    const request = new Request("data:,a");
    assertEquals(await putInCache(cache, request, new Response("a")), false);
  });
});

Deno.test("putInCache() asks what is storable, within what may be stored", async () => {
  const { cache } = await open();
  const put = (response: Response, isStorable: (one: Response) => boolean) =>
    putInCache(cache, URL_A, response, { isStorable });
  const missing = () => new Response("a", { status: 404 });
  assertEquals(await put(missing(), ({ status }) => status === 404), true);
  assertEquals(await put(new Response("b"), () => false), false);
  assertEquals(
    await put(new Response("c", { status: 206 }), () => true),
    false,
  );
  assertEquals(await (await cache.match(URL_A))?.text(), "a");
});

Deno.test("putInCache() makes room, and stores the response then", async () => {
  const { caches, cache } = await open(100_000);
  const old = await caches.open("old");
  await old.put(URL_A, bytes(60_000));
  const asked: unknown[] = [];
  const makeRoom = async (bytes: number | undefined) => {
    asked.push(bytes);
    await caches.delete("old");
  };
  const response = bytes(50_000, { "content-length": "50000" });
  assertEquals(await putInCache(cache, URL_A, response, { makeRoom }), true);
  const stored = await cache.match(URL_A);
  assertEquals((await stored?.blob())?.size, 50_000);
  // There is room: nothing is made.
  await putInCache(cache, `${URL_A}/b`, bytes(1), { makeRoom });
  assertEquals(asked, [50_000]);
});

Deno.test("putInCache() resolves with false where no room can be made, and tries once", async () => {
  const { cache } = await open(10_000);
  const made: unknown[] = [];
  const makeRoom = (bytes: unknown) => made.push(bytes);
  assertEquals(await putInCache(cache, URL_A, bytes(20_000)), false);
  const response = bytes(20_000, {
    "content-encoding": "gzip",
    "content-length": "9",
  });
  assertEquals(await putInCache(cache, URL_A, response, { makeRoom }), false);
  // Of what was encoded, nobody knows how much it is.
  assertEquals(made, [undefined]);
  assertEquals(await cache.keys(), []);
});

Deno.test("putInCache() makes room for what is large, and does not keep it meanwhile", async () => {
  const asked: unknown[] = [];
  let puts = 0;
  let isCloned = false;
  const cache = {
    async put(_request: Request, response: Response) {
      puts++;
      await response.body?.cancel();
      throw new DOMException("full", "NS_ERROR_FILE_NO_DEVICE_SPACE");
    },
  };
  const response = bytes(1, { "content-length": "8000001" });
  const clone = response.clone.bind(response);
  response.clone = () => {
    isCloned = true;
    return clone();
  };
  const makeRoom = (bytes: unknown) => asked.push(bytes);
  assertEquals(await putInCache(cache, URL_A, response, { makeRoom }), false);
  assertEquals([asked, puts, isCloned], [[8_000_001], 1, false]);
});

Deno.test("putInCache() rejects with what is no lack of room, and with what makeRoom() throws", async () => {
  const denied = new DOMException("denied", "SecurityError");
  const failing = {
    put: async (_request: Request, response: Response) => {
      await response.body?.cancel();
      throw denied;
    },
  };
  const makeRoom = () => Promise.reject(denied);
  const { cache } = await open(1);
  for (const each of [failing, cache]) {
    const error = await assertRejects(() =>
      putInCache(each, URL_A, bytes(9), { makeRoom })
    );
    assertStrictEquals(error, denied);
  }
  const used = new Response("a");
  await used.text();
  await assertRejects(() => putInCache(cache, URL_A, used), TypeError);
});

Deno.test("putInCache() keeps what was stored when a body breaks off", async () => {
  const { cache } = await open();
  await putInCache(cache, URL_A, new Response("before"));
  const failure = new TypeError("cut");
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulls++ === 0) controller.enqueue(new Uint8Array(9));
      else controller.error(failure);
    },
  });
  const makeRoom = () => {
    throw new Error("There is room");
  };
  await assertRejects(
    () => putInCache(cache, URL_A, new Response(body), { makeRoom }),
    TypeError,
    "cut",
  );
  assertEquals(await (await cache.match(URL_A))?.text(), "before");
});
