// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  createHost,
  type Host,
  type HostFetchEvent,
  type HostOptions,
  type HostWindow,
} from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  cacheFirst,
  cacheOnly,
  networkFirst,
  networkOnly,
  race,
  staleWhileRevalidate,
  type StrategyEvent,
  type StrategyFetch,
} from "./strategies.ts";

type Listener = (event: HostFetchEvent) => Response | Promise<Response>;

const cache = "c";
const ORIGIN = "https://example.test";
const WHOLE_REGEXP = /^(Version \d+;)\1{98}$/;

/** A host whose page asks a worker that answers everything below `/r` with `respond`. */
async function open(
  respond: Listener,
  options: HostOptions = {},
): Promise<{ host: Host; page: HostWindow }> {
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
    ...options,
  });
  await host.register((scope) => {
    scope.addEventListener("fetch", (event) => {
      const { pathname } = new URL(event.request.url);
      if (pathname.startsWith("/r")) event.respondWith(respond(event));
    });
  });
  return { host, page: await host.openWindow("/") };
}

/** Stores a copy. */
async function keep(
  { caches }: Host,
  body: BodyInit = "copy",
  init: ResponseInit = {},
): Promise<void> {
  await (await caches.open(cache)).put("/r", new Response(body, init));
}

/** The text of the copy. */
async function copyOf(
  { caches }: Host,
  url = "/r",
): Promise<string | undefined> {
  return await (await caches.match(url))?.text();
}

/** A network that counts, and answers with what is set. */
class Network {
  count = 0;
  answer: (request: Request) => Response | Promise<Response> = () =>
    new Response("network");

  readonly handle = (request: Request): Response | Promise<Response> => {
    if (!new URL(request.url).pathname.startsWith("/r")) return new Response();
    this.count++;
    return this.answer(request);
  };
}

async function textOf(response: Promise<Response>): Promise<string> {
  return await (await response).text();
}

Deno.test("cacheFirst() answers with the copy and asks nobody", async () => {
  const network = new Network();
  const { host, page } = await open((event) => cacheFirst(event, { cache }), {
    network: network.handle,
  });
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(await textOf(page.fetch("/r")), "network");
  assertEquals(network.count, 1);
  host.close();
});

Deno.test("cacheFirst() takes an open cache, or a promise of it", async () => {
  const network = new Network();
  const { host, page } = await open(
    async (event) => {
      const opened = caches.open(cache);
      const isPromise = event.request.url.endsWith("promise");
      return await cacheFirst(event, {
        cache: isPromise ? opened : await opened,
      });
    },
    { network: network.handle },
  );
  for (const path of ["/r", "/r?promise"]) {
    for (let times = 0; times < 2; times++) {
      assertEquals(await textOf(page.fetch(path)), "network");
      await host.idle();
    }
    assertEquals(await copyOf(host, path), "network");
  }
  assertEquals(network.count, 2);
  host.close();
});

Deno.test("cacheFirst() looks only into its own cache", async () => {
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache: "other" }),
    { network: () => new Response("network") },
  );
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "network");
  host.close();
});

Deno.test("cacheFirst() asks the network when storage is blocked, or was cleared", async () => {
  const blocked = {
    match: () => Promise.reject(new DOMException("No", "SecurityError")),
    put: () => Promise.reject(new DOMException("Full", "QuotaExceededError")),
  };
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache: blocked }),
    { network: () => new Response("network") },
  );
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(host.log.filter((line) => line.includes("rejected")), []);
  host.close();
});

Deno.test("cacheFirst() answers when there is no space left", async () => {
  const { host, page } = await open((event) => cacheFirst(event, { cache }), {
    network: () => new Response("network"),
    quota: 1,
  });
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(await copyOf(host), undefined);
  host.close();
});

Deno.test("cacheFirst() aborts what takes longer than timeout", async () => {
  let aborted: unknown;
  const { host, page } = await open(
    (event) =>
      cacheFirst(event, {
        cache,
        timeout: 3_000,
        fetch: ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted = signal.reason;
              reject(signal.reason);
            });
          }),
        fallback: (_, reason) => new Response(String(reason)),
      }),
    { time: 0 },
  );
  const response = page.fetch("/r");
  await host.clock.advance(3_000);
  assertEquals(
    await textOf(response),
    "TimeoutError: Cannot fetch https://example.test/r: no response came within 3000 ms",
  );
  assert(aborted instanceof DOMException);
  assertEquals(aborted.name, "TimeoutError");
  host.close();
});

Deno.test("networkFirst() answers with the network and stores it", async () => {
  const { host, page } = await open((event) => networkFirst(event, { cache }), {
    network: () => new Response("network"),
  });
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(await copyOf(host), "network");
  host.close();
});

for (const status of [500, 503]) {
  Deno.test(`networkFirst() answers with the copy when the network says ${status}`, async () => {
    const network = new Network();
    network.answer = () => new Response("failed", { status });
    const { host, page } = await open(
      (event) => networkFirst(event, { cache }),
      { network: network.handle },
    );
    const response = await page.fetch("/r");
    assertEquals([response.status, await response.text()], [status, "failed"]);
    await host.idle();
    assertEquals(await copyOf(host), undefined);
    await keep(host);
    assertEquals(await textOf(page.fetch("/r")), "copy");
    await host.idle();
    assertEquals(await copyOf(host), "copy");
    host.close();
  });
}

Deno.test("networkFirst() answers with the copy when the network is not there", async () => {
  const { host, page } = await open((event) => networkFirst(event, { cache }));
  host.network.offline = true;
  await assertRejects(() => page.fetch("/r"), TypeError);
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "copy");
  host.close();
});

