// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/connect_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/connect_worker.ts",
  page: "./fixtures/connect_page.ts",
  handler: () => new Response(),
});

browserTest("connect() carries calls, streams and events", async ({ page }) => {
  await page.register();
  assertEquals(await page.call("echo", { a: [1, "é"] }), { a: [1, "é"] });
  assertEquals(await page.call("count", 40), Array.from(Array(40).keys()));
  await page.call("post", "hello");
  await page.waitFor(() => true);
  while ((await page.call("received")).length === 0);
  assertEquals(await page.call("received"), ["hello from a client"]);
});

browserTest(
  "connect() moves transferred objects both ways",
  async ({ page }) => {
    await page.register();
    assertEquals(await page.call("bounce", 1 << 20), [0, 1 << 20]);
  },
);

browserTest("connect() carries errors", async ({ page }) => {
  await page.register();
  const error = {
    name: "OutOfCheese",
    message: "No cheese",
    isError: true,
    isDOMException: false,
    cause: "RangeError: at all",
    causeIsRangeError: true,
    left: 0,
    stack: "string",
  };
  assertEquals(await page.call("throws", "error"), error);
  const { name, isDOMException } = await page.call(
    "throws",
    "dom",
  ) as typeof error;
  assertEquals([name, isDOMException], ["QuotaExceededError", true]);
  for (
    const [kind, value] of [["string", "a string"], ["null", null]] as const
  ) {
    const { thrown, isError } = await page.call("throws", kind) as {
      thrown: unknown;
      isError: boolean;
    };
    assertEquals([thrown, isError], [{ error: value }, false]);
  }
});

browserTest(
  "connect() rejects what has no handler, does not clone or cannot be read",
  async ({ page }) => {
    await page.register();
    const name = async (promise: Promise<unknown>) =>
      (await promise as { name: string }).name;
    assertEquals(await name(page.call("noHandler")), "NoHandlerError");
    assertEquals(await name(page.call("unclonable")), "DataCloneError");
    assertEquals(await name(page.call("postUnclonable")), "DataCloneError");
    assertEquals(await name(page.call("unreadable")), "DataCloneError");
    assertEquals(await name(page.call("postUnreadable")), "DataCloneError");
    assertEquals(await page.call("echo", 1), 1);
  },
);

browserTest(
  "connect() reaches the active worker of an uncontrolled page",
  async ({ page }) => {
    await page.register();
    assertEquals((await page.call("life")).version, "1");
    assertEquals(
      await page.evaluate(() => navigator.serviceWorker.controller),
      null,
    );
  },
  { claim: false },
);

browserTest(
  "connect() holds a stream back, and cancels it when its loop is left",
  async ({ page, server }) => {
    await page.register();
    const produced = await page.call("backPressure");
    assert(produced > 0 && produced <= 9, `${produced} items were made`);
    assertEquals(await page.call("leave", "early"), 3);
    while (server.count("/left?early-true") === 0) await pause();
  },
);

browserTest(
  "connect() ends a stream whose page was closed",
  async ({ page, openPage, server }) => {
    await page.register();
    const other = await openPage();
    await other.call("beginEndless", "closed");
    await other.close();
    while (server.count("/left?closed-true") === 0) await pause();
  },
);

browserTest(
  "connect() survives that the worker is stopped between calls",
  async ({ page, stopWorkers }) => {
    await page.register();
    const before = await page.call("life");
    await stopWorkers();
    const after = await page.call("life");
    assertNotEquals(before.life, after.life);
    assertEquals((await page.call("count", 20)).length, 20);
  },
);

browserTest(
  "connect() asks idempotent calls again and fails others when the worker is stopped",
  async ({ page, server, stopWorkers }) => {
    await page.register();
    const release = server.hold("/ran");
    await page.call("begin", "once", { id: "once", ms: 1 }, false);
    await page.call("begin", "again", { id: "again", ms: 1 }, true);
    await page.call("beginCount", "stream", 1e6, 20);
    while (
      server.count("/ran?once") === 0 || server.count("/ran?again") === 0
    ) {
      await pause();
    }
    await stopWorkers();
    release();
    const name = async (which: string) =>
      (await page.call("end", which) as { name: string }).name;
    assertEquals(await name("once"), "DisconnectedError");
    assertEquals(await name("stream"), "DisconnectedError");
    assertEquals(await page.call("end", "again"), { value: "again" });
    assertEquals([server.count("/ran?once"), server.count("/ran?again")], [
      1,
      2,
    ]);
  },
);

