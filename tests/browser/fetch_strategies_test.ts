// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { devToolsOf } from "./devtools.ts";
import {
  browserTest as declare,
  type BrowserTestContext,
  type TestServer,
} from "./harness.ts";

type Page = typeof import("./fixtures/fetch_strategies_page.ts");

/** A scenario at whose end no console may have a line. */
function browserTest(
  name: string,
  run: (context: BrowserTestContext<Page>) => Promise<void>,
  options: { preload?: boolean; noisy?: RegExp; args?: string[] } = {},
): void {
  const { preload = false, noisy, args } = options;
  declare<Page>(name, {
    worker: "./fixtures/fetch_strategies_worker.ts",
    page: "./fixtures/fetch_strategies_page.ts",
    define: { PRELOAD: preload },
    ...(args && { args }),
  }, async (context) => {
    await context.page.register();
    await run(context);
    const log = [...context.page.log, ...context.server.log];
    assertEquals(log.filter((line) => !noisy?.test(line)), []);
  });
}

/** What browsers themselves say of a request that failed, or was answered by 4xx or 5xx. */
const FAILED_REGEXP = /Failed to load resource|net::ERR|A ServiceWorker/;

function options(value: Record<string, unknown>): string {
  return `?options=${encodeURIComponent(JSON.stringify(value))}`;
}

/** A document, which asks for nothing else. */
const HTML = { headers: { "content-type": "text/html" } };
function htmlOf(text: string): string {
  return `<link rel="icon" href="data:,"><p>${text}`;
}

/** Asks again and again, until it is as it should be. */
async function until(isDone: () => Promise<boolean>): Promise<void> {
  while (!await isDone()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Serves a text that can be changed. */
function serve(
  server: TestServer,
  path: string,
  init: ResponseInit = {},
): { text: string; status: number } {
  const state = { text: "first", status: 200 };
  server.route(
    path,
    () => new Response(state.text, { ...init, status: state.status }),
  );
  return state;
}

browserTest(
  "cacheFirst() answers without the server, then and later",
  async ({ page, server }) => {
    serve(server, "/cacheFirst/a");
    assertEquals(await page.call("get", "/cacheFirst/a"), "200 first");
    await until(async () =>
      await page.call("copyOf", "/cacheFirst/a") === "first"
    );
    await server.stop();
    assertEquals(await page.call("get", "/cacheFirst/a"), "200 first");
    await server.restart();
    await page.call("clear");
    assertEquals(await page.call("get", "/cacheFirst/a"), "200 first");
    assertEquals(server.count("/cacheFirst/a"), 2);
  },
);

browserTest(
  "networkFirst() answers with the copy when the server fails, is gone, or is slow",
  async ({ page, server }) => {
    const path = "/networkFirst/a";
    const served = serve(server, path);
    served.status = 503;
    assertEquals(await page.call("get", path), "503 first");
    served.status = 200;
    assertEquals(await page.call("get", path), "200 first");
    await until(async () => await page.call("copyOf", path) === "first");
    served.status = 503;
    assertEquals(await page.call("get", path), "200 first");
    await server.stop();
    assertEquals(await page.call("get", path), "200 first");
    await server.restart();
    Object.assign(served, { status: 200, text: "second" });
    const release = server.hold(path);
    const timed = path + options({ timeout: 100 });
    assertEquals(await page.call("get", timed), "200 first");
    release();
    await until(async () => await page.call("copyOf", path) === "second");
    await page.call("clear");
    const again = server.hold(path);
    const waiting = page.call("get", timed);
    await until(() => Promise.resolve(server.count(path) === 5));
    again();
    assertEquals(await waiting, "200 second");
  },
  { noisy: FAILED_REGEXP },
);

for (const strategy of ["networkFirst", "staleWhileRevalidate"]) {
  browserTest(
    `${strategy}() keeps the copy when the connection breaks off in the body`,
    async ({ page, server }) => {
      const path = `/${strategy}/a`;
      await page.call("keep", path, "good");
      // Without the length, WebKitGTK takes what has come for the whole.
      const headers = { "content-length": "100000" };
      serve(server, path, { headers }).text = "x".repeat(100_000);
      const cut = server.cut(path, 5_000);
      const answer = await page.call("get", path);
      assertEquals(
        answer,
        strategy === "networkFirst" ? "TypeError" : "200 good",
      );
      await until(() => Promise.resolve(server.count(path) === 1));
      await page.call("get", "/networkFirst/other");
      assertEquals(await page.call("copyOf", path), "good");
      cut();
    },
    { noisy: FAILED_REGEXP },
  );
}

browserTest(
  "networkFirst() keeps the copy when the worker is stopped in the body",
  async ({ page, server, stopWorkers }) => {
    const path = "/networkFirst/a";
    await page.call("keep", path, "good");
    server.route(path, () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(5_000)),
        }),
      ));
    assertEquals(await page.call("head", path), "basic 200");
    await stopWorkers();
    assertEquals(await page.call("copyOf", path), "good");
    serve(server, path).text = "second";
    assertEquals(
      await page.call("get", "/cacheFirst/a"),
      "404 No route: /cacheFirst/a",
    );
    assertEquals(await page.call("copyOf", path), "good");
  },
  { noisy: FAILED_REGEXP },
);