Deno.test("networkFirst() passes a 4xx on, which replaces nothing", async () => {
  const { host, page } = await open((event) => networkFirst(event, { cache }), {
    network: () => new Response("none", { status: 404 }),
  });
  await keep(host);
  assertEquals((await page.fetch("/r")).status, 404);
  await host.idle();
  assertEquals(await copyOf(host), "copy");
  host.close();
});

Deno.test("networkFirst() deletes the copy that is gone, in all variants, if told to", async () => {
  const network = new Network();
  const { host, page } = await open(
    (event) => networkFirst(event, { cache, deleteGone: true }),
    { network: network.handle },
  );
  network.answer = ({ headers }) =>
    new Response(headers.get("accept"), { headers: { vary: "Accept" } });
  for (const accept of ["a/b", "c/d"]) {
    await page.fetch("/r", { headers: { accept } });
  }
  await host.idle();
  const opened = await host.caches.open(cache);
  assertEquals((await opened.keys()).length, 2);
  network.answer = () => new Response("", { status: 410 });
  assertEquals((await page.fetch("/r")).status, 410);
  await host.idle();
  assertEquals((await opened.keys()).length, 0);
  host.close();
});

Deno.test("networkFirst() gives the copy after timeout, and stores what comes late", async () => {
  const late = Promise.withResolvers<Response>();
  const { host, page } = await open(
    (event) => networkFirst(event, { cache, timeout: 3_000 }),
    {
      time: 0,
      network: ({ url }) => url.endsWith("/r") ? late.promise : new Response(),
    },
  );
  await keep(host);
  const response = page.fetch("/r");
  await host.clock.advance(3_000);
  assertEquals(await textOf(response), "copy");
  late.resolve(new Response("late"));
  await host.idle();
  assertEquals(await copyOf(host), "late");
  host.close();
});

Deno.test("networkFirst() waits for the network after timeout without a copy", async () => {
  const late = Promise.withResolvers<Response>();
  const { host, page } = await open(
    (event) => networkFirst(event, { cache, timeout: 3_000 }),
    {
      time: 0,
      network: ({ url }) => url.endsWith("/r") ? late.promise : new Response(),
    },
  );
  const response = page.fetch("/r");
  await host.clock.advance(10_000);
  late.resolve(new Response("late"));
  assertEquals(await textOf(response), "late");
  host.close();
});

Deno.test("networkFirst() keeps the worker alive for what comes late, or fails", async () => {
  using time = new FakeTime();
  for (const isThere of [true, false]) {
    const late = Promise.withResolvers<Response>();
    const lifetimes: Promise<unknown>[] = [];
    const stored: string[] = [];
    const answer = networkFirst({
      ...eventFor(),
      waitUntil: (promise) => lifetimes.push(promise),
    }, {
      cache: {
        match: () => Promise.resolve(new Response("copy")),
        put: async (_, response) => void stored.push(await response.text()),
      },
      timeout: 1_000,
      fetch: () => late.promise,
    });
    await time.tickAsync(1_000);
    assertEquals(await textOf(answer), "copy");
    assertEquals(lifetimes.length, 1);
    if (isThere) late.resolve(new Response("late"));
    else late.reject(new TypeError("Offline"));
    for (const lifetime of lifetimes) await lifetime;
    assertEquals(stored, isThere ? ["late"] : []);
  }
});

Deno.test("networkFirst() lets go of the 5xx for which the copy stands in", async () => {
  let isCancelled = false;
  const lifetimes: Promise<unknown>[] = [];
  const failed = new Response(
    new ReadableStream({ cancel: () => void (isCancelled = true) }),
    { status: 500 },
  );
  const response = await networkFirst({
    ...eventFor(),
    waitUntil: (promise) => lifetimes.push(promise),
  }, {
    cache: {
      match: () => Promise.resolve(new Response("copy")),
      put: () => Promise.resolve(),
    },
    fetch: () => Promise.resolve(failed),
  });
  assertEquals(await response.text(), "copy");
  await Promise.all(lifetimes);
  assertEquals(isCancelled, true);
});

Deno.test("networkFirst() rejects when the page has given up, and looks for no copy", async () => {
  const reason = new RangeError("Enough");
  const controller = new AbortController();
  const { signal } = controller;
  const request = new Request(`${ORIGIN}/r`, { signal });
  const answer = networkFirst({ ...eventFor(), request }, {
    cache: {
      match: () => Promise.reject(new Error("It was looked for")),
      put: () => Promise.resolve(),
    },
    fetch: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
    fallback: new Response("fallback"),
  });
  controller.abort(reason);
  assertEquals(await answer.catch((error) => error), reason);
});

Deno.test("networkFirst() gives a copy only for as long as stale-if-error allows, if told to", async () => {
  const start = Date.UTC(2026, 0, 1);
  const network = new Network();
  network.answer = () =>
    new Response("network", {
      headers: {
        "cache-control": "max-age=60, stale-if-error=30",
        date: new Date(start).toUTCString(),
      },
    });
  const { host, page } = await open(
    (event) => networkFirst(event, { cache, staleIfError: true }),
    { time: start, network: network.handle },
  );
  await page.fetch("/r");
  await host.idle();
  network.answer = () => new Response("failed", { status: 500 });
  host.clock.set(start + 90_000);
  assertEquals(await textOf(page.fetch("/r")), "network");
  host.clock.set(start + 91_000);
  assertEquals(await textOf(page.fetch("/r")), "failed");
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "failed");
  const dates = {
    date: new Date(start).toUTCString(),
    expires: new Date(start + 100_000).toUTCString(),
  };
  await keep(host, "copy", { headers: dates });
  assertEquals(await textOf(page.fetch("/r")), "copy");
  host.clock.set(start + 101_000);
  assertEquals(await textOf(page.fetch("/r")), "failed");
  host.close();
});

