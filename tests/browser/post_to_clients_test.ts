// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { type BrowserTestContext, browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/clients_page.ts");
type Context = BrowserTestContext<Page>;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/clients_worker.ts",
  page: "./fixtures/clients_page.ts",
});

/** Waits until a page has heard `count` messages, and tells which. */
async function received(page: Context["page"], count: number) {
  while ((await page.call("received")).length < count) await pause();
  return await page.call("received");
}

browserTest(
  "postToClients() posts to every window, or to those the filter picks",
  async ({ page, openPage }) => {
    const [a, b] = [await openPage("/?name=a"), await openPage("/?name=b")];
    await page.register();
    const told = await page.call("tell", "post", { message: 1 }) as string[];
    assertEquals(told.toSorted(), ["", "a", "b"]);
    assertEquals(await page.call("tell", "post", { message: 2, only: "b" }), [
      "b",
    ]);
    assertEquals(await received(b, 2), [1, 2]);
    assertEquals(await received(a, 1), [1]);
    assertEquals(await received(page, 1), [1]);
  },
);

browserTest(
  "postToClients() posts to uncontrolled windows only if asked to",
  async ({ page }) => {
    await page.register();
    assertEquals(await page.call("tell", "post", { message: 1 }), []);
    const query = { includeUncontrolled: true };
    assertEquals(await page.call("tell", "post", { message: 2, query }), [""]);
    assertEquals(await received(page, 1), [2]);
  },
  { claim: false },
);

browserTest(
  "postToClients() moves objects to one client, not to several",
  async ({ page, openPage }) => {
    await openPage("/?name=a");
    await page.register();
    assertEquals(await page.call("tell", "transfer"), {
      error: "TypeError",
      left: 8,
    });
    assertEquals(await page.call("tell", "transfer", { only: "a" }), {
      left: 0,
    });
  },
);

browserTest(
  "postToClients() posts to a frozen page, which hears it when it resumes",
  async ({ page, openPage }) => {
    const frozen = await openPage("/?name=frozen");
    await page.register();
    await frozen.freeze();
    await page.call("tell", "post", { message: 1, only: "frozen" });
    await frozen.resume();
    assertEquals(await received(frozen, 1), [1]);
  },
);
