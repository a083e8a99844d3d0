// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/client_data_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/client_data_worker.ts",
  page: "./fixtures/client_data_page.ts",
});

/** Sorted by path, as which window is first depends on the focus. */
function sorted(all: [string, unknown][]): [string, unknown][] {
  return all.toSorted(([a], [b]) => a < b ? -1 : 1);
}

browserTest(
  "setClientData() is read in the worker for every client",
  async ({ page, openPage }) => {
    const other = await openPage("/?other");
    await openPage("/?silent");
    await page.register();
    await page.call("set", { typing: true });
    await other.call("set", [1, "é"]);
    assertEquals(sorted(await page.call("get")), [
      ["/", { typing: true }],
      ["/?other", [1, "é"]],
      // JSON knows no undefined.
      ["/?silent", null],
    ]);
  },
);

browserTest(
  "setClientData() lets the last of many sets win",
  async ({ page }) => {
    await page.register();
    await page.call("setMany", 100);
    assertEquals(await page.call("get"), [["/", 99]]);
  },
);

browserTest(
  "setClientData() survives that the worker is stopped",
  async ({ page, stopWorkers }) => {
    await page.register();
    await page.call("set", "kept");
    await stopWorkers();
    assertEquals(await page.call("get"), [["/", "kept"]]);
    await page.call("set", "set anew");
    assertEquals(await page.call("get"), [["/", "set anew"]]);
  },
);

browserTest(
  "setClientData() is gone when its client is closed",
  async ({ page, openPage }) => {
    const other = await openPage("/?other");
    await page.register();
    await page.call("set", 1);
    await other.call("set", 2);
    assertEquals((await page.call("stored")).length, 2);
    await other.close();
    while ((await page.call("get")).length > 1) await pause();
    assertEquals((await page.call("stored")).map(([, data]) => data), [1]);
  },
);

browserTest(
  "setClientData() is gone when its client is closed and another sets",
  async ({ page, openPage }) => {
    const other = await openPage("/?other");
    await page.register();
    await other.call("set", 2);
    await other.close();
    do {
      await page.call("set", 1);
    } while ((await page.call("stored")).some(([, data]) => data === 2));
    assertEquals((await page.call("stored")).map(([, data]) => data), [1]);
  },
);

browserTest(
  "setClientData() is gone after the browser was ended",
  async ({ page, restartBrowser }) => {
    await page.register();
    await page.call("set", "before");
    const after = await restartBrowser();
    assertEquals(await after.call("get"), [["/", null]]);
    assertEquals(await after.call("stored"), []);
  },
  { profile: true },
);

browserTest(
  "setClientData() is not seen by another origin",
  async ({ page, openPage, server }) => {
    await page.register();
    await page.call("set", "secret");
    const foreign = await openPage(`${server.otherOrigin("other")}/`);
    await foreign.register();
    assertEquals(await foreign.call("get", { includeUncontrolled: true }), [
      ["/", null],
    ]);
    assertEquals(await foreign.call("stored"), []);
    assertEquals(await page.call("get"), [["/", "secret"]]);
  },
);

browserTest(
  "setClientData() keeps to the client that sent it",
  async ({ page, openPage }) => {
    const other = await openPage("/?other");
    await page.register();
    await page.call("set", "mine");
    const [key] = (await page.call("stored"))[0] ?? [""];
    await other.call("forge", key.replace("client-data/", ""));
    while ((await page.call("stored")).length < 2) await pause();
    assertEquals(sorted(await page.call("get")), [
      ["/", "mine"],
      ["/?other", "forged"],
    ]);
  },
);

browserTest(
  "setClientData() sets again when the page comes back from the cache",
  async ({ page, openPage }) => {
    const other = await openPage("/?other");
    await page.register();
    await page.call("setOnPageShow", "shown");
    await page.goto("/?elsewhere");
    assertEquals(sorted(await other.call("get")), [
      ["/?elsewhere", null],
      ["/?other", null],
    ]);
    assert(await page.back());
    while ((await other.call("stored")).length < 1) await pause();
    assertEquals(sorted(await other.call("get")), [
      ["/", "shown"],
      ["/?other", null],
    ]);
  },
  { needs: ["back/forward cache"] },
);

browserTest(
  "setClientData() rejects when the worker could not store it",
  async ({ page }) => {
    await page.register();
    await page.call("setFull", true);
    assertEquals(
      await page.call("setByController", 1),
      "NotSavedError: Cannot set the client data: not saved, QuotaExceededError: The disk is full",
    );
    await page.call("setFull", false);
    assertEquals(await page.call("setByController", 1), "saved");
  },
);

browserTest(
  "setClientData() rejects what cannot be cloned",
  async ({ page }) => {
    await page.register();
    const end = await page.call("setUnclonable");
    assertEquals(end.split(":")[0], "DataCloneError");
  },
);

browserTest(
  "setClientData() rejects on a first visit, and takes the active worker",
  async ({ page }) => {
    const end = await page.call("setByController", 1);
    assertEquals(end.split(":")[0], "NoWorkerError");
    await page.register();
    await page.call("set", "uncontrolled");
    assertEquals(await page.call("get"), []);
    assertEquals(await page.call("get", { includeUncontrolled: true }), [
      ["/", "uncontrolled"],
    ]);
  },
  { claim: false },
);