Deno.test("staleWhileRevalidate() answers with the copy and renews it", async () => {
  const network = new Network();
  const { host, page } = await open(
    (event) => staleWhileRevalidate(event, { cache }),
    { network: network.handle },
  );
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "copy");
  await host.idle();
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(network.count, 2);
  host.close();
});

Deno.test("staleWhileRevalidate() says nothing when the copy cannot be renewed", async () => {
  const { host, page } = await open(
    (event) => staleWhileRevalidate(event, { cache }),
  );
  await keep(host);
  host.network.offline = true;
  assertEquals(await textOf(page.fetch("/r")), "copy");
  await host.idle();
  assertEquals(host.log.filter((line) => line.includes("rejected")), []);
  assertEquals(await copyOf(host), "copy");
  host.close();
});

Deno.test("staleWhileRevalidate() fails, or falls back, without a copy and a network", async () => {
  const fallback = () => new Response("fallback");
  const { host, page } = await open((event) =>
    staleWhileRevalidate(event, {
      cache,
      ...(event.request.url.endsWith("/else") && { fallback }),
    })
  );
  host.network.offline = true;
  await assertRejects(() => page.fetch("/r"), TypeError);
  assertEquals(await textOf(page.fetch("/r/else")), "fallback");
  host.close();
});

Deno.test("staleWhileRevalidate() asks on condition, and renews the headers of a copy that holds", async () => {
  const network = new Network();
  network.answer = ({ headers }) =>
    headers.get("if-none-match") === '"1"'
      ? new Response(null, { status: 304, headers: { "x-checked": "yes" } })
      : new Response("network", { headers: { etag: '"1"', "x-old": "yes" } });
  const { host, page } = await open(
    (event) => staleWhileRevalidate(event, { cache, conditional: true }),
    { network: network.handle },
  );
  for (let visit = 0; visit < 3; visit++) {
    assertEquals(await textOf(page.fetch("/r")), "network");
    await host.idle();
  }
  assertEquals(network.count, 3);
  const copy = await host.caches.match("/r");
  assertEquals(copy?.status, 200);
  assertEquals(copy?.headers.get("x-checked"), "yes");
  assertEquals(copy?.headers.get("x-old"), "yes");
  // It no longer holds.
  network.answer = () => new Response("other", { headers: { etag: '"2"' } });
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(await copyOf(host), "other");
  host.close();
});

Deno.test("networkFirst() asks on condition, by date, and answers with a copy that holds", async () => {
  const date = "Thu, 01 Jan 2026 00:00:00 GMT";
  const { host, page } = await open(
    (event) => networkFirst(event, { cache, conditional: true }),
    {
      network: ({ headers }) =>
        headers.get("if-modified-since") === date
          ? new Response(null, { status: 304 })
          : new Response("network", { headers: { "last-modified": date } }),
    },
  );
  for (let visit = 0; visit < 2; visit++) {
    const response = await page.fetch("/r");
    assertEquals([response.status, await response.text()], [200, "network"]);
    await host.idle();
  }
  host.close();
});

Deno.test("networkFirst() asks another origin without a condition", async () => {
  const conditions: (string | null)[] = [];
  const { host, page } = await open(
    (event) => networkFirst(event, { cache, conditional: true }),
    {
      network: ({ headers, url }) => {
        if (url.startsWith(ORIGIN)) return new Response();
        conditions.push(headers.get("if-modified-since"));
        return new Response(`other ${conditions.length}`, {
          headers: {
            "access-control-allow-origin": "*",
            "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
          },
        });
      },
    },
  );
  const url = "https://other.test/r";
  assertEquals(await textOf(page.fetch(url)), "other 1");
  await host.idle();
  assertEquals((await host.caches.match(url))?.type, "cors");
  assertEquals(await textOf(page.fetch(url)), "other 2");
  assertEquals(conditions, [null, null]);
  host.close();
});

Deno.test("race() answers with the copy and aborts the request", async () => {
  const aborted = Promise.withResolvers<void>();
  const { host, page } = await open(
    (event) =>
      race(event, {
        cache,
        fetch: ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted.resolve();
              reject(signal.reason);
            });
          }),
      }),
  );
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "copy");
  await aborted.promise;
  host.close();
});

Deno.test("race() answers with the network when the cache is slower, and stores it", async () => {
  const slow = Promise.withResolvers<Response | undefined>();
  const stored: string[] = [];
  const { host, page } = await open(
    (event) =>
      race(event, {
        cache: {
          match: () => slow.promise,
          put: async (_, response) => {
            stored.push(await response.text());
          },
        },
      }),
    { network: () => new Response("network") },
  );
  assertEquals(await textOf(page.fetch("/r")), "network");
  slow.resolve(new Response("copy"));
  await host.idle();
  assertEquals(stored, ["network"]);
  host.close();
});

Deno.test("race() waits for the copy when the network has failed, and for the network without a copy", async () => {
  const network = new Network();
  network.answer = () => new Response("failed", { status: 500 });
  const { host, page } = await open((event) => race(event, { cache }), {
    network: network.handle,
  });
  const response = await page.fetch("/r");
  assertEquals([response.status, await response.text()], [500, "failed"]);
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "copy");
  host.close();
});

