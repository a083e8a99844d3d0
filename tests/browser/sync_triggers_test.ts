// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/sync_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/sync_worker.ts",
  page: "./fixtures/sync_page.ts",
  handler: () => new Response("done", { status: 201 }),
});

browserTest(
  "handleSync() sends when the browser is online again, with no page open",
  async ({ page, server, setWorkerOffline }) => {
    await page.register();
    await page.call("ask", "list");
    await setWorkerOffline(true);
    await page.call("add", "a");
    assertEquals(await page.call("requestSync"), "registered");
    await page.close();
    await pause(500);
    assertEquals(server.count("/send"), 0);
    await setWorkerOffline(false);
    while (server.count("/send") === 0) await pause();
  },
);

browserTest(
  "backgroundSync() sends when the server is back, without the browser's help",
  async ({ page, server, engine }) => {
    await page.register();
    await page.call("start");
    await server.stop();
    await page.call("add", "a");
    const how = await page.call("requestOwn");
    assertEquals(
      how,
      engine.name === "chromium" ? "registered" : "unsupported",
    );
    while ((await page.call("list"))[0]?.attempts === 0) await pause();
    await server.restart();
    while ((await page.call("list")).length > 0) await pause();
    assertEquals(server.count("/send"), 1);
  },
);

browserTest(
  "backgroundSync() sends when a page is opened",
  async ({ page, openPage, server }) => {
    await page.register();
    await page.call("add", "a");
    await page.close();
    const other = await openPage();
    await other.call("start");
    while (server.count("/send") === 0) await pause();
  },
);

browserTest(
  "backgroundSync() sends when the page comes back from the cache",
  async ({ page, openPage, server, skip }) => {
    await page.register();
    await page.call("start");
    await page.call("flush");
    await page.goto("/blank.html");
    const other = await openPage();
    await other.call("add", "a");
    await other.close();
    if (!await page.back()) skip("this engine did not cache the page");
    while (server.count("/send") === 0) await pause();
  },
);

browserTest(
  "backgroundSync() leaves to others what a page was sending that went to the cache",
  async ({ page, openPage, server }) => {
    await page.register();
    await page.call("addMany", ["a", "b"], { key: "k" });
    const release = server.hold("/send");
    await page.call("start");
    while (server.count("/send") === 0) await pause();
    await page.goto("/blank.html");
    release();
    const other = await openPage();
    // Whoever had to wait for the other's leases would be here for longer than
    // a test may take.
    while ((await other.call("list")).length > 0) await other.call("flush");
    const bodies = server.requests.filter(({ path }) => path === "/send")
      .map(({ body }) => new TextDecoder().decode(body));
    assertEquals([...new Set(bodies)], ["a", "b"]);
  },
);

browserTest(
  "backgroundSync() sends when the network is back",
  async ({ page, server }) => {
    await page.register();
    await page.call("start");
    await page.call("add", "a");
    // Engines fire it with the network, which tests leave alone.
    await page.evaluate(() => void dispatchEvent(new Event("online")));
    while (server.count("/send") === 0) await pause();
  },
);

browserTest(
  "createPeriodicSync() says whether the browser does it, and catches up",
  async ({ page, openPage, server, engine }) => {
    await page.register();
    const other = await openPage();
    const how = await page.call("registerPeriodic");
    if (engine.name === "chromium") {
      assert(["denied false", "prompt false"].includes(how), how);
    } else assertEquals(how, "unsupported false");
    const release = server.hold("/refresh");
    const first = page.call("catchUp");
    while (server.count("/refresh") === 0) await pause();
    assertEquals(await other.call("catchUp"), "running");
    release();
    assertEquals(await first, "done");
    assertEquals(await other.call("catchUp"), "fresh");
    assertEquals(server.count("/refresh"), 1);
  },
);

browserTest(
  "createSchedule() runs a job in one page, once",
  async ({ page, openPage, server }) => {
    const other = await openPage();
    await page.call("addJob", "a", Date.now());
    await page.call("addJob", "b", Date.now() - 1e10, 1e9);
    const ran = await Promise.all([
      page.call("runJobs"),
      other.call("runJobs"),
    ]);
    assertEquals(ran[0] + ran[1], 2);
    assertEquals([server.count("/job?a"), server.count("/job?b")], [1, 1]);
  },
);
