// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import { createCacheStorage } from "../testing/cache_storage.ts";
import { createHost, type Host } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  cacheURLs,
  type CacheURLsItem,
  type CacheURLsWorker,
  handleCacheURLs,
  type HandleCacheURLsOptions,
  type HandleCacheURLsScope,
} from "./cache_urls.ts";

const ORIGIN = "https://example.test";
const KEY = "@serviceworker/std";

type Network = NonNullable<
  NonNullable<Parameters<typeof createHost>[0]>["network"]
>;

async function start(
  network: Network,
  options: Partial<HandleCacheURLsOptions> = {},
) {
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
    network,
  });
  await host.register((self) => {
    self.addEventListener(
      "message",
      handleCacheURLs(self, { cache: "c", ...options }),
    );
  });
  const page = await host.openWindow("/");
  return { host, page, container: page.serviceWorker };
}

function urls(...names: string[]): string[] {
  return names.map((name) => `${ORIGIN}/${name}`);
}

function brief(items: readonly CacheURLsItem[]): string[] {
  return items.map(({ url, status }) =>
    `${url.slice(ORIGIN.length + 1)} ${status}`
  );
}

async function stored(host: Host): Promise<string[]> {
  const requests = await (await host.caches.open("c")).keys();
  return requests.map(({ url }) => url.slice(ORIGIN.length + 1)).sort();
}

Deno.test("cacheURLs() has URLs stored once, and tells of each", async () => {
  const { host, container } = await start(() => new Response("x"));
  const told: string[] = [];
  const items = await cacheURLs(container, urls("a", "b#top", "b", "c"), {
    progress: ({ url }, done, total) => told.push(`${url} ${done}/${total}`),
  });
  assertEquals(brief(items), ["a stored", "b stored", "b stored", "c stored"]);
  assertEquals(told.length, 3);
  assert(told[2]?.endsWith("3/3"));
  assertEquals(await stored(host), ["a", "b", "c"]);
  const { length } = host.network.requests;
  const again = await cacheURLs(container, urls("c", "d"));
  assertEquals(brief(again), ["c found", "d stored"]);
  assertEquals(host.network.requests.length, length + 1);
  host.close();
});

Deno.test("cacheURLs() tells why a URL was not stored", async () => {
  const answers: Record<string, () => Response> = {
    "/404": () => new Response("", { status: 404 }),
    "/206": () => new Response("", { status: 206 }),
    "/vary": () => new Response("", { headers: { vary: "Accept, *" } }),
    "/private": () =>
      new Response("", { headers: { "cache-control": "no-store" } }),
    "/broken": () => {
      throw new TypeError("The line was cut");
    },
  };
  const { host, container } = await start(({ url }) =>
    answers[new URL(url).pathname]?.() ?? new Response("fine")
  );
  const items = await cacheURLs(container, [
    ...urls("404", "206", "vary", "private", "broken", "fine"),
    "https://elsewhere.test/",
    "data:,x",
  ]);
  const expected = [
    "its status is 404",
    "its status is 206",
    "its vary is Accept, *",
    "its cache-control is no-store",
    "TypeError",
    undefined,
    "it is not allowed",
    "it is not allowed",
  ];
  items.forEach(({ error = "" }, position) => {
    const fact = expected[position];
    assert(fact ? error.includes(fact) : error === "", error);
  });
  assertEquals(await stored(host), ["fine"]);
  host.close();
});

Deno.test("handleCacheURLs() stores what it is told to allow, and no more at once than that", async () => {
  let open = 0;
  let most = 0;
  const { host, container } = await start(async () => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 1));
    open--;
    return new Response("x");
  }, {
    isAllowed: ({ pathname }) => pathname.startsWith("/ok"),
    maxURLs: 9,
    concurrency: 2,
  });
  const names = Array.from(Array(10).keys(), (i) => `ok${i}`);
  const items = await cacheURLs(container, urls("no", ...names));
  assertEquals(items.filter(({ status }) => status === "stored").length, 8);
  assert(items.at(-1)?.error?.includes("more than 9 URLs were named"));
  assertEquals(most, 2);
  host.close();
});