Deno.test("cacheOnly() never asks the network", async () => {
  const network = new Network();
  const { host, page } = await open((event) => cacheOnly(event, { cache }), {
    network: network.handle,
  });
  const error = await assertRejects(() => page.fetch("/r"), TypeError);
  assert(error.cause instanceof DOMException);
  assertEquals(error.cause.name, "NotFoundError");
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "copy");
  assertEquals(network.count, 0);
  host.close();
});

Deno.test("networkOnly() stores nothing, whatever its options say", async () => {
  const { host, page } = await open(
    (event) => networkOnly(event, { cache } as object),
    { network: () => new Response("network") },
  );
  assertEquals(await textOf(page.fetch("/r")), "network");
  await host.idle();
  assertEquals(await copyOf(host), undefined);
  host.close();
});

Deno.test("networkOnly() answers with what is no failure by isFailure", async () => {
  const network = new Network();
  const fallback = new Response("fallback");
  const { host, page } = await open(
    (event) =>
      networkOnly(event, {
        isFailure: ({ status }) => status === 404,
        fallback,
      }),
    { network: network.handle },
  );
  network.answer = () => new Response("server", { status: 500 });
  assertEquals(await textOf(page.fetch("/r")), "server");
  network.answer = () => new Response("none", { status: 404 });
  // It can be used again.
  assertEquals(await textOf(page.fetch("/r")), "fallback");
  assertEquals(await textOf(page.fetch("/r")), "fallback");
  host.close();
});

Deno.test("networkOnly() falls back to a URL in any cache, or to what has failed", async () => {
  const network = new Network();
  network.answer = () => new Response("failed", { status: 500 });
  const { host, page } = await open(
    (event) => networkOnly(event, { fallback: "/offline.html" }),
    { network: network.handle },
  );
  assertEquals(await textOf(page.fetch("/r")), "failed");
  const opened = await host.caches.open("any");
  await opened.put("/offline.html", new Response("offline"));
  assertEquals(await textOf(page.fetch("/r")), "offline");
  host.close();
});

Deno.test("networkOnly() gives what has failed where the fallback is not there, or says so", async () => {
  const failed = () => Promise.resolve(new Response("failed", { status: 500 }));
  const fallback = (_: Request, reason: unknown) => reason as Response;
  const same = networkOnly(eventFor(), { fetch: failed, fallback });
  assertEquals(await textOf(same), "failed");

  const { caches } = globalThis;
  const define = (value: unknown) =>
    Object.defineProperty(globalThis, "caches", { value, configurable: true });
  using stack = new DisposableStack();
  stack.defer(() => define(caches));
  define({
    match: () => Promise.reject(new DOMException("", "SecurityError")),
  });
  const blocked = networkOnly(eventFor(), { fetch: failed, fallback: "/else" });
  assertEquals(await textOf(blocked), "failed");
});

Deno.test("networkOnly() says which fallback no cache holds", async () => {
  const { host } = await open(() => new Response());
  const cause = new TypeError("offline");
  const failed = () => Promise.reject(cause);
  const error = await assertRejects(
    () => networkOnly(eventFor(), { fetch: failed, fallback: "/offline.html" }),
    TypeError,
    'no cache holds the fallback "/offline.html"; precache it',
  );
  assertEquals(error.cause, cause);
  host.close();
});

Deno.test("cacheFirst() leaves other methods alone", async () => {
  const bodies: string[] = [];
  const { host, page } = await open((event) => cacheFirst(event, { cache }), {
    network: async (request) => {
      bodies.push(await request.text());
      return new Response("posted");
    },
  });
  await keep(host);
  const response = page.fetch("/r", { method: "POST", body: "body" });
  assertEquals(await textOf(response), "posted");
  await host.idle();
  assertEquals(bodies.at(-1), "body");
  assertEquals(await copyOf(host), "copy");
  host.close();
});

Deno.test("cacheFirst() answers HEAD from the copy of GET, without its body", async () => {
  const { host, page } = await open((event) => cacheFirst(event, { cache }), {
    network: ({ method }) => new Response(method === "HEAD" ? null : "network"),
  });
  await page.fetch("/r", { method: "HEAD" });
  await host.idle();
  assertEquals(await copyOf(host), undefined);
  await keep(host, "copy", { headers: { "x-copy": "yes" } });
  const response = await page.fetch("/r", { method: "HEAD" });
  assertEquals(response.headers.get("x-copy"), "yes");
  assertEquals(await response.text(), "");
  host.close();
});

Deno.test("cacheFirst() stores what may be stored, and nothing else", async (t) => {
  const network = new Network();
  const stored: string[] = [];
  // It refuses nothing.
  const anything = {
    match: () => Promise.resolve(undefined),
    put: ({ url }: Request) => Promise.resolve(void stored.push(url)),
  };
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache: anything, isStorable: () => true }),
    { network: network.handle },
  );
  const kinds: [
    name: string,
    answer: () => Response,
    init?: RequestInit,
    isStored?: boolean,
  ][] = [
    ["ok", () => new Response("a"), {}, true],
    ["404 if told to", () => new Response("a", { status: 404 }), {}, true],
    ["206", () => new Response("a", { status: 206 })],
    ["Vary: *", () => new Response("a", { headers: { vary: "Accept, *" } })],
    [
      "no-store",
      () =>
        new Response("a", {
          headers: { "cache-control": "private, No-Store" },
        }),
    ],
    ["no-store of the page", () => new Response("a"), { cache: "no-store" }],
    ["a range", () => new Response("a"), { headers: { range: "bytes=0-" } }],
    ["a redirect", () => Response.redirect(`${ORIGIN}/x`), {
      redirect: "manual",
    }],
  ];
  for (const [name, answer, init = {}, isStored = false] of kinds) {
    await t.step(name, async () => {
      network.answer = answer;
      const url = `/r?${encodeURIComponent(name)}`;
      await page.fetch(url, init);
      await host.idle();
      assertEquals(stored.includes(ORIGIN + url), isStored);
      assertEquals(host.log.filter((line) => line.includes("rejected")), []);
    });
  }
  host.close();
});