browserTest(
  "networkFirst() stores no part of what the page gives up, networkOnly() ends it",
  async ({ page, server, engine }) => {
    const { promise: ended, resolve: cancel } = Promise.withResolvers<string>();
    const endless = ({ url }: Request) =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(5_000)),
          cancel: () => cancel(new URL(url).pathname),
        }),
      );
    const path = "/networkFirst/a";
    await page.call("keep", path, "good");
    server.route(path, endless);
    await page.call("abandon", path);
    assertEquals(await page.call("copyOf", path), "good");
    // Firefox lets a worker go on with what no page reads.
    if (engine.name === "firefox") return;
    server.route("/networkOnly/a", endless);
    await page.call("abandon", "/networkOnly/a");
    assertEquals(await ended, "/networkOnly/a");
  },
  { noisy: FAILED_REGEXP },
);

browserTest(
  "staleWhileRevalidate() renews the copy",
  async ({ page, server }) => {
    const path = "/staleWhileRevalidate/a";
    const served = serve(server, path);
    assertEquals(await page.call("get", path), "200 first");
    await until(async () => await page.call("copyOf", path) === "first");
    served.text = "second";
    assertEquals(await page.call("get", path), "200 first");
    await until(async () => await page.call("copyOf", path) === "second");
    await server.stop();
    assertEquals(await page.call("get", path), "200 second");
    await server.restart();
  },
  { noisy: FAILED_REGEXP },
);

for (const mode of ["cors", "no-cors"] as const) {
  browserTest(
    `staleWhileRevalidate() renews on condition what is asked for with mode ${mode}`,
    async ({ page, server }) => {
      const path = "/staleWhileRevalidate/a" + options({ conditional: true });
      server.route(
        "/staleWhileRevalidate/a",
        ({ headers }) =>
          headers.get("if-none-match") === '"1"'
            ? new Response(null, {
              status: 304,
              headers: { "x-checked": "yes" },
            })
            : new Response("text", {
              headers: { etag: '"1"', "cache-control": "no-store-this-not" },
            }),
      );
      assertEquals(await page.call("get", path, { mode }), "200 text");
      await until(async () => (await page.call("list")).length === 1);
      assertEquals(await page.call("get", path, { mode }), "200 text");
      await until(() =>
        page.evaluate(async () => {
          const copy = await caches.match("/staleWhileRevalidate/a");
          return copy?.headers.get("x-checked") === "yes";
        })
      );
      assertEquals(await page.call("get", path, { mode }), "200 text");
    },
  );
}

browserTest("race() takes what is there first", async ({ page, server }) => {
  const path = "/race/a";
  serve(server, path);
  assertEquals(await page.call("get", path), "200 first");
  await page.call("keep", path, "copy");
  const release = server.hold(path);
  assertEquals(await page.call("get", path), "200 copy");
  release();
  await server.stop();
  assertEquals(await page.call("get", path), "200 copy");
  await server.restart();
}, { noisy: FAILED_REGEXP });

browserTest(
  "cacheOnly() and networkOnly() answer, or fall back",
  async ({ page, server }) => {
    await page.call("keep", "/cacheOnly/a", "copy");
    await page.call("keep", "/offline", "offline");
    assertEquals(await page.call("get", "/cacheOnly/a"), "200 copy");
    const fallback = options({ fallback: "/offline", timeout: 100 });
    assertEquals(
      await page.call("get", "/cacheOnly/b" + fallback),
      "200 offline",
    );
    assertEquals(server.count("/cacheOnly/b"), 0);
    const release = server.hold("/networkOnly/a");
    assertEquals(
      await page.call("get", "/networkOnly/a" + fallback),
      "200 offline",
    );
    release();
  },
);

