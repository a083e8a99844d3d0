// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { activate } from "../lifecycle/activate.ts";
import { createCacheStorage } from "../testing/cache_storage.ts";
import { createHost, type Host, type HostScope } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  type Precache,
  precache,
  type PrecacheEvent,
  type PrecacheFetchInit,
  type PrecacheManifest,
  type PrecacheOptions,
  type PrecacheProgress,
} from "./precache.ts";

const ORIGIN = "https://example.test";
const RECORD = `${ORIGIN}/@serviceworker/std/precache`;

/** Entries for URLs: "/a" with the revision of the version, "/a?" optional, "/a!" with a hashed name. */
function manifestOf(version: string, ...urls: string[]): PrecacheManifest {
  return {
    version,
    entries: urls.map((text) => {
      const [url = "", revision = version] = text.replace(/[?!]/g, "").split(
        "@",
      );
      return {
        url,
        ...(!text.includes("!") && { revision }),
        ...(text.includes("?") && { required: false }),
        size: 10,
      };
    }),
  };
}

const FIRST = manifestOf("1", "/", "/app.js", "/logo.svg@same", "/help?");
const SECOND = manifestOf("2", "/", "/app.js", "/logo.svg@same", "/help?");

/** A worker that precaches. */
function workerOf(
  manifest: PrecacheManifest,
  options: Partial<PrecacheOptions> = {},
  seen?: (files: Precache) => void,
) {
  return (self: HostScope) => {
    const files = precache(self, manifest, { name: "app", ...options });
    seen?.(files);
    self.addEventListener("install", (event) => {
      event.waitUntil(files.install());
    });
    self.addEventListener("activate", (event) => {
      event.waitUntil(activate(self, files));
    });
    self.addEventListener("message", (event) => {
      event.waitUntil(files.rest());
    });
    self.addEventListener("fetch", (event) => {
      if (files.has(event.request)) event.respondWith(files.respond(event));
    });
  };
}

/** A server whose answers say which version it has. */
function serve(version = "1") {
  const server = {
    version,
    answers: new Map<string, () => Response>(),
    network: (request: Request) => {
      const { pathname } = new URL(request.url);
      const answer = server.answers.get(pathname);
      return answer?.() ?? new Response(`${pathname} of ${server.version}`);
    },
  };
  return server;
}

/** A scope without a browser, whose `fetch()` obeys its signal. */
function scopeOf(answer: (request: Request) => Response | Promise<Response>) {
  const asked: [url: string, init: PrecacheFetchInit | undefined][] = [];
  return {
    asked,
    caches: createCacheStorage(),
    registration: { scope: `${ORIGIN}/` },
    fetch(request: Request | string, init?: PrecacheFetchInit) {
      asked.push([typeof request === "string" ? request : request.url, init]);
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      const { signal } = init ?? {};
      if (signal?.aborted) return Promise.reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason));
      Promise.try(answer, new Request(request, { signal: null }))
        .then(resolve, reject);
      return promise;
    },
  };
}

/** Which files a version has, with their texts. */
async function stored(
  host: Host,
  version: string,
): Promise<Record<string, string>> {
  const name = `app ${ORIGIN}/ ${version}`;
  if (!await host.caches.has(name)) return {};
  const cache = await host.caches.open(name);
  const texts: Record<string, string> = {};
  for (const { url } of await cache.keys()) {
    if (url === RECORD) continue;
    const response = await cache.match(url);
    texts[url.replace(ORIGIN, "")] = await response!.text();
  }
  return texts;
}

/** What was asked of the server, without what the host itself loads. */
function requested(host: Host, from = 0): string[] {
  return host.network.requests.slice(from)
    .map(({ url }) => url.replace(ORIGIN, ""));
}

/** Tries once more. */
function again<T>(work: () => Promise<T>): Promise<T> {
  return work().catch(work);
}

/** Calls the worker with nothing but a message, and waits until it is done. */
async function wake(host: Host): Promise<void> {
  const registration = await host.windows[0]?.serviceWorker.getRegistration();
  registration?.active?.postMessage("rest");
  await host.idle();
}

