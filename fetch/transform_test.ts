// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createCacheStorage } from "../testing/cache_storage.ts";
import { createHost } from "../testing/host.ts";
import { transform } from "./transform.ts";

const URL = "https://example.com/a.ts";

class TestEvent {
  readonly request: Request;
  readonly work: Promise<unknown>[] = [];
  constructor(url = URL) {
    this.request = new Request(url);
  }
  waitUntil(promise: Promise<unknown>): void {
    this.work.push(promise);
  }
}

/** Compiles to upper case, and counts how often. */
function counting() {
  const calls: string[] = [];
  return {
    calls,
    compile(source: string, url: string): string {
      calls.push(url);
      return source.toUpperCase();
    },
  };
}

async function openCache() {
  return await createCacheStorage().open("compiled");
}

Deno.test("transform() answers with what the compiler makes of it", async () => {
  const { compile, calls } = counting();
  const response = await transform(
    new TestEvent(),
    new Response("let é", {
      status: 203,
      headers: {
        "content-type": "video/mp2t",
        "content-length": "6",
        "content-encoding": "gzip",
        "cross-origin-resource-policy": "same-origin",
        "etag": '"a"',
      },
    }),
    (source, url) => Promise.resolve(compile(source, url)),
  );
  assertEquals(response.status, 203);
  assertEquals(Object.fromEntries(response.headers), {
    "content-type": "text/javascript; charset=utf-8",
    "cross-origin-resource-policy": "same-origin",
  });
  assertEquals(await response.text(), "LET É");
  assertEquals(calls, [URL]);
});

Deno.test("transform() compiles a source once", async () => {
  const { compile, calls } = counting();
  const cache = await openCache();
  const answer = async (source: string, options = {}, url = URL) => {
    const event = new TestEvent(url);
    const response = await transform(event, new Response(source), compile, {
      cache,
      ...options,
    });
    await Promise.all(event.work);
    return await response.text();
  };
  assertEquals(await answer("a"), "A");
  assertEquals(await answer("a"), "A");
  assertEquals(calls.length, 1);
  assertEquals(await answer("b"), "B");
  assertEquals(calls.length, 2);
  await answer("a", { version: "2" });
  await answer("a", { type: "text/css" });
  await answer("a", {}, "https://example.com/b.ts");
  assertEquals(calls.length, 5);
});

Deno.test("transform() gives what is stored the headers of today", async () => {
  const { compile } = counting();
  const cache = await openCache();
  for (const name of ["one", "two"]) {
    const event = new TestEvent();
    const source = new Response("a", { headers: { "x-name": name } });
    const response = await transform(event, source, compile, { cache });
    await Promise.all(event.work);
    assertEquals(response.headers.get("x-name"), name);
    assertEquals(
      response.headers.get("content-type"),
      "text/javascript; charset=utf-8",
    );
    assertEquals(await response.text(), "A");
  }
});

Deno.test("transform() says in the script what cannot be compiled", async () => {
  const cache = await openCache();
  const response = await transform(
    new TestEvent(),
    new Response("let"),
    () => {
      throw new RangeError('1:4 no "name"');
    },
    { cache },
  );
  assertEquals(response.status, 200);
  const script = await response.text();
  await assertRejects(
    () => import(`data:text/javascript,${encodeURIComponent(script)}`),
    SyntaxError,
    'Cannot compile https://example.com/a.ts: 1:4 no "name"',
  );
  assertEquals(await cache.keys(), []);
});

Deno.test("transform() says in a text what cannot be compiled to another type", async () => {
  const response = await transform(
    new TestEvent(),
    new Response("a"),
    () => Promise.reject("unclosed block"),
    { type: "text/css" },
  );
  assertEquals(response.status, 500);
  assertEquals(
    response.headers.get("content-type"),
    "text/plain;charset=UTF-8",
  );
  assertEquals(
    await response.text(),
    "Cannot compile https://example.com/a.ts: unclosed block",
  );
});

Deno.test("transform() passes on what is not ok", async () => {
  const { compile, calls } = counting();
  for (
    const response of [new Response("", { status: 404 }), Response.error()]
  ) {
    assertStrictEquals(
      await transform(new TestEvent(), response, compile),
      response,
    );
  }
  assertEquals(calls, []);
});

Deno.test("transform() answers though the cache fails", async () => {
  const { compile } = counting();
  const event = new TestEvent();
  const response = await transform(event, new Response("a"), compile, {
    cache: {
      match: () => Promise.reject(new DOMException("", "UnknownError")),
      put: () => Promise.reject(new DOMException("", "QuotaExceededError")),
    },
  });
  assertEquals(await response.text(), "A");
  assertEquals(await Promise.all(event.work), [undefined]);
});

Deno.test("transform() takes the name of a cache, which may be blocked", async () => {
  const { caches } = globalThis;
  const define = (value: unknown) =>
    Object.defineProperty(globalThis, "caches", { value, configurable: true });
  using stack = new DisposableStack();
  stack.defer(() => define(caches));
  const { compile, calls } = counting();
  const answer = async () => {
    const event = new TestEvent();
    const source = new Response("a");
    const options = { cache: "compiled" };
    const response = await transform(event, source, compile, options);
    await Promise.all(event.work);
    return await response.text();
  };
  define(createCacheStorage());
  assertEquals([await answer(), await answer(), calls.length], ["A", "A", 1]);
  define({ open: () => Promise.reject(new DOMException("", "SecurityError")) });
  assertEquals([await answer(), calls.length], ["A", 2]);
});

Deno.test("transform() rejects a source that breaks off", async () => {
  const broken = new ReadableStream({ start: (c) => c.error(new TypeError()) });
  const { compile } = counting();
  await assertRejects(
    () => transform(new TestEvent(), new Response(broken), compile),
    TypeError,
  );
});

Deno.test("transform() serves a worker that is stopped from its cache", async () => {
  using host = createHost({ network: () => new Response("a") });
  const { compile, calls } = counting();
  await host.register((scope) => {
    scope.addEventListener("fetch", (event) => {
      if (!event.request.url.endsWith(".ts")) return;
      event.respondWith((async () => {
        const cache = await scope.caches.open("compiled");
        const response = await scope.fetch(event.request);
        return await transform(event, response, compile, { cache });
      })());
    });
  });
  const page = await host.openWindow("/");
  assertEquals(await (await page.fetch("/a.ts")).text(), "A");
  await host.idle();
  host.stopWorker();
  assertEquals(await (await page.fetch("/a.ts")).text(), "A");
  assertEquals(calls.length, 1);
});