browserTest(
  "networkOnly() passes on the range that a media element asks for",
  async ({ page, server, engine }) => {
    const ranges: (string | null)[] = [];
    for (const path of ["/left/a", "/networkOnly/a"]) {
      await page.evaluate((path) => {
        const audio = new Audio(path);
        audio.preload = "auto";
        document.body.append(audio);
      }, path + options({ timeout: 60_000 }));
      await until(() => Promise.resolve(server.count(path) > 0));
      const asked = server.requests.find((asked) =>
        asked.path.startsWith(path)
      );
      ranges.push(asked?.headers.get("range") ?? null);
    }
    // WebKitGTK asks for a range when somebody seeks.
    const range = engine.name === "webkit" ? null : "bytes=0-";
    assertEquals(ranges, [range, range]);
  },
  { noisy: FAILED_REGEXP },
);

browserTest(
  "cacheFirst() stores what may be stored, in silence",
  async ({ page, server }) => {
    const path = "/cacheFirst/";
    const kinds: [name: string, init: ResponseInit, request?: RequestInit][] = [
      ["206", { status: 206, headers: { "content-range": "bytes 0-3/9" } }],
      ["404", { status: 404 }],
      ["500", { status: 500 }],
      ["vary", { headers: { vary: "*" } }],
      ["no-store", { headers: { "cache-control": "no-store" } }],
      ["asked", {}, { cache: "no-store" }],
      ["range", {}, { headers: { range: "bytes=0-" } }],
      ["post", {}, { method: "POST", body: "body" }],
      ["head", {}, { method: "HEAD" }],
      ["redirect", {
        status: 302,
        headers: { location: "/cacheFirst/ok" },
      }, { redirect: "manual" }],
      ["ok", {}],
    ];
    for (const [name, init, request = {}] of kinds) {
      server.route(path + name, () => new Response("text", init));
      await page.call("get", path + name, request);
    }
    await until(async () =>
      (await page.call("list")).includes("/cacheFirst/ok")
    );
    assertEquals(await page.call("list"), ["/cacheFirst/ok"]);
    assertEquals(
      await page.call("get", "/cacheFirst/ok", { method: "HEAD" }),
      "200 ",
    );
    assertEquals(server.count("/cacheFirst/ok"), 1);
  },
  { noisy: FAILED_REGEXP },
);

browserTest(
  "cacheFirst() stores what is opaque if told to",
  async ({ page, server }) => {
    const other = server.otherOrigin("other");
    server.route("/cacheFirst/a", () =>
      new Response("text", {
        headers: { "access-control-allow-origin": "*" },
      }));
    const url = `${other}/cacheFirst/a`;
    assertEquals(await page.call("head", url, { mode: "no-cors" }), "opaque 0");
    assertEquals(await page.call("list"), []);
    await page.call("head", `${url}?opaque`, { mode: "no-cors" });
    await until(async () => (await page.call("list")).length === 1);
    assertEquals(
      await page.call("head", `${url}?opaque`, { mode: "no-cors" }),
      "opaque 0",
    );
    assertEquals(server.count("/cacheFirst/a"), 2);
    assertEquals(await page.call("get", `${url}?opaque`), "200 text");
    assertEquals(server.count("/cacheFirst/a"), 3);
  },
);

browserTest(
  "cacheFirst() shares a request in flight",
  async ({ page, server }) => {
    const path = "/cacheFirst/a?shared";
    serve(server, "/cacheFirst/a").text = "x".repeat(300_000);
    const release = server.hold("/cacheFirst/a");
    const answers = page.call("getAtOnce", path, 5);
    await until(() => Promise.resolve(server.count("/cacheFirst/a") > 0));
    // What comes from another source is asked for once by the browser as well.
    await page.call("get", "/networkOnly/other");
    release();
    const texts = await answers;
    assertEquals(texts.map((text) => text.length), Array(5).fill(300_004));
    assertEquals(server.count("/cacheFirst/a"), 1);
  },
  { noisy: FAILED_REGEXP },
);

const devTools = devToolsOf();