Deno.test("precache() stores what is required, then the rest", async () => {
  const { network } = serve();
  using host = createHost({ network });
  await host.register(workerOf(FIRST));
  assertEquals(await stored(host, "1"), {
    "/": "/ of 1",
    "/app.js": "/app.js of 1",
    "/logo.svg": "/logo.svg of 1",
  });
  await host.openWindow("/");
  await wake(host);
  assertEquals((await stored(host, "1"))["/help"], "/help of 1");

  host.network.offline = true;
  const page = host.windows[0]!;
  assertEquals(await (await page.fetch("/help")).text(), "/help of 1");
  assertEquals(await (await page.reload()).text(), "/ of 1");
});

Deno.test("precache() asks nothing and reads once if the manifest is the same", async () => {
  const { network } = serve();
  using host = createHost({ network });
  const registration = await host.register(workerOf(FIRST));
  await host.openWindow("/");
  const asked = host.network.requests.length;
  const before = host.log.length;
  host.deploy("/sw.js", (self) => workerOf(FIRST)(self));
  await registration.update();
  await host.idle();
  assertEquals(requested(host, asked), []);
  const steps = host.log.slice(before).filter((line) => line.includes("ache"));
  assertEquals(steps.length, 1, steps.join("\n"));
  assertStringIncludes(steps[0]!, "match");
});

Deno.test("precache() copies what an older version has", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  const registration = await host.register(workerOf(FIRST));
  const asked = host.network.requests.length;
  server.version = "2";
  host.deploy("/sw.js", workerOf(SECOND));
  await registration.update();
  await host.idle();
  assertEquals(requested(host, asked).toSorted(), ["/", "/app.js"]);
  assertEquals(await stored(host, "2"), {
    "/": "/ of 2",
    "/app.js": "/app.js of 2",
    "/logo.svg": "/logo.svg of 1",
  });
});

Deno.test("precache() copies from a version whose installation failed", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  const registration = await host.register(workerOf(FIRST));
  server.answers.set("/app.js", () => new Response("", { status: 503 }));
  host.deploy("/sw.js", workerOf(SECOND, { concurrency: 1 }));
  await registration.update().catch(() => {});
  await host.idle();
  server.answers.clear();
  const third = manifestOf("3", "/@2", "/app.js", "/logo.svg@same");
  const asked = host.network.requests.length;
  host.deploy("/sw.js", workerOf(third));
  await registration.update();
  await host.idle();
  assertEquals(requested(host, asked), ["/app.js"]);
  host.errors.length = 0;
});

Deno.test("precache() fetches what an older version noted and has lost", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  const registration = await host.register(workerOf(FIRST));
  const cache = await host.caches.open(`app ${ORIGIN}/ 1`);
  await cache.delete("/logo.svg");
  server.version = "2";
  host.deploy("/sw.js", workerOf(SECOND));
  await registration.update();
  await host.idle();
  assertEquals((await stored(host, "2"))["/logo.svg"], "/logo.svg of 2");
});

Deno.test("install() does not trust what it finds without a record", async () => {
  const scope = scopeOf(() => new Response("new"));
  const files = precache(scope, FIRST, { name: "app" });
  const cache = await scope.caches.open(files.cacheName);
  await cache.put("/", new Response("old"));
  assertEquals((await files.install()).fetched, 3);
  assertEquals(await (await files.match("/"))?.text(), "new");
});

Deno.test("install() trusts no record that is none", async () => {
  const broken = ["", "{", "null", "1", "{}", '{"state":"installed"}'];
  for (const text of broken) {
    const scope = scopeOf(() => new Response("text"));
    for (const version of ["1", "2"]) {
      const cache = await scope.caches.open(`app ${ORIGIN}/ ${version}`);
      await cache.put(RECORD, new Response(text));
    }
    const files = precache(scope, SECOND, { name: "app" });
    const { fetched } = await files.install();
    assertEquals(fetched, 3, text);
    assertEquals((await files.rest()).fetched, 1, text);
    assertEquals(await (await files.match("/help"))?.text(), "text");
  }
});

