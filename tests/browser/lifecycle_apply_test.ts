// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { type BrowserTestContext, browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/lifecycle_apply_page.ts");
type Context = BrowserTestContext<Page>;
type Tab = Context["page"];
type Server = Context["server"];

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/lifecycle_apply_worker.ts",
  page: "./fixtures/lifecycle_apply_page.ts",
  define: { VERSION: "1", KIND: "ours" },
  handler: (request) => request.method === "POST" ? new Response() : undefined,
  timeout: 30_000,
});

/** A tab at `/?a` whose worker is of version 1. */
async function first({ page }: Context): Promise<Tab> {
  await page.goto("/?a");
  await page.register();
  return page;
}

/** Has another version wait. */
async function publish(
  server: Server,
  page: Tab,
  version: string,
  kind = "ours",
): Promise<void> {
  server.replaceWorker(undefined, { VERSION: version, KIND: kind });
  await page.call("update");
}

/** Has a page apply the update. It may be gone before it says that it does. */
async function apply(page: Tab, options = {}): Promise<void> {
  await page.call("apply", options).catch(() => {});
}

/** Has a page let go; it may be gone likewise. */
async function release(page: Tab): Promise<void> {
  await page.call("release").catch(() => {});
}

/** Waits until a page has loaded so many times, and is of a version. */
async function loaded(
  server: Server,
  page: Tab,
  name: string,
  times: number,
  version: string,
): Promise<void> {
  while (server.count(`/loaded?${name}`) < times) await pause();
  // Nothing can be evaluated in a page while it goes.
  while (await page.call("version").catch(() => "") !== version) await pause();
  assertEquals(server.count(`/loaded?${name}`), times);
}

browserTest(
  "applyUpdate() moves a tab on, which reloads once",
  async (context) => {
    const { server } = context;
    const a = await first(context);
    for (const version of ["2", "3"]) {
      await publish(server, a, version);
      await apply(a);
      await loaded(server, a, "a", Number(version), version);
    }
    assertEquals(await a.call("controllerChanges"), 0);
  },
);

browserTest(
  "applyUpdate() resolves when the worker controls the page",
  async ({ page, server }) => {
    await page.goto("/?stays");
    await page.register();
    await apply(page);
    const { value } = await page.call("applied") as { value: boolean };
    assertEquals(value, false);
    await publish(server, page, "2");
    await apply(page);
    const applied = await page.call("applied") as { value: boolean };
    assertEquals(applied.value, true);
    assertEquals(await page.call("version"), "2");
    assertEquals(await page.call("controllerChanges"), 2);
    assertEquals(server.count("/loaded?stays"), 1);
  },
);

browserTest(
  "reloadOnUpdate() leaves a page alone that is claimed on the first visit",
  async (context) => {
    const a = await first(context);
    assertEquals(await a.call("controllerChanges"), 1);
    assertEquals(await a.call("version"), "1");
    assertEquals(context.server.count("/loaded?a"), 1);
  },
);

browserTest(
  "applyUpdate() in two tabs at once reloads each once",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    for (const version of ["2", "3"]) {
      await publish(server, a, version);
      await Promise.all([apply(a), apply(b)]);
      await loaded(server, a, "a", Number(version), version);
      await loaded(server, b, "b", Number(version), version);
    }
  },
);

browserTest(
  "holdUpdate() keeps all tabs until it is released",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    await b.call("holdIt");
    await publish(server, a, "2");
    for (const page of [a, b]) {
      await apply(page);
      assertEquals(await page.call("applied"), {
        name: "HeldError",
        message: "Cannot apply the update: 1 tab holds it",
      });
    }
    assertEquals(await a.call("isWaiting"), true);
    await release(b);
    while (await a.call("holds") > 0) await pause();
    assertEquals(await a.call("version"), "1");
    await apply(a);
    await loaded(server, a, "a", 2, "2");
    await loaded(server, b, "b", 2, "2");
  },
);

browserTest("holdUpdate() ends when its tab is closed", async (context) => {
  const { server, openPage } = context;
  const a = await first(context);
  const b = await openPage("/?b");
  await b.call("holdIt");
  await publish(server, a, "2");
  await b.close();
  while (await a.call("holds") > 0) await pause();
  await apply(a);
  await loaded(server, a, "a", 2, "2");
});