Deno.test("cacheFirst() stores what is opaque only if told to, and gives it only to who can take it", async () => {
  let isStored = false;
  const url = "https://other.test/r";
  const { host, page } = await open(
    (event) =>
      cacheFirst(event, {
        cache,
        ...(isStored && {
          isStorable: ({ ok, type }) => ok || type === "opaque",
        }),
      }),
    {
      network: () =>
        new Response("other", {
          headers: { "access-control-allow-origin": "*" },
        }),
    },
  );
  assertEquals((await page.fetch(url, { mode: "no-cors" })).type, "opaque");
  await host.idle();
  assertEquals(await host.caches.match(url), undefined);
  isStored = true;
  await page.fetch(url, { mode: "no-cors" });
  await host.idle();
  assertEquals((await host.caches.match(url))?.type, "opaque");
  assertEquals(await textOf(page.fetch(url)), "other");
  host.close();
});

Deno.test("cacheFirst() keeps a copy for each variant", async () => {
  const network = new Network();
  network.answer = ({ headers }) =>
    new Response(headers.get("accept-language"), {
      headers: { vary: "Accept-Language" },
    });
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache, ignoredParams: /^utm_/ }),
    { network: network.handle },
  );
  const ask = (language: string) =>
    textOf(page.fetch("/r", { headers: { "accept-language": language } }));
  for (const language of ["de", "fr", "de", "fr"]) {
    assertEquals(await ask(language), language);
    await host.idle();
  }
  assertEquals(network.count, 2);
  host.close();
});

Deno.test("cacheFirst() leaves ignored parameters and the hash out of account, and keeps the order of others", async () => {
  const network = new Network();
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache, ignoredParams: /^(utm_|fbclid$)/g }),
    { network: network.handle },
  );
  for (
    const url of [
      "/r?b=%201&utm_source=x&a=2#part",
      "/r?fbclid=1&b=%201&a=2",
      "/r?utm_a&utm_b&b=%201&a=2",
    ]
  ) {
    await page.fetch(url);
    await host.idle();
  }
  assertEquals(network.count, 1);
  await page.fetch("/r?a=2&b=%201");
  assertEquals(network.count, 2);
  await host.idle();
  const keys = await (await host.caches.open(cache)).keys();
  assertEquals(keys.map(({ url }) => url), [
    `${ORIGIN}/r?b=%201&a=2`,
    `${ORIGIN}/r?a=2&b=%201`,
  ]);
  host.close();
});

Deno.test("cacheOnly() finds the copy by key and matchOptions", async () => {
  const { host, page } = await open(
    (event) =>
      cacheOnly(event, {
        cache,
        key: () => "/r?1",
        matchOptions: { ignoreSearch: true },
      }),
  );
  await keep(host);
  assertEquals(await textOf(page.fetch("/r/other")), "copy");
  host.close();
});

Deno.test("cacheFirst() stores under the key, with its query", async () => {
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache, key: () => "/r?a=1&b=2" }),
    { network: () => new Response("network") },
  );
  await page.fetch("/r/other");
  await host.idle();
  const keys = await (await host.caches.open(cache)).keys();
  assertEquals(keys.map(({ url }) => url), [`${ORIGIN}/r?a=1&b=2`]);
  host.close();
});

Deno.test("networkFirst() stores though the event has failed", async () => {
  const stored: string[] = [];
  const lifetimes: Promise<unknown>[] = [];
  await networkFirst({
    request: new Request(`${ORIGIN}/r`),
    handled: Promise.reject(new DOMException("It failed", "NetworkError")),
    waitUntil: (promise) => lifetimes.push(promise),
  }, {
    cache: {
      match: () => Promise.resolve(undefined),
      put: async (_, response) => void stored.push(await response.text()),
    },
    fetch: () => Promise.resolve(new Response("network")),
  });
  await Promise.all(lifetimes);
  assertEquals(stored, ["network"]);
});

Deno.test("networkFirst() never replaces a copy by a body that breaks off", async () => {
  const { host, page } = await open((event) => networkFirst(event, { cache }), {
    network: () => new Response("network"),
  });
  await keep(host);
  host.network.cutAfter = 3;
  const response = await page.fetch("/r");
  await assertRejects(() => response.text(), TypeError);
  await host.idle();
  assertEquals(await copyOf(host), "copy");
  host.close();
});

Deno.test("networkFirst() writes after the page has its response", async () => {
  const order: string[] = [];
  const handled = Promise.withResolvers<void>();
  const lifetimes: Promise<unknown>[] = [];
  await networkFirst(
    {
      request: new Request(`${ORIGIN}/r`),
      handled: handled.promise,
      waitUntil: (promise) => lifetimes.push(promise),
    },
    {
      cache: {
        match: () => Promise.resolve(undefined),
        put: () => Promise.resolve(void order.push("put")),
      },
      fetch: () => Promise.resolve(new Response("network")),
    },
  );
  await new Promise((resolve) => setTimeout(resolve));
  order.push("handled");
  handled.resolve();
  await Promise.all(lifetimes);
  assertEquals(order, ["handled", "put"]);
});