Deno.test("install() rejects if the browser has lost what was stored", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  const cache = await scope.caches.open(files.cacheName);
  const put = cache.put.bind(cache);
  cache.put = async (request, response) => {
    if (!String(request).endsWith("/app.js")) await put(request, response);
  };
  const error = await assertRejects(() => files.install(), DOMException);
  assertEquals(error.name, "InvalidStateError");
  assertEquals(await scope.caches.keys(), []);
  assertEquals((await files.install()).fetched, 3);
});

Deno.test("install() says which file is missing, and keeps what it has for the next attempt", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  server.answers.set("/logo.svg", () => new Response("", { status: 404 }));
  const install = () => host.register(workerOf(FIRST, { concurrency: 1 }));
  const { cause } = await assertRejects(install) as Error;
  assertEquals((cause as Error).name, "NotFoundError");
  assertEquals(
    (cause as Error).message,
    `Cannot precache ${ORIGIN}/logo.svg: its status is 404`,
  );
  server.answers.clear();
  const asked = host.network.requests.length;
  await install();
  assertEquals(requested(host, asked), ["/logo.svg"]);
});

Deno.test("install() says that the network failed, or the integrity", async () => {
  const scope = scopeOf(() => Promise.reject(new TypeError("Failed to fetch")));
  const install = (entry: object) =>
    precache(scope, { version: "1", entries: [{ url: "/a", ...entry }] }, {
      name: "app",
    }).install();
  const [plain, checked] = [
    await assertRejects(() => install({}), DOMException),
    await assertRejects(() => install({ integrity: "sha384-x" }), DOMException),
  ];
  assertEquals([plain.name, checked.name], ["NetworkError", "NetworkError"]);
  // What has a hash is asked for again, past the HTTP cache.
  assertEquals(scope.asked.length, 3);
  assertEquals(plain.message, `Cannot precache ${ORIGIN}/a: Failed to fetch`);
  assertEquals(
    checked.message,
    `Cannot precache ${ORIGIN}/a: it cannot be fetched, or differs from its integrity "sha384-x": Failed to fetch`,
  );
});

Deno.test("install() stores no body that breaks off", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  host.network.cutAfter = 3;
  const error = await assertRejects(() => host.register(workerOf(FIRST)));
  assertEquals(((error as Error).cause as Error).name, "NetworkError");
  assertEquals(await stored(host, "1"), {});
});

Deno.test("install() removes what it has stored where the quota is exceeded", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  const registration = await host.register(workerOf(FIRST));
  const { usage } = host.caches;
  host.caches.quota = usage + 400;
  server.answers.set("/app.js", () => new Response("x".repeat(400)));
  server.version = "2";
  host.deploy("/sw.js", workerOf(SECOND));
  await registration.update().catch(() => {});
  await host.idle();
  assertEquals(registration.waiting, null);
  assertEquals(await host.caches.keys(), [`app ${ORIGIN}/ 1`]);
  assertEquals(host.caches.usage, usage);
  const page = await host.openWindow("/");
  host.network.offline = true;
  assertEquals(await (await page.reload()).text(), "/ of 1");
});

Deno.test("install() says in Firefox, too, that the quota is exceeded", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  const cache = await scope.caches.open(files.cacheName);
  const put = cache.put.bind(cache);
  cache.put = async (request, response) => {
    if (String(request) === RECORD) return await put(request, response);
    throw new DOMException("No space", "NS_ERROR_FILE_NO_DEVICE_SPACE");
  };
  const error = await assertRejects(() => files.install(), DOMException);
  assertEquals(error.name, "QuotaExceededError");
  assertStringIncludes(error.message, "No space");
  assertEquals(await scope.caches.keys(), []);
});

