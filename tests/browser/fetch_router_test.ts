// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { devToolsOf } from "./devtools.ts";
import { browserTest, pause } from "./harness.ts";

/** Without it, the browser asks for one. */
const ICON = '<link rel="icon" href="data:,">';
const handler = () =>
  new Response(`<!doctype html><title>server</title>${ICON}`, {
    headers: { "content-type": "text/html" },
  });
const options = (STATIC: boolean) => ({
  worker: "./fixtures/fetch_router_worker.ts",
  define: { STATIC },
  handler,
  page: "\n",
});

/** Who answers requests of the page, by path. */
async function look(
  requests: [method: string, path: string][],
): Promise<string[]> {
  const answers = [];
  for (const [method, path] of requests) {
    const answer = await fetch(path, { method })
      .then((response) => response.text(), () => "<title>error</title>");
    answers.push(answer.match(/<title>(.*)<\/title>/)?.[1] ?? answer);
  }
  return answers;
}

const EXPECTED: [method: string, path: string, who: string][] = [
  ["GET", "/live/1", "worker"],
  ["GET", "/live/a", "server"],
  ["GET", "/live/excluded", "server"],
  ["GET", "/api/1", "server"],
  ["POST", "/api/1", "server"],
  ["PUT", "/api/1", "worker"],
  ["GET", "/api/1/2", "worker"],
  ["GET", "/cached/a", "cache"],
  ["GET", "/cached/b", "server"],
  ["GET", "/race/a", "server"],
  ["GET", "/broken", "error"],
  ["GET", "/mended", "Error: mended"],
  ["GET", "/case/a", "server"],
  ["GET", "/Case/A", "server"],
  ["GET", "/pages/a", "server"],
  ["GET", "/nothing", "server"],
];

for (const STATIC of [false, true]) {
  browserTest(
    STATIC
      ? "addStaticRoutes() changes nothing of who answers"
      : "createRouter() answers what its routes say, and leaves the rest",
    options(STATIC),
    async ({ page, server, engine }) => {
      await page.register();
      const requests = EXPECTED.map(([method, path]): [string, string] => [
        method,
        path,
      ]);
      assertEquals(
        await page.evaluate(look, requests),
        EXPECTED.map(([, , who]) => who),
      );
      for (const [, path, who] of EXPECTED) {
        if (path.startsWith("/api/1")) continue;
        assertEquals(server.count(path), who === "server" ? 1 : 0, path);
      }
      const result = await page.evaluate(async () =>
        (await fetch("/results")).json()
      );
      if (!STATIC) return;
      assertEquals(result.added, engine.name === "chromium");
      assertEquals([result.left, result.error], [0, undefined]);
    },
  );
}

browserTest(
  "createRouter() answers navigations that are preloaded, and leaves the others",
  options(false),
  async ({ page, server }) => {
    await page.register();
    await page.goto("/pages/a?b");
    assertEquals(await page.evaluate(() => document.title), "a ?b");
    await page.goto("/nothing");
    assertEquals(await page.evaluate(() => document.title), "server");
    await page.goto("/live/1");
    assertEquals(await page.evaluate(() => document.title), "worker");
    // No console has a line.
    assertEquals([...page.log, ...server.log], []);
  },
);

const devTools = devToolsOf();

browserTest(
  "createRouter() reads preloads to their end that nobody wants",
  { ...options(false), args: devTools.args },
  async ({ page, server, engine }) => {
    const chromium = engine.name === "chromium" && await devTools.connect();
    for (const path of ["/nothing", "/cached/a"]) server.route(path, slow);
    await page.register();
    await page.goto("/nothing");
    assertEquals(await page.evaluate(() => document.title), "slow");
    await page.goto("/cached/a");
    assertEquals(await page.evaluate(() => document.title), "cache");
    await page.goto("/cached/b");
    assertEquals(await page.evaluate(() => document.title), "server");
    // The preload was the answer.
    assertEquals(server.count("/cached/b"), 1);
    // That of a page from the cache may still be on its way, or, in WebKit, never
    // be sent.
    for (let i = 0; i < 50 && !server.count("/cached/a"); i++) await pause();
    assert(engine.name === "webkit" || server.count("/cached/a") > 0);
    await pause(1_000);
    assertEquals([...page.log, ...server.log], []);
    if (!chromium) return;
    assertEquals(chromium.workerLog, []);
    await chromium.close();
  },
);