browserTest(
  "strategies read preloads to their end, whoever answers",
  async ({ page, server, engine }) => {
    const chromium = engine.name === "chromium" && await devTools.connect();
    const paths = [
      "/cacheFirst/page",
      "/networkFirst/page",
      `/networkFirst/late${options({ timeout: 20 })}`,
      "/staleWhileRevalidate/page",
      "/race/page",
      `/networkOnly/late${options({ timeout: 20, fallback: "/fallback" })}`,
      "/networkOnly/page",
      "/preloaded/page",
      "/left/page",
    ];
    server.route("/fallback", () => new Response(htmlOf("fallback"), HTML));
    await page.evaluate(async () => {
      await (await caches.open("fallbacks")).add("/fallback");
    });
    for (const path of paths) {
      const { pathname } = new URL(path, server.origin);
      server.route(pathname, () => inParts(htmlOf(path)));
      for (let visits = 0; visits < 2; visits++) await page.goto(path);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (!chromium) return;
    // Said in the console of the worker, which no page sees.
    assertEquals(chromium.workerLog, []);
    await chromium.close();
  },
  { preload: true, args: devTools.args },
);

/** A page whose body takes its time, and the head of it too. */
async function inParts(text: string): Promise<Response> {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
  const parts = [text, "<p>b", "<p>c", "<p>d"];
  await pause();
  const body = new ReadableStream<string>({
    async pull(controller) {
      const part = parts.shift();
      if (part === undefined) return controller.close();
      controller.enqueue(part);
      await pause();
    },
  });
  return new Response(body.pipeThrough(new TextEncoderStream()), HTML);
}

for (const preload of [false, true]) {
  const how = preload ? "with" : "without";
  browserTest(
    `strategies answer navigations ${how} preload, in silence`,
    async ({ page, server }) => {
      const paths = [
        "cacheFirst",
        "networkFirst",
        "staleWhileRevalidate",
        "race",
        "networkOnly",
        "preloaded",
        "left",
      ].map((name) => `/${name}/page`);
      for (const path of paths) {
        serve(server, path, HTML).text = htmlOf(path);
        await page.goto(path);
        assertEquals((await page.text()).trim(), path);
        await page.goto(path);
        assertEquals((await page.text()).trim(), path);
      }
      const early = server.requests.filter(({ headers }) =>
        headers.get("service-worker-navigation-preload") === "early"
      );
      assertEquals(early.length > 0, preload);
      // Nothing is asked for twice.
      assertEquals(server.count("/networkFirst/page"), 2);
      assertEquals(server.count("/networkOnly/page"), 2);
      assertEquals(server.count("/preloaded/page"), 2);
      await page.goto("/");
    },
    { preload },
  );

  browserTest(
    `networkFirst() shows a page that was seen ${how} preload when the server is gone`,
    async ({ page, server }) => {
      const path = "/networkFirst/page";
      serve(server, path, HTML).text = htmlOf("text");
      await page.goto(path);
      await until(() =>
        page.evaluate(async () =>
          await caches.match("/networkFirst/page") !== undefined
        )
      );
      await server.stop();
      await page.goto(path);
      assertEquals((await page.text()).trim(), "text");
      await server.restart();
    },
    { preload, noisy: FAILED_REGEXP },
  );

  browserTest(
    `navigations are redirected ${how} preload, and a redirected copy is shown`,
    async ({ page, server }) => {
      serve(server, "/new", HTML).text = htmlOf("new");
      for (const name of ["networkFirst", "cacheFirst"]) {
        server.route(
          `/${name}/old`,
          () => Response.redirect(server.url("/new")),
        );
        await page.goto(`/${name}/old`);
        assertEquals((await page.text()).trim(), "new");
        assertEquals(await page.evaluate(() => location.pathname), "/new");
      }
      await page.goto("/");
      assertEquals(await page.call("list"), []);
      assertEquals(await page.call("add", "/cacheFirst/old"), true);
      await page.goto("/cacheFirst/old");
      assertEquals((await page.text()).trim(), "new");
    },
    { preload },
  );
}

browserTest(
  "afterHandled() works after a response, a failure, and what is left alone",
  async ({ page, server }) => {
    for (
      const path of [
        "/body",
        "/left/a",
        "/after-response",
        "/after-left",
        "/after-failure",
      ]
    ) {
      serve(server, path);
    }
    assertEquals(await page.call("get", "/handled/a"), "200 first");
    assertEquals(await page.call("get", "/left/a"), "200 first");
    assertEquals(await page.call("get", "/failed/a"), "TypeError");
    for (const path of ["/after-response", "/after-left", "/after-failure"]) {
      await until(() => Promise.resolve(server.count(path) === 1));
    }
  },
  { noisy: FAILED_REGEXP },
);