Deno.test("install() rejects with the reason of an already aborted signal", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  const signal = AbortSignal.abort("no");
  assertEquals(await files.install({ signal }).catch((error) => error), "no");
  assertEquals(scope.asked, []);
  assertEquals(await scope.caches.keys(), []);
});

Deno.test("install() rejects only the call whose signal is aborted, with its reason", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const scope = scopeOf(() => promise.then(() => new Response()));
  const controller = new AbortController();
  const { signal } = controller;
  const first = precache(scope, FIRST, { name: "one" }).install({ signal });
  const second = precache(scope, FIRST, { name: "two" }).install();
  while (scope.asked.length < 6) await new Promise((r) => setTimeout(r));
  controller.abort("enough");
  assertEquals(await first.catch((error) => error), "enough");
  resolve();
  assertEquals((await second).fetched, 3);
});

Deno.test("install() ends what is in flight when one file fails", async () => {
  const scope = scopeOf(({ url }) =>
    url.endsWith("/app.js")
      ? new Response("", { status: 500 })
      : new Promise(() => {})
  );
  const files = precache(scope, FIRST, { name: "app" });
  const error = await assertRejects(() => files.install(), DOMException);
  assertStringIncludes(error.message, "its status is 500");
  assert(scope.asked.every(([, init]) => init?.signal.aborted));
});

Deno.test("install() lets go of an answer that it does not store", async () => {
  let isCancelled = false;
  const body = new ReadableStream({ cancel: () => void (isCancelled = true) });
  const scope = scopeOf(() => new Response(body, { status: 404 }));
  const entries = [{ url: "/a" }];
  const files = precache(scope, { version: "1", entries }, { name: "app" });
  await assertRejects(() => files.install(), DOMException);
  assertEquals(isCancelled, true);
});

Deno.test("install() gives up after five minutes", async () => {
  using time = new FakeTime();
  const scope = scopeOf(() => new Promise(() => {}));
  const ended = precache(scope, FIRST, { name: "app" }).install()
    .catch((error) => error.name);
  await time.tickAsync(300_000);
  assertEquals(await ended, "TimeoutError");
});

Deno.test("install() tells how far it is", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  const told: PrecacheProgress[] = [];
  await files.install({ onProgress: (progress) => told.push(progress) });
  assertEquals(told.map(({ done }) => done), [0, 1, 2, 3]);
  assertEquals(told.at(-1), {
    done: 3,
    total: 3,
    doneBytes: 30,
    totalBytes: 30,
  });
});

Deno.test("install() has no more requests in flight than it is to", async () => {
  let [now, most] = [0, 0];
  const scope = scopeOf(async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    now--;
    return new Response("");
  });
  const urls = Array.from({ length: 20 }, (_, i) => `/${i}`);
  const manifest = manifestOf("1", ...urls);
  await precache(scope, manifest, { name: "app", concurrency: 4 }).install();
  assertEquals(most, 4);
});

Deno.test("install() has the HTTP cache answer for hashed names alone", async () => {
  const scope = scopeOf(() => new Response());
  const manifest = manifestOf("1", "/", "/app.9b1e44d0.js!");
  await precache(scope, manifest, { name: "app" }).install();
  assertEquals(
    scope.asked.map(([url, init]) => [url, init?.cache, init?.priority]),
    [
      [`${ORIGIN}/`, "reload", "low"],
      [`${ORIGIN}/app.9b1e44d0.js`, "default", "low"],
    ],
  );
});

Deno.test("install() goes past the HTTP cache where that has another content", async () => {
  const scope = scopeOf(() => {
    if (scope.asked.at(-1)?.[1]?.cache === "reload") return new Response();
    throw new TypeError("Failed to fetch");
  });
  const entries = [{ url: "/app.9b1e44d0.js", integrity: "sha384-x" }];
  const manifest = { version: "1", entries };
  const files = precache(scope, manifest, { name: "app" });
  assertEquals((await files.install()).fetched, 1);
  assertEquals(
    scope.asked.map(([, init]) => [init?.cache, init?.integrity]),
    [["default", "sha384-x"], ["reload", "sha384-x"]],
  );
});