browserTest(
  "connect() hears the events of a worker that was started anew",
  async ({ page, openPage, stopWorkers }) => {
    await page.register();
    const other = await openPage();
    await page.call("life");
    await other.call("life");
    await stopWorkers();
    // The new life knows this page's port, and not the first page's.
    await other.call("life");
    await other.call("tell", "first");
    while ((await page.call("received")).length < 1);
    await other.call("tell", "second");
    while ((await page.call("received")).length < 2);
    assertEquals(await page.call("received"), ["first", "second"]);
    assertEquals(await other.call("received"), ["first", "second"]);
  },
);

browserTest(
  "connect() goes on with a new worker, and lets the old one end its calls",
  async ({ page, server }) => {
    await page.register();
    await page.call("begin", "old", { id: "old", ms: 500 }, false);
    while (server.count("/ran?old") === 0) await pause();
    server.replaceWorker(undefined, { VERSION: "2" });
    await page.evaluate(async () => {
      const changed = new Promise((resolve) =>
        navigator.serviceWorker.addEventListener("controllerchange", resolve)
      );
      await (await navigator.serviceWorker.ready).update();
      await changed;
    });
    assertEquals((await page.call("life")).version, "2");
    const end = await page.call("end", "old") as {
      value?: string;
      name?: string;
    };
    // Engines stop a replaced worker when they like; the call has an end in both cases.
    assert(
      end.value === "old" || end.name === "DisconnectedError",
      JSON.stringify(end),
    );
  },
);

browserTest(
  "connect() lets an update take over though its reader never rests",
  async ({ page, server }) => {
    await page.register();
    await page.call("beginResumed");
    await page.call("life");
    server.replaceWorker(undefined, { VERSION: "2" });
    await page.evaluate(async () => {
      const changed = new Promise((resolve) =>
        navigator.serviceWorker.addEventListener("controllerchange", resolve)
      );
      await (await navigator.serviceWorker.ready).update();
      await changed;
    });
    assertEquals((await page.call("life")).version, "2");
  },
);

browserTest(
  "connect() gives a page that was frozen its replies",
  async ({ page, server }) => {
    await page.register();
    await page.call("begin", "frozen", { id: "frozen", ms: 500 }, false);
    while (server.count("/ran?frozen") === 0) await pause();
    await page.freeze();
    await pause(3_000);
    await page.resume();
    assertEquals(await page.call("end", "frozen"), { value: "frozen" });
  },
);

browserTest(
  "connect() connects anew when the page comes back from the cache",
  async ({ page, server, skip }) => {
    await page.register();
    await page.call("begin", "again", { id: "cached", ms: 700 }, true);
    await page.call("begin", "once", { id: "once", ms: 60_000 }, false);
    await page.call("beginCount", "stream", 1e6, 20);
    while (
      server.count("/ran?once") === 0 || server.count("/ran?cached") === 0
    ) {
      await pause();
    }
    await page.goto("/?elsewhere");
    if (!await page.back()) skip("this engine did not cache the page");
    const name = async (which: string) =>
      (await page.call("end", which) as { name: string }).name;
    assertEquals(await name("once"), "DisconnectedError");
    assertEquals(await name("stream"), "DisconnectedError");
    assertEquals(await page.call("end", "again"), { value: "cached" });
    assertEquals(await page.call("echo", 2), 2);
    assertEquals(server.count("/ran?cached"), 1);
  },
);

browserTest(
  "connect() does not keep an idle page out of the cache",
  async ({ page }) => {
    await page.register();
    await page.call("life");
    await pause(2_500);
    await page.goto("/?elsewhere");
    assertEquals(await page.back(), true);
    assertEquals(await page.call("echo", 2), 2);
  },
);

browserTest(
  "connect() loses no call that follows a rest",
  async ({ page, server, stopWorkers }) => {
    await page.register();
    await page.call("life");
    await pause(2_500);
    await stopWorkers();
    await page.call("begin", "rested", { id: "rested", ms: 1 }, false);
    assertEquals(await page.call("end", "rested"), { value: "rested" });
    assertEquals(server.count("/ran?rested"), 1);
  },
);

browserTest(
  "connect() loses no idempotent call while the worker is stopped twice a second",
  async ({ page, stopWorkers }) => {
    await page.register();
    // Where no worker can be stopped, the scenario ends here.
    await stopWorkers();
    let done = false;
    const soak = page.call("soak", 200, 20).finally(() => done = true);
    while (!done) {
      await pause(500);
      await stopWorkers();
    }
    const ends = await soak;
    assertEquals(ends["true replied"], 100);
    assertEquals(
      (ends["false replied"] ?? 0) + (ends["false DisconnectedError"] ?? 0),
      100,
    );
    assertEquals(ends["stream complete"], 20);
  },
  { timeout: 120_000 },
);