Deno.test("staleWhileRevalidate() asks after the page has its response", async () => {
  const order: string[] = [];
  const handled = Promise.withResolvers<void>();
  const lifetimes: Promise<unknown>[] = [];
  await staleWhileRevalidate(
    {
      request: new Request(`${ORIGIN}/r`),
      handled: handled.promise,
      waitUntil: (promise) => lifetimes.push(promise),
    },
    {
      cache: {
        match: () => Promise.resolve(new Response("copy")),
        put: () => Promise.resolve(),
      },
      fetch: () => {
        order.push("fetch");
        return Promise.resolve(new Response("network"));
      },
    },
  );
  await new Promise((resolve) => setTimeout(resolve));
  order.push("handled");
  handled.resolve();
  for (const lifetime of lifetimes) await lifetime;
  assertEquals(order, ["handled", "fetch"]);
});

Deno.test("cacheFirst() answers a navigation with no redirected response", async () => {
  const { host } = await open((event) => cacheFirst(event, { cache }), {
    network: ({ url }) =>
      url.endsWith("/old")
        ? Response.redirect(`${ORIGIN}/new`)
        : new Response("new"),
  });
  // As `cache.add()` leaves it.
  const opened = await host.caches.open(cache);
  const page = await host.openWindow("/");
  const followed = await page.fetch("/old");
  assertEquals(followed.redirected, true);
  await opened.put("/r", followed);
  const other = await host.openWindow("/r");
  assertEquals(await other.response.text(), "new");
  host.close();
});

Deno.test("networkFirst() has a navigation redirected, and stores nothing", async () => {
  const { host } = await open((event) => networkFirst(event, { cache }), {
    network: ({ url }) =>
      url.endsWith("/r")
        ? Response.redirect(`${ORIGIN}/new`)
        : new Response("new"),
  });
  await keep(host);
  const page = await host.openWindow("/r");
  assertEquals(page.url, `${ORIGIN}/new`);
  await host.idle();
  assertEquals(await copyOf(host), "copy");
  host.close();
});

/** Opens a window at `/r`, with navigation preload enabled. */
async function preloaded(
  strategy: (event: StrategyEvent) => Promise<Response>,
  network: Network,
  withCopy: boolean,
): Promise<{ text: string; host: Host }> {
  const host = createHost({
    network: network.handle,
    globals: globalThis,
    context: new AsyncLocalStorage(),
  });
  await host.register((scope) => {
    scope.addEventListener("activate", (event) => {
      event.waitUntil(scope.registration.navigationPreload?.enable());
    });
    scope.addEventListener(
      "fetch",
      (event) => event.respondWith(strategy(event)),
    );
  });
  if (withCopy) await keep(host);
  const { response } = await host.openWindow("/r");
  const text = await response.text();
  await host.idle();
  return { text, host };
}

Deno.test("networkFirst() answers a navigation with its preload, and stores it", async () => {
  const network = new Network();
  const { text, host } = await preloaded(
    (event) => networkFirst(event, { cache, timeout: 1_000 }),
    network,
    false,
  );
  assertEquals([text, network.count], ["network", 1]);
  assertEquals(await copyOf(host), "network");
  host.close();
});

Deno.test("networkFirst() answers with the copy when the network resolves with an error", async () => {
  const { host, page } = await open(
    (event) =>
      networkFirst(event, {
        cache,
        isFailure: () => false,
        fetch: () => Promise.resolve(Response.error()),
      }),
  );
  await keep(host);
  assertEquals(await textOf(page.fetch("/r")), "copy");
  host.close();
});

for (const strategy of [cacheFirst, cacheOnly, race]) {
  Deno.test(`${strategy.name}() reads a preload that it does not need to its end`, async () => {
    const lifetimes: Promise<unknown>[] = [];
    const late = Promise.withResolvers<Response>();
    const request = new Request(`${ORIGIN}/r`);
    Object.defineProperty(request, "mode", { value: "navigate" });
    const response = await strategy({
      request,
      handled: Promise.resolve(),
      preloadResponse: late.promise,
      waitUntil: (promise) => lifetimes.push(promise),
    }, {
      cache: {
        match: () => Promise.resolve(new Response("copy")),
        put: (_, response) => response.text().then(() => {}),
      },
    });
    assertEquals(await response.text(), "copy");
    const preload = new Response("network");
    late.resolve(preload);
    // Some are only known when others are over.
    for (const lifetime of lifetimes) await lifetime;
    assertEquals(preload.bodyUsed, true);
  });
}

Deno.test("staleWhileRevalidate() renews a page from its preload", async () => {
  const network = new Network();
  const { text, host } = await preloaded(
    (event) => staleWhileRevalidate(event, { cache }),
    network,
    true,
  );
  assertEquals([text, network.count], ["copy", 1]);
  assertEquals(await copyOf(host), "network");
  host.close();
});

Deno.test("cacheFirst() shares a request in flight, and stores its response once", async () => {
  const network = new Network();
  const { promise, resolve } = Promise.withResolvers<Response>();
  network.answer = () => promise;
  const inFlight = new Map<string, StrategyFetch>();
  const { host, page } = await open(
    (event) => cacheFirst(event, { cache, inFlight }),
    { network: network.handle },
  );
  const responses = [page.fetch("/r"), page.fetch("/r"), page.fetch("/r")];
  const other = page.fetch("/r", { headers: { accept: "text/plain" } });
  while (network.count < 2) await new Promise((done) => setTimeout(done));
  network.answer = () => new Response("again");
  resolve(new Response("network"));
  assertEquals(
    await Promise.all(responses.map(textOf)),
    ["network", "network", "network"],
  );
  await other.catch(() => {});
  await host.idle();
  assertEquals(network.count, 2);
  assertEquals(inFlight.size, 0);
  host.close();
});