Deno.test("install() stores what was redirected as if it was not", async () => {
  const server = serve();
  server.answers.set("/", () => Response.redirect(`${ORIGIN}/home`));
  using host = createHost({ network: server.network });
  await host.register(workerOf(FIRST));
  const page = await host.openWindow("/");
  assertEquals(await page.response.text(), "/home of 1");
  assertFalse(page.response.redirected);
});

Deno.test("install() stores what varies so that every request finds it", async () => {
  const headers = { vary: "Accept, Cookie", "content-type": "text/html" };
  const scope = scopeOf(() => new Response("text", { headers }));
  await precache(scope, FIRST, { name: "app" }).install();
  const request = new Request(`${ORIGIN}/`, { headers: { accept: "x/y" } });
  const response = await scope.caches.match(request);
  assertEquals(await response?.text(), "text");
  assertEquals(response?.headers.get("content-type"), "text/html");
});

Deno.test("precache() refuses names, versions and numbers that cannot be", () => {
  const scope = scopeOf(() => new Response());
  for (const name of ["", "my app"]) {
    assertThrows(() => precache(scope, FIRST, { name }), TypeError, name);
  }
  assertThrows(
    () => precache(scope, manifestOf("", "/"), { name: "app" }),
    TypeError,
    'the version "" is empty',
  );
  assertThrows(
    () => precache(scope, FIRST, { name: "app", concurrency: 0 }),
    RangeError,
    "the concurrency is 0",
  );
});

Deno.test("precache() refuses a URL with two revisions, and names both", async () => {
  const scope = scopeOf(() => new Response());
  const manifest = manifestOf("1", "/a@x", "./a@y", "/a@x");
  const files = precache(scope, manifest, { name: "app" });
  const error = await assertRejects(() => files.install(), TypeError);
  assertStringIncludes(error.message, 'its revisions "x" and "y"');
  assertEquals(scope.asked, []);
  const same = manifestOf("1", "/a@x", "/a@x");
  assertEquals(
    (await precache(scope, same, { name: "app" }).install()).fetched,
    1,
  );
});

Deno.test("has() knows at once what belongs", () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, {
    version: "1",
    entries: ["/", "a b", "/list?page=1"].map((url) => ({ url })),
  }, { name: "app" });
  const has = (path: string, init?: RequestInit) =>
    files.has(new Request(new URL(path, ORIGIN), init));
  for (const path of ["/", "/#top", "/a%20b", "/list?page=1"]) {
    assert(has(path), path);
  }
  for (const path of ["/index.html", "/?a", "/list", "/A%20b", "/a%20b/"]) {
    assertFalse(has(path), path);
  }
  assertFalse(has("/", { method: "POST" }));
  assertFalse(files.has(new Request("https://other.test/")));
  assert(files.has("/"));
});

Deno.test("has() ignores the parameters that it is to", () => {
  const scope = scopeOf(() => new Response());
  const has = (ignoreSearch: boolean | string[], path: string) =>
    precache(scope, manifestOf("1", "/", "/list"), {
      name: "app",
      ignoreSearch,
    }).has(path);
  assertFalse(has(false, "/?utm_source=a"));
  assert(has(true, "/?utm_source=a&b"));
  const some = ["utm_*", "fbclid"];
  assert(has(some, "/?utm_source=a&fbclid=b#c"));
  assertFalse(has(some, "/?utm_source=a&page=2"));
  assertFalse(has(some, "/?fbclid2"));
  assert(has(true, "/?"));
});

Deno.test("has() compares the parameters that matter as they are", () => {
  const scope = scopeOf(() => new Response());
  const urls = ["/list?q=a%20b&c", "/list??a=1", "/list?=x"];
  const files = precache(scope, {
    version: "1",
    entries: urls.map((url) => ({ url })),
  }, { name: "app", ignoreSearch: ["a", "utm_*"] });
  assert(files.has("/list?utm_source=x&q=a%20b&c"));
  assert(files.has("/list?q=a%20b&c&%75tm_source=x&a"));
  assert(files.has("/list??a=1&a=2"));
  assert(files.has("/list?a&=x"));
  assertFalse(files.has("/list?q=a%20b&utm_source=x"));
});