/** A page whose body takes its time. */
function slow(): Response {
  const parts = ["<!doctype html><title>slow</title>", ICON, "a", "b", "c"];
  const body = new ReadableStream<string>({
    async pull(controller) {
      const part = parts.shift();
      if (part === undefined) return controller.close();
      await pause(60);
      controller.enqueue(part);
    },
  });
  return new Response(body.pipeThrough(new TextEncoderStream()), {
    headers: { "content-type": "text/html" },
  });
}

browserTest(
  "addStaticRoutes() leaves the worker asleep for what needs none",
  options(true),
  async ({ page, engine, stopWorkers, skip }) => {
    if (engine.name !== "chromium") skip("it has no static routes");
    await page.register();
    await stopWorkers();
    const requests: [string, string][] = [
      ["GET", "/live/excluded"],
      ["POST", "/api/1"],
      ["GET", "/cached/a"],
      ["GET", "/cached/b"],
      ["GET", "/case/a"],
    ];
    await page.evaluate(look, requests);
    await page.goto("/live/excluded");
    assertEquals(await page.evaluate(() => document.title), "server");
    await page.goto("/cached/a");
    assertEquals(await page.evaluate(() => document.title), "cache");
    // What it has seen since it was started.
    const seen = await page.evaluate(async () => (await fetch("/seen")).text());
    assertEquals(seen, "1");
  },
);

/** A worker that tells what became of routes. */
function limits(parameters: string): string {
  return `
    import { addStaticRoutes } from "@serviceworker/std/fetch/static-routes";
    addEventListener("fetch", () => {});
    addEventListener("install", (event) => event.waitUntil(install(event)));
    async function install(event) {
      const { added, rules, left, error } = await addStaticRoutes(event, ...${parameters});
      const result = [added, rules.length, left.length, String(error)];
      const cache = await caches.open("router");
      await cache.put("/results", Response.json(result));
    }
  `;
}

async function readResult(): Promise<unknown> {
  return (await caches.match("/results"))?.json();
}

browserTest(
  "addStaticRoutes() adds as many conditions as staticRoutes() makes",
  {
    ...options(true),
    worker: limits(`[
      Array.from({ length: 1_100 }, (_, i) => (
        { pattern: "/" + i, source: "network" }
      )),
      { includes: Array.from({ length: 500 }, (_, i) => "/" + i) },
    ]`),
  },
  async ({ page, engine, skip }) => {
    if (engine.name !== "chromium") skip("it has no static routes");
    await page.register();
    const result = await page.evaluate(readResult);
    assertEquals(result, [true, 1, 579, "undefined"]);
  },
);

browserTest(
  "addStaticRoutes() adds as many rules as staticRoutes() makes, of sources that alternate",
  {
    ...options(true),
    worker: limits(`[
      Array.from({ length: 300 }, (_, i) => (
        { pattern: "/" + i, source: i % 2 ? "network" : { cacheName: "a" } }
      )),
    ]`),
  },
  async ({ page, engine, skip }) => {
    if (engine.name !== "chromium") skip("it has no static routes");
    await page.register();
    const result = await page.evaluate(readResult);
    assertEquals(result, [true, 255, 45, "undefined"]);
  },
);

browserTest<typeof import("./fixtures/fetch_router_forms.ts")>(
  "createRouter() is of the opinion of URLPattern in each form of a pattern, in every browser",
  { page: "./fixtures/fetch_router_forms.ts" },
  async ({ page }) => {
    const { compared, fitted, found } = await page.call(
      "disagreementsOfForms",
      17,
    );
    assertEquals(found, []);
    assert(fitted > compared / 20);
  },
);

browserTest<typeof import("./fixtures/fetch_router_property.ts")>(
  "createRouter() chooses what testing every pattern in order would, in every browser",
  { page: "./fixtures/fetch_router_property.ts" },
  async ({ page }) => {
    const { compared, missed, found } = await page.call(
      "disagreements",
      2,
      300,
    );
    assertEquals(found, []);
    assert(missed > compared / 4 && missed < compared * 3 / 4);
  },
);