Deno.test("networkOnly() forgets a shared request that has failed", async () => {
  const inFlight = new Map<string, StrategyFetch>();
  const { host, page } = await open(
    (event) => networkOnly(event, { inFlight }),
    {
      network: () => new Response("network"),
    },
  );
  host.network.offline = true;
  const failed = await Promise.allSettled([page.fetch("/r"), page.fetch("/r")]);
  assertEquals(failed.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals(inFlight.size, 0);
  host.network.offline = false;
  assertEquals(await textOf(page.fetch("/r")), "network");
  host.close();
});

/** An event that nobody dispatched. */
function eventFor(url = `${ORIGIN}/r`): StrategyEvent {
  return {
    request: new Request(url),
    handled: Promise.resolve(),
    waitUntil() {},
  };
}

/** A network that answers when it is told to, and notices an abort. */
function manual(): {
  aborted: boolean;
  resolve(response: Response): void;
  fetch(request: Request): Promise<Response>;
} {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const state = {
    aborted: false,
    resolve,
    fetch({ signal }: Request) {
      signal.addEventListener("abort", () => {
        state.aborted = true;
        reject(signal.reason);
      });
      return promise;
    },
  };
  return state;
}

for (const strategy of [cacheFirst, networkFirst, staleWhileRevalidate, race]) {
  Deno.test(`${strategy.name}() rejects with the reason of an already aborted signal, and reads the preload`, async () => {
    const reason = new RangeError("Enough");
    const request = new Request(`${ORIGIN}/r`);
    Object.defineProperty(request, "mode", { value: "navigate" });
    const preload = new Response("network");
    let asked = 0;
    for (const preloadResponse of [undefined, Promise.resolve(preload)]) {
      const lifetimes: Promise<unknown>[] = [];
      const answer = strategy({
        request,
        preloadResponse,
        waitUntil: (promise) => lifetimes.push(promise),
      }, {
        cache: {
          match: () => Promise.resolve(new Response("copy")),
          put: () => Promise.resolve(),
        },
        signal: AbortSignal.abort(reason),
        fetch: () => Promise.resolve(new Response(String(++asked))),
      });
      assertEquals(await answer.catch((error) => error), reason);
      await Promise.all(lifetimes);
    }
    assertEquals([asked, preload.bodyUsed], [0, true]);
  });
}

Deno.test("networkOnly() rejects with the reason of an already aborted signal", async () => {
  const reason = new RangeError("Enough");
  const { fetch } = manual();
  let asked = false;
  const error = await assertRejects(() =>
    networkOnly(eventFor(), {
      signal: AbortSignal.abort(reason),
      fetch: (request) => (asked = true, fetch(request)),
      fallback: new Response(),
    })
  );
  assertEquals([error, asked], [reason, false]);
});

Deno.test("networkFirst() rejects with the reason of a signal aborted later", async () => {
  const reason = new RangeError("Enough");
  const controller = new AbortController();
  const network = manual();
  const response = networkFirst(eventFor(), {
    cache: {
      match: () => Promise.resolve(new Response("copy")),
      put: () => Promise.resolve(),
    },
    signal: controller.signal,
    fetch: network.fetch,
  });
  controller.abort(reason);
  assertEquals(await assertRejects(() => response), reason);
  assertEquals(network.aborted, true);
});

Deno.test("networkOnly() rejects only the call whose signal is aborted, though they share a request", async () => {
  const inFlight = new Map<string, StrategyFetch>();
  const reason = new RangeError("Enough");
  const controller = new AbortController();
  const network = manual();
  const { fetch } = network;
  const options = { inFlight, fetch };
  const aborted = networkOnly(eventFor(), {
    ...options,
    signal: controller.signal,
  });
  const other = networkOnly(eventFor(), options);
  controller.abort(reason);
  assertEquals(await assertRejects(() => aborted), reason);
  assertEquals([network.aborted, inFlight.size], [false, 1]);
  network.resolve(new Response("network"));
  assertEquals(await textOf(other), "network");
  assertEquals(inFlight.size, 0);
});

Deno.test("networkOnly() aborts a shared request that nobody waits for", async () => {
  const inFlight = new Map<string, StrategyFetch>();
  const controller = new AbortController();
  const { signal } = controller;
  const network = manual();
  const { fetch } = network;
  const calls = [1, 2].map(() =>
    networkOnly(eventFor(), { inFlight, fetch, signal })
  );
  controller.abort();
  await Promise.allSettled(calls);
  assertEquals([network.aborted, inFlight.size], [true, 0]);
});

Deno.test("networkOnly() removes its abort listener when it settles", async () => {
  const listeners = new Set<unknown>();
  const { signal } = new AbortController();
  const request = new Request(`${ORIGIN}/r`);
  const any = AbortSignal.any;
  using stack = new DisposableStack();
  stack.defer(() => AbortSignal.any = any);
  AbortSignal.any = (signals) => {
    const combined = any.call(AbortSignal, signals);
    const { addEventListener, removeEventListener } = combined;
    combined.addEventListener = (type: string, listener: EventListener) => {
      listeners.add(listener);
      addEventListener.call(combined, type, listener);
    };
    combined.removeEventListener = (type: string, listener: EventListener) => {
      listeners.delete(listener);
      removeEventListener.call(combined, type, listener);
    };
    return combined;
  };
  await networkOnly({ request, waitUntil() {} }, {
    signal,
    fetch: () => Promise.resolve(new Response()),
  });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(listeners.size, 0);
});

Deno.test("networkFirst() and networkOnly() leave no timer when the network is in time", async () => {
  // A timer that was left would fail the test.
  for (const strategy of [networkFirst, networkOnly]) {
    const response = await strategy(eventFor(), {
      cache: {
        match: () => Promise.resolve(undefined),
        put: () => Promise.resolve(),
      },
      timeout: 100_000,
      isStorable: () => false,
      fetch: () => Promise.resolve(new Response("network")),
    });
    assertEquals(await response.text(), "network");
  }
});

Deno.test("networkOnly() asks for what is only asked for by DevTools", async () => {
  const request = new Request(`${ORIGIN}/r`);
  for (const [name, value] of [["cache", "only-if-cached"], ["mode", "cors"]]) {
    Object.defineProperty(request, name ?? "", { value });
  }
  const sent: Request[] = [];
  const send = (request: Request) =>
    networkOnly({ request, waitUntil() {} }, {
      fetch: (request) => {
        sent.push(request);
        return Promise.resolve(new Response());
      },
    });
  await send(request);
  assertEquals(sent[0] === request, false);
  assertEquals(sent[0]?.url, request.url);
  // Any other goes as it is.
  const plain = new Request(`${ORIGIN}/r`);
  await send(plain);
  assertEquals(sent[1] === plain, true);
});

Deno.test("networkOnly() shares no request that changes something", async () => {
  const inFlight = new Map<string, StrategyFetch>();
  let count = 0;
  const send = () =>
    networkOnly({
      request: new Request(`${ORIGIN}/r`, { method: "DELETE" }),
      waitUntil() {},
    }, {
      inFlight,
      fetch: () => Promise.resolve(new Response(String(++count))),
    });
  const texts = await Promise.all([send(), send()].map(textOf));
  assertEquals(texts, ["1", "2"]);
});

Deno.test("networkOnly() aborts an image after timeout, and a range that a script asks for", async () => {
  using time = new FakeTime();
  const headers = { range: "bytes=0-" };
  const image = new Request(`${ORIGIN}/r`);
  Object.defineProperty(image, "mode", { value: "no-cors" });
  for (const request of [image, new Request(`${ORIGIN}/r`, { headers })]) {
    const network = manual();
    const answer = networkOnly({ request, waitUntil() {} }, {
      timeout: 1_000,
      fetch: network.fetch,
    });
    const failed = assertRejects(() => answer, DOMException, "within 1000 ms");
    await time.tickAsync(1_000);
    await failed;
    assertEquals(network.aborted, true);
  }
});

Deno.test("networkOnly() passes on the range that a media element asks for", async () => {
  const inFlight = new Map<string, StrategyFetch>();
  const { signal } = new AbortController();
  for (const options of [{ timeout: 1_000 }, { signal }, { inFlight }]) {
    const headers = { range: "bytes=0-" };
    const request = new Request(`${ORIGIN}/r`, { headers });
    // A request made of it would be without the header.
    Object.defineProperty(request, "mode", { value: "no-cors" });
    const sent: Request[] = [];
    await networkOnly({ request, waitUntil() {} }, {
      ...options,
      fetch: (request) => {
        sent.push(request);
        return Promise.resolve(new Response());
      },
    });
    assertEquals(sent, [request]);
    assertEquals(sent[0] === request, true);
  }
});

Deno.test("networkOnly() lets go of a range that comes too late", async () => {
  using time = new FakeTime();
  const headers = { range: "bytes=0-" };
  const request = new Request(`${ORIGIN}/r`, { headers });
  Object.defineProperty(request, "mode", { value: "no-cors" });
  const late = Promise.withResolvers<Response>();
  const lifetimes: Promise<unknown>[] = [];
  const answer = networkOnly({
    request,
    waitUntil: (promise) => lifetimes.push(promise),
  }, { timeout: 1_000, fetch: () => late.promise });
  const failed = assertRejects(() => answer, DOMException, "within 1000 ms");
  await time.tickAsync(1_000);
  await failed;
  let isCancelled = false;
  late.resolve(
    new Response(
      new ReadableStream({ cancel: () => void (isCancelled = true) }),
    ),
  );
  await Promise.all(lifetimes);
  assertEquals(isCancelled, true);
});

for (
  const [name, strategy] of Object.entries({
    cacheFirst,
    networkFirst,
    staleWhileRevalidate,
    race,
  })
) {
  Deno.test(`${name}() leaves a whole copy or none, wherever the worker is stopped`, async () => {
    const stops = await stopAtEachStep(async (arm) => {
      let version = 0;
      const { host, page } = await open((event) => strategy(event, { cache }), {
        network: () => new Response(`Version ${++version};`.repeat(99)),
      });
      arm(host);
      const visit = async () => {
        // A worker that is stopped fails what it is asked.
        await page.fetch("/r").then((response) => response.text())
          .catch(() => {});
        await host.idle();
        const copy = await copyOf(host);
        if (copy !== undefined) assert(WHOLE_REGEXP.test(copy), copy);
        return copy !== undefined;
      };
      await visit();
      while (!await visit());
      host.close();
    });
    assert(stops > 3);
  });
}