Deno.test("match() finds nothing where storage is blocked", async () => {
  const scope = scopeOf(() => new Response("of the network"));
  scope.caches.match = () =>
    Promise.reject(new DOMException("", "SecurityError"));
  const files = precache(scope, FIRST, { name: "app" });
  assertEquals(await files.match("/"), undefined);
  const { event } = eventOf("/");
  assertEquals(await (await files.respond(event)).text(), "of the network");
});

/** A `fetch` event. */
function eventOf(path: string, parts: Partial<PrecacheEvent> = {}) {
  const waited: Promise<unknown>[] = [];
  const event: PrecacheEvent = {
    request: new Request(new URL(path, ORIGIN)),
    waitUntil: (promise) => waited.push(promise),
    ...parts,
  };
  return { event, waited };
}

Deno.test("respond() stores again what is missing, if it can be sure", async () => {
  const scope = scopeOf(() => new Response("text"));
  const files = precache(scope, {
    version: "1",
    entries: [
      { url: "/app.9b1e44d0.js" },
      { url: "/checked", revision: "1", integrity: "sha384-x" },
      { url: "/unsure", revision: "1" },
    ],
  }, { name: "app" });
  await files.install();
  await scope.caches.delete(files.cacheName);
  for (const path of ["/app.9b1e44d0.js", "/checked", "/unsure", "/other"]) {
    const asked = scope.asked.length;
    const { event, waited } = eventOf(path);
    assertEquals(await (await files.respond(event)).text(), "text");
    await Promise.all(waited);
    assertEquals(scope.asked.length, asked + 1);
  }
  const cache = await scope.caches.open(files.cacheName);
  assertEquals((await cache.keys()).map(({ url }) => new URL(url).pathname), [
    "/app.9b1e44d0.js",
    "/checked",
  ]);
});

Deno.test("respond() answers though what is missing cannot be stored again", async () => {
  const scope = scopeOf(() => new Response("text"));
  const entries = [{ url: "/app.9b1e44d0.js" }];
  const files = precache(scope, { version: "1", entries }, { name: "app" });
  scope.caches.open = () =>
    Promise.reject(new DOMException("", "QuotaExceededError"));
  const { event, waited } = eventOf("/app.9b1e44d0.js");
  assertEquals(await (await files.respond(event)).text(), "text");
  assertEquals(waited.length, 1);
  await Promise.all(waited);
});

Deno.test("respond() answers as the server does where that has another version", async () => {
  const scope = scopeOf(({ url }) => {
    const { integrity } = scope.asked.at(-1)?.[1] ?? {};
    if (integrity) throw new TypeError("Failed to fetch");
    return new Response(`new ${new URL(url).pathname}`, { status: 203 });
  });
  const entries = [{ url: "/a", revision: "1", integrity: "sha384-x" }];
  const files = precache(scope, { version: "1", entries }, { name: "app" });
  const { event } = eventOf("/a");
  assertEquals(await (await files.respond(event)).text(), "new /a");
  assertEquals(await scope.caches.keys(), []);
});

Deno.test("respond() uses what navigation preload brings", async () => {
  const scope = scopeOf(() => new Response("of the network"));
  const files = precache(scope, FIRST, { name: "app" });
  const preloadResponse = Promise.resolve(new Response("preloaded"));
  const { event } = eventOf("/", { preloadResponse });
  assertEquals(await (await files.respond(event)).text(), "preloaded");
  const failed = eventOf("/", {
    preloadResponse: Promise.reject(new TypeError("Offline")),
  });
  assertEquals(
    await (await files.respond(failed.event)).text(),
    "of the network",
  );
});

