// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { type BrowserTestContext, browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/broadcast_page.ts");
type Context = BrowserTestContext<Page>;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/broadcast_worker.ts",
  page: "./fixtures/broadcast_page.ts",
});

/** Waits until a page has heard and read `count` messages, and tells which. */
async function received(page: Context["page"], count: number) {
  while (!await page.call("received", count)) await pause();
  return await page.call("state");
}

browserTest(
  "broadcast() reaches other tabs and spares the sender",
  async ({ page, openPage }) => {
    const other = await openPage();
    assert(await page.call("post", { type: "a" }));
    assertEquals(await received(other, 1), {
      heard: [{ type: "a" }],
      read: [{ type: "a" }],
    });
    assert(await other.call("post", "back"));
    assertEquals(await received(page, 1), { heard: ["back"], read: ["back"] });
  },
);

browserTest(
  "broadcast() drops what is posted after close()",
  async ({ page, openPage }) => {
    const other = await openPage();
    assertEquals(await page.call("postClosed"), false);
    assert(await page.call("post", "open"));
    assertEquals((await received(other, 1)).heard, ["open"]);
  },
);

browserTest(
  "broadcast() brings what the worker posts to every tab, in order",
  async ({ page, openPage }) => {
    const other = await openPage();
    await page.register();
    await page.call("tellWorker", 1_000);
    const numbers = Array.from(Array(1_000).keys());
    for (const tab of [page, other]) {
      assertEquals(await received(tab, 1_000), {
        heard: numbers,
        read: numbers,
      });
    }
  },
);

browserTest(
  "broadcast() surfaces a message that does not deserialize",
  async ({ page, engine }) => {
    await page.register();
    await page.call("tellWorker", "unreadable");
    const isChromium = engine.name === "chromium";
    assertEquals(await received(page, 1), {
      heard: [isChromium ? null : "messageerror"],
      read: [isChromium ? null : "DataCloneError"],
    });
  },
);

browserTest(
  "broadcast() brings a frozen page its messages when it resumes",
  async ({ page, openPage }) => {
    const other = await openPage();
    await page.freeze();
    for (const n of [1, 2, 3]) await other.call("post", n);
    await page.resume();
    assertEquals((await received(page, 3)).read, [1, 2, 3]);
  },
);

browserTest(
  "broadcast() that is closed on pagehide lets the page be cached",
  async ({ page, openPage }) => {
    const [other, third] = [await openPage(), await openPage()];
    await page.call("closeWhileAway");
    await page.goto("/?elsewhere");
    await other.call("post", "while away");
    // It is delivered before the page is back.
    await received(third, 1);
    assert(await page.back());
    await other.call("post", "back");
    assertEquals((await received(page, 1)).heard, ["back"]);
  },
  { needs: ["back/forward cache"] },
);