Deno.test("handleCacheURLs() ignores other messages, and what is no URL", async () => {
  const { host, page } = await start(() => new Response("x"));
  const worker = page.serviceWorker.controller;
  const { port1, port2 } = new MessageChannel();
  const heard: unknown[] = [];
  port1.onmessage = ({ data }) => heard.push(data);
  worker?.postMessage(null);
  worker?.postMessage({ [KEY]: { cacheURLs: urls("no-port") } });
  worker?.postMessage({ [KEY]: { cacheURLs: "a" } });
  worker?.postMessage(
    { [KEY]: { cacheURLs: [1, null, {}, `${ORIGIN}/a`], id: {} } },
    [port2],
  );
  await host.idle();
  assertEquals(await stored(host), ["a"]);
  assertEquals(host.errors, []);
  assertEquals(heard.length, 1);
  port1.close();
  host.close();
});

Deno.test("handleCacheURLs() gives up a URL that takes too long", async () => {
  const { host, container } = await start(
    ({ url, signal }) => {
      if (new URL(url).pathname === "/") return new Response("page");
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    { timeout: 20 },
  );
  const [item] = await cacheURLs(container, urls("slow"));
  assert(item?.error?.includes("it took more than 20 ms"), item?.error);
  host.close();
});

Deno.test("cacheURLs() rejects with the reason of an already aborted signal", async () => {
  const { host, container } = await start(() => new Response("x"));
  const signal = AbortSignal.abort("no");
  const { length } = host.network.requests;
  await cacheURLs(container, urls("a"), { signal }).then(
    () => assert(false),
    (reason) => assertEquals(reason, "no"),
  );
  await host.idle();
  assertEquals(host.network.requests.length, length);
  host.close();
});

Deno.test("cacheURLs() rejects with the reason of a signal aborted later, and stores no more", async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  const { host, container } = await start(({ url, signal }) => {
    if (new URL(url).pathname === "/") return new Response("page");
    seen.push(url);
    controller.abort("enough");
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }, { concurrency: 1 });
  const { signal } = controller;
  await cacheURLs(container, urls("a", "b"), { signal }).then(
    () => assert(false),
    (reason) => assertEquals(reason, "enough"),
  );
  await host.idle();
  assertEquals(await stored(host), []);
  assertEquals(seen, urls("a"));
  host.close();
});

Deno.test("cacheURLs() rejects where there is no worker, or no URL", async () => {
  const fails = (target: null | undefined, name: string) =>
    cacheURLs(target, urls("a")).then(
      () => assert(false),
      (error) => assertEquals(error.name, name),
    );
  await fails(undefined, "NotSupportedError");
  await fails(null, "NoWorkerError");
  const worker = { postMessage: () => {} };
  await assertRejects(() => cacheURLs(worker, ["http://["]), TypeError);
  assertEquals(await cacheURLs(worker, []), []);
});

Deno.test("cacheURLs() rejects after 30 seconds without a sign of the worker", async () => {
  using time = new FakeTime();
  let asked = 0;
  const worker: CacheURLsWorker = {
    postMessage(_message, [port]) {
      asked++;
      (port as MessagePort).close();
    },
  };
  const result = cacheURLs(worker, urls("a")).catch(({ name }) => name);
  await time.tickAsync(30_000);
  assertEquals(await result, "TimeoutError");
  assertEquals(asked, 6);
});

Deno.test("cacheURLs() rejects with what progress throws", async () => {
  const { host, container } = await start(() => new Response("x"));
  const progress = () => {
    throw new RangeError("Mine");
  };
  await assertRejects(
    () => cacheURLs(container, urls("a"), { progress }),
    RangeError,
    "Mine",
  );
  await host.idle();
  host.close();
});

Deno.test("cacheURLs() rejects when the page has lost its worker", async () => {
  using time = new FakeTime();
  const container: { controller: CacheURLsWorker | null } = {
    controller: {
      postMessage: (_message, [port]) => (port as MessagePort).close(),
    },
  };
  const result = cacheURLs(container, urls("a")).catch(({ name }) => name);
  container.controller = null;
  await time.tickAsync(5_000);
  assertEquals(await result, "NoWorkerError");
});