Deno.test("respond() reads a preload to its end that it does not need", async () => {
  const scope = scopeOf(() => new Response("stored"));
  const files = precache(scope, FIRST, { name: "app" });
  await files.install();
  for (
    const preload of [
      Promise.resolve(new Response("preloaded")),
      Promise.resolve(undefined),
      Promise.reject(new TypeError("Offline")),
      Promise.resolve(
        new Response(
          new ReadableStream({ pull: (c) => c.error(new TypeError("cut")) }),
        ),
      ),
    ]
  ) {
    const { event, waited } = eventOf("/", { preloadResponse: preload });
    assertEquals(await (await files.respond(event)).text(), "stored");
    assertEquals(waited.length, 1);
    await Promise.all(waited);
    assert((await preload.catch(() => undefined))?.bodyUsed ?? true);
  }
});

Deno.test("rest() tells what is missing, and asks for it a minute later", async () => {
  using time = new FakeTime();
  let status = 500;
  const scope = scopeOf(({ url }) =>
    new Response("", { status: url.endsWith("/help") ? status : 200 })
  );
  const files = precache(scope, FIRST, { name: "app" });
  await files.install();
  const [{ url, reason } = {}] = (await files.rest()).failed;
  assertEquals([url, reason?.name], ["/help", "NetworkError"]);
  assertStringIncludes(reason?.message ?? "", "its status is 500");
  // Nobody has lost it: it was never there.
  await files.respond(eventOf("/help").event);
  const asked = scope.asked.length;
  await files.rest();
  assertEquals(scope.asked.length, asked);
  time.tick(60_000);
  status = 200;
  assertEquals(await files.rest(), { fetched: 1, copied: 0, failed: [] });
  time.tick(60_000);
  await scope.caches.delete(files.cacheName);
  assertEquals((await files.rest()).fetched, 1);
  assertEquals(scope.asked.length, asked + 1);
});

Deno.test("rest() asks no more for what is not there", async () => {
  const scope = scopeOf(({ url }) =>
    new Response("", { status: url.endsWith("/help") ? 404 : 200 })
  );
  const files = () => precache(scope, FIRST, { name: "app" });
  await files().install();
  const [failure] = (await files().rest()).failed;
  assertEquals(failure?.reason.name, "NotFoundError");
  const asked = scope.asked.length;
  assertEquals(await files().rest(), { fetched: 0, copied: 0, failed: [] });
  assertEquals(scope.asked.length, asked);
});

Deno.test("rest() waits until the event is handled", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  await files.install();
  const { promise: handled, reject } = Promise.withResolvers<void>();
  const asked = scope.asked.length;
  const rest = files.rest({ handled });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(scope.asked.length, asked);
  reject(new DOMException("", "NetworkError"));
  assertEquals((await rest).fetched, 1);
});

Deno.test("rest() restores everything when the user has cleared the storage", async () => {
  using host = createHost({ network: serve().network });
  await host.register(workerOf(FIRST));
  const page = await host.openWindow("/");
  for (const name of await host.caches.keys()) await host.caches.delete(name);
  assertEquals(await (await page.fetch("/app.js")).text(), "/app.js of 1");
  await wake(host);
  assertEquals(Object.keys(await stored(host, "1")).length, 4);
});

Deno.test("rest() does not begin anew while it is at work", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  const { promise: handled, resolve } = Promise.withResolvers<void>();
  const running = files.rest({ handled });
  // Nothing is there yet.
  await files.respond(eventOf("/").event);
  assert(files.rest() === running);
  resolve();
  assertEquals((await running).fetched, 4);
});

Deno.test("rest() looks again when respond() has missed a file", async () => {
  const scope = scopeOf(() => new Response());
  const files = precache(scope, FIRST, { name: "app" });
  await files.install();
  await files.rest();
  await scope.caches.delete(files.cacheName);
  assertEquals((await files.rest()).fetched, 1);
  await files.respond(eventOf("/").event);
  assertEquals((await files.rest()).fetched, 4);
});

