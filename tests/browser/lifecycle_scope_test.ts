// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTest } from "./harness.ts";
import { describe } from "./fixtures/lifecycle_scope_page.ts";

const PATTERNS = ["/foo", "/foo/*"];
const OPTIONS = {
  worker: "./fixtures/lifecycle_scope_worker.ts",
  define: { PATTERNS },
  handler: () =>
    new Response("<!doctype html><title>server</title>", {
      headers: { "content-type": "text/html" },
    }),
  page: "\n",
};

/** Who answered the page, who answers what it asks for, and whether it is controlled. */
async function look(): Promise<[page: string, data: string, boolean]> {
  const data = await (await fetch("/data")).text();
  const [, who = ""] = data.match(/<title>(.*)<\/title>/) ?? [];
  return [document.title, who, navigator.serviceWorker.controller !== null];
}

browserTest(
  "createScope() has the worker answer its pages, and leaves alone those beside",
  OPTIONS,
  async ({ page, server }) => {
    await page.register({ scope: "/foo" });
    for (const path of ["/foo", "/foo?q", "/foo/", "/foo/x"]) {
      await page.goto(path);
      assertEquals([path, ...await page.evaluate(look)], [
        path,
        "worker",
        "worker",
        true,
      ]);
      assertEquals(server.count(path), 0);
    }
    assertEquals(server.count("/data"), 0);
    // In the platform's own terms it is controlled.
    await page.goto("/foobar");
    assertEquals(await page.evaluate(look), ["server", "server", true]);
    assertEquals(server.count("/foobar"), 1);
    assertEquals(server.count("/data"), 1);
    await page.goto("/bar");
    assertEquals(await page.evaluate(look), ["server", "server", false]);
  },
);

browserTest(
  "createScope() tells the frames of a page apart",
  OPTIONS,
  async ({ page }) => {
    await page.register({ scope: "/foo" });
    await page.goto("/foo");
    const frames = await page.evaluate(async () => {
      const open = async (set: (frame: HTMLIFrameElement) => void) => {
        const frame = document.createElement("iframe");
        const loaded = new Promise((resolve) => frame.onload = resolve);
        set(frame);
        document.body.append(frame);
        await loaded;
        const inner = frame.contentWindow as Window & typeof globalThis;
        const data = await (await inner.fetch("/data")).text();
        return [inner.document.title, data.includes("worker")];
      };
      return [
        await open((frame) => frame.src = "/foobar"),
        await open((frame) => frame.src = "/foo/frame"),
        await open((frame) => frame.srcdoc = "<title>text</title>"),
      ];
    });
    assertEquals(frames, [["server", false], ["worker", true], ["text", true]]);
  },
);

browserTest(
  "Scope.addRoutes() leaves the worker asleep when someone navigates elsewhere",
  OPTIONS,
  async ({ page, engine, stopWorkers }) => {
    await page.register({ scope: "/foo" });
    const routed = await page.evaluate(async () =>
      (await caches.match("/routed"))?.json()
    );
    assertEquals(routed, engine.name === "chromium");
    await stopWorkers();
    await page.goto("/foobar");
    assertEquals(await page.evaluate(() => document.title), "server");
    await page.goto("/foo");
    // What it has seen since it was started.
    assertEquals(await page.text(), routed ? "1" : "2");
  },
);

browserTest(
  "Scope.addRoutes() adds as many patterns as createScope() takes",
  {
    ...OPTIONS,
    define: { PATTERNS: Array.from({ length: 1_000 }, (_, i) => `/foo/${i}`) },
  },
  async ({ page, engine, stopWorkers, skip }) => {
    if (engine.name !== "chromium") skip("it has no static routes");
    await page.register({ scope: "/foo" });
    await stopWorkers();
    await page.goto("/foo/1000");
    assertEquals(await page.evaluate(() => document.title), "server");
    await page.goto("/foo/999");
    assertEquals(await page.text(), "1");
  },
);

browserTest<typeof import("./fixtures/lifecycle_scope_page.ts")>(
  "createScope() is the same scope in every browser",
  { page: "./fixtures/lifecycle_scope_page.ts" },
  async ({ page, server }) => {
    const lists = [
      ["/foo", "/foo/*"],
      ["/foo{/*}?"],
      ["/foo/:id/edit"],
      ["/foo/:id?"],
      ["/foo/:id*/x"],
      ["/foo/**"],
      ["/f-*?"],
      ["/föö/*"],
      ["/foo\\*"],
      ["/foo?tab=*"],
      [server.url("/foo/*")],
      ["/", "/foo"],
    ];
    const paths = [
      "/",
      "/foo",
      "/foo?tab=1",
      "/foo#h",
      "/foo/",
      "/foo/x",
      "/foo/x/edit",
      "/foo/x/y",
      "/foobar",
      "/f-",
      "/f-x",
      "/f%C3%B6%C3%B6/x",
      "/foo*",
    ];
    const base = server.url("/sw.js");
    const expected = describe(lists, paths, base);
    assert(expected.every(([, held]) => held.length > 0));
    assertEquals(await page.call("describe", lists, paths, base), expected);
    const refused = [["/*"], ["/foo/(\\d+)"], ["/foo#h"], ["/foo/("], [
      "https://b.test/foo",
    ]];
    assertEquals(
      await page.call("describe", refused, paths, base),
      describe(refused, paths, base),
    );
  },
);