Deno.test("cacheURLs() removes its abort listener when it settles", async () => {
  const { host, container } = await start(() => new Response("x"));
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: [string, () => void]) {
      listeners++;
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: [string, () => void]) {
      listeners--;
      removeEventListener.apply(signal, args);
    },
  });
  await cacheURLs(container, urls("a"), { signal });
  assertEquals(listeners, 0);
  host.close();
});

/** A worker that answers on a port, with the browser's own timers. */
function handle(parts: Partial<HandleCacheURLsScope>): CacheURLsWorker {
  const listener = handleCacheURLs({
    caches: createCacheStorage(),
    registration: { scope: `${ORIGIN}/` },
    fetch: () => Promise.resolve(new Response("x")),
    ...parts,
  }, { cache: "c" });
  return {
    postMessage: (data, ports) =>
      listener({
        data,
        ports: ports as MessagePort[],
        waitUntil: (promise) => void promise,
      }),
  };
}

Deno.test("handleCacheURLs() lets go of what it does not store, and of its timers", async () => {
  let isCancelled = false;
  const body = new ReadableStream({ cancel: () => void (isCancelled = true) });
  const worker = handle({
    fetch: ({ url }) =>
      Promise.resolve(
        url.endsWith("/a")
          ? new Response("x")
          : new Response(body, { status: 404 }),
      ),
  });
  const items = await cacheURLs(worker, urls("a", "b"));
  assertEquals(brief(items), ["a stored", "b failed"]);
  assertEquals(isCancelled, true);
});

Deno.test("cacheURLs() waits for as long as the worker is at work, which begins once", async () => {
  using time = new FakeTime();
  let fetched = 0;
  const worker = handle({
    fetch: async () => {
      fetched++;
      await new Promise((resolve) => setTimeout(resolve, 40_000));
      return new Response("x");
    },
  });
  let items: CacheURLsItem[] | undefined;
  cacheURLs(worker, urls("a")).then((result) => items = result);
  for (let seconds = 0; !items && seconds < 60; seconds++) {
    await time.tickAsync(1_000);
    await messages();
  }
  assertEquals(brief(items ?? []), ["a stored"]);
  assertEquals(fetched, 1);
});

/** Lets all messages arrive that were posted. */
async function messages(): Promise<void> {
  for (let times = 0; times < 3; times++) {
    const { port1, port2 } = new MessageChannel();
    const arrived = new Promise((resolve) => port2.onmessage = resolve);
    port1.postMessage(0);
    await arrived;
    port1.close();
    port2.close();
  }
}

Deno.test("handleCacheURLs() answers who asks again when it is done", async () => {
  const worker = handle({});
  const statuses: string[] = [];
  for (let times = 0; times < 2; times++) {
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise<MessageEvent>((resolve) => {
      port1.onmessage = resolve;
    });
    worker.postMessage({ [KEY]: { cacheURLs: urls("a"), id: 1 } }, [port2]);
    statuses.push((await answered).data[KEY].cached?.status);
    port1.close();
    // What is done after an answer.
    await messages();
  }
  assertEquals(statuses, ["stored", "found"]);
});

Deno.test("handleCacheURLs() tells that storage is blocked", async () => {
  const worker = handle({
    caches: {
      open: () => Promise.reject(new DOMException("No", "SecurityError")),
    },
  });
  const [allowed] = await cacheURLs(worker, urls("a"));
  assertEquals(allowed?.error, "SecurityError: No");
  // Nobody waits for the cache.
  const [other] = await cacheURLs(worker, ["https://elsewhere.test/"]);
  assert(other?.error?.includes("it is not allowed"));
});

Deno.test("cacheURLs() is done wherever the worker is stopped", async () => {
  const names = ["a", "b", "c", "d"];
  const stops = await stopAtEachStep(async (arm) => {
    using time = new FakeTime();
    const { host, container } = await start(() => new Response("x"));
    arm(host);
    let items: CacheURLsItem[] | undefined;
    const asked = cacheURLs(container, urls(...names))
      .then((result) => items = result);
    while (!items) {
      await time.tickAsync(1_000);
      await host.idle();
    }
    await asked;
    assertEquals(items.some(({ status }) => status === "failed"), false);
    assertEquals(await stored(host), names);
    host.close();
  });
  assert(stops > 10, `it was stopped ${stops} times`);
});