Deno.test("rest() does not look again for what is none of its files", async () => {
  const scope = scopeOf(() => new Response("text"));
  const files = precache(scope, FIRST, { name: "app" });
  await files.install();
  await files.rest();
  const { event } = eventOf("/other");
  await files.respond(event);
  let reads = 0;
  const { match } = scope.caches;
  scope.caches.match = (...args) => {
    reads++;
    return match.apply(scope.caches, args);
  };
  await files.rest();
  assertEquals(reads, 0);
});

Deno.test("rest() leaves no half of a version that is cleared meanwhile", async () => {
  const scope = scopeOf(async ({ url }) => {
    if (url.endsWith("/help")) await scope.caches.delete(files.cacheName);
    return new Response();
  });
  const files = precache(scope, FIRST, { name: "app" });
  await files.install();
  await files.rest();
  assertFalse(await scope.caches.has(files.cacheName));
});

Deno.test("precache() installs all or nothing, wherever the worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const server = serve();
    using host = createHost({ network: server.network });
    const registration = await host.register(workerOf(FIRST));
    const page = await host.openWindow("/");
    await wake(host);
    server.version = "2";
    host.deploy("/sw.js", workerOf(SECOND));
    arm(host);
    await registration.update().catch(() => {});
    await host.idle();
    // Both versions are complete, or there is but the first.
    assertEquals(Object.keys(await stored(host, "1")).length, 4);
    const { waiting } = registration;
    const texts = await stored(host, "2");
    if (waiting) {
      assertEquals(texts, {
        "/": "/ of 2",
        "/app.js": "/app.js of 2",
        "/logo.svg": "/logo.svg of 1",
      });
    }
    for (const [path, text] of Object.entries(texts)) {
      assertEquals(text, `${path} of ${path === "/logo.svg" ? 1 : 2}`);
    }
    // The next attempt fetches what the first has not stored, and no more.
    const asked = host.network.requests.length;
    if (!waiting) await registration.update();
    await host.idle();
    const missing = 2 - ["/", "/app.js"].filter((path) => path in texts).length;
    assertEquals(requested(host, asked).length, waiting ? 0 : missing);
    page.close();
    await host.idle();
    // A request fails if the worker is stopped that answers it.
    const window = await again(() => host.openWindow("/"));
    await wake(host);
    await wake(host);
    host.network.offline = true;
    const reloaded = await again(() => window.reload());
    assertEquals(await reloaded.text(), "/ of 2");
    const help = await again(() => window.fetch("/help"));
    assertEquals(await help.text(), "/help of 2");
    host.errors.length = 0;
  });
  assert(stops > 20, String(stops));
});

Deno.test("rest() goes on wherever the worker is stopped", async () => {
  const urls = Array.from({ length: 8 }, (_, i) => `/${i}?`);
  const stops = await stopAtEachStep(async (arm) => {
    using host = createHost({ network: serve().network });
    await host.register(workerOf(manifestOf("1", "/", ...urls)));
    await host.openWindow("/");
    arm(host);
    await wake(host);
    const texts = await stored(host, "1");
    const asked = host.network.requests.length;
    await wake(host);
    assertEquals(Object.keys(await stored(host, "1")).length, 9);
    assertEquals(
      requested(host, asked).length,
      9 - Object.keys(texts).length,
    );
    host.errors.length = 0;
  });
  assert(stops > 20, String(stops));
});

Deno.test("precache() keeps apart two updates in a row", async () => {
  const server = serve();
  using host = createHost({ network: server.network });
  const registration = await host.register(workerOf(FIRST));
  await host.openWindow("/");
  for (const version of ["2", "3"]) {
    server.version = version;
    const manifest = manifestOf(version, "/", "/app.js", "/logo.svg@same");
    host.deploy("/sw.js", workerOf(manifest));
    await registration.update();
    await host.idle();
  }
  assertEquals((await stored(host, "1"))["/app.js"], "/app.js of 1");
  assertEquals(await stored(host, "3"), {
    "/": "/ of 3",
    "/app.js": "/app.js of 3",
    "/logo.svg": "/logo.svg of 1",
  });
});