browserTest("holdUpdate() ends when its tab crashes", async (context) => {
  const { server, openPage, engine, skip } = context;
  if (engine.name !== "chromium") skip("no tab can be crashed");
  const a = await first(context);
  const b = await openPage("/?b");
  await b.call("holdIt");
  await publish(server, a, "2");
  b.goto("chrome://crash").catch(() => {});
  while (await a.call("holds") > 0) await pause();
  await apply(a);
  await loaded(server, a, "a", 2, "2");
});

browserTest(
  "holdUpdate() of a frozen tab keeps that one alone",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    await b.call("holdIt");
    await publish(server, a, "2");
    await b.freeze();
    await apply(a);
    await loaded(server, a, "a", 2, "2");
    await b.resume();
    while (await b.call("controllerChanges") === 0) await pause();
    assertEquals(server.count("/loaded?b"), 1);
    await release(b);
    await loaded(server, b, "b", 2, "2");
  },
);

browserTest(
  "applyUpdate() overrides, and the tab that holds reloads when it lets go",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    await b.call("holdIt");
    await publish(server, a, "2");
    await apply(a, { override: true });
    await loaded(server, a, "a", 2, "2");
    while (await b.call("controllerChanges") === 0) await pause();
    assertEquals(await b.call("version"), "2");
    assertEquals(server.count("/loaded?b"), 1);
    await release(b);
    await loaded(server, b, "b", 2, "2");
  },
);

browserTest(
  "reloadOnUpdate() reloads a frozen page when it is resumed",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    await publish(server, a, "2");
    await b.freeze();
    await apply(a);
    await loaded(server, a, "a", 2, "2");
    await b.resume();
    await loaded(server, b, "b", 2, "2");
  },
);

browserTest(
  "reloadOnUpdate() moves a page on that comes from the back/forward cache",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    await publish(server, a, "2");
    await a.goto("/blank.html");
    await apply(b);
    await loaded(server, b, "b", 2, "2");
    await a.back();
    await loaded(server, a, "a", 2, "2");
  },
);

browserTest(
  "applyUpdate() rejects when the worker becomes redundant, and nothing reloads",
  async (context) => {
    const { server } = context;
    const a = await first(context);
    await publish(server, a, "2", "deaf");
    await apply(a);
    await publish(server, a, "3");
    assertEquals(await a.call("applied"), {
      name: "DisconnectedError",
      message: "Cannot apply the update: the waiting worker became redundant",
    });
    assertEquals(await a.call("version"), "1");
    assertEquals(server.count("/loaded?a"), 1);
    await apply(a);
    await loaded(server, a, "a", 2, "3");
  },
);

browserTest(
  "reloadOnUpdate() reloads once when the new worker fails to activate",
  async (context) => {
    const { server } = context;
    const a = await first(context);
    await publish(server, a, "2", "broken");
    await apply(a);
    await loaded(server, a, "a", 2, "2");
  },
);

browserTest(
  "applyUpdate() moves on to a worker built by Workbox",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?b");
    await publish(server, a, "2", "workbox");
    await b.call("holdIt");
    await apply(a);
    assertEquals((await a.call("applied") as Error).name, "HeldError");
    await release(b);
    while (await a.call("holds") > 0) await pause();
    await apply(a);
    await loaded(server, a, "a", 2, "2");
    await loaded(server, b, "b", 2, "2");
  },
);

browserTest(
  "applyUpdate() lets the old worker end its download",
  async (context) => {
    const { server, openPage } = context;
    const a = await first(context);
    const b = await openPage("/?stays");
    let end = () => {};
    server.route("/slow", () => {
      const chunk = new TextEncoder().encode("x".repeat(10_000));
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(chunk);
          end = () => {
            controller.enqueue(chunk);
            controller.close();
          };
        },
      });
      return new Response(body);
    });
    await b.call("beginSlow");
    await publish(server, a, "2");
    await apply(a);
    while (server.count("/asked") === 0) await pause();
    end();
    assertEquals((await b.call("endSlow"))?.length, 20_000);
    await loaded(server, a, "a", 2, "2");
  },
);
