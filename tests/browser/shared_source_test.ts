// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { type BrowserTestContext, browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/shared_source_page.ts");
type Context = BrowserTestContext<Page>;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/shared_source_worker.ts",
  page: "./fixtures/shared_source_page.ts",
});

/** Waits until a page receives what `name` produces, and tells its state. */
async function followsTo(name: string, page: Context["page"]) {
  while ((await page.call("state")).by !== name) await pause();
  return await page.call("state");
}

/** Waits until the iteration of a page has ended, and tells how. */
async function ended(page: Context["page"]) {
  while ((await page.call("state")).ended === undefined) await pause();
  return (await page.call("state")).ended;
}

/**
 * Two pages that follow; the first produces. A second one that is trusting never
 * looks whether the first still answers: only its lock can hand over.
 */
async function pair({ page, openPage }: Context, trusting = false) {
  const second = await openPage("/?name=second");
  if (trusting) await second.call("trust");
  await page.call("follow");
  await followsTo("first", page);
  await second.call("follow");
  await followsTo("first", second);
  return { first: page, second };
}

browserTest("sharedSource() produces in one page for all", async (context) => {
  const { first, second } = await pair(context);
  const third = await context.openPage("/?name=third");
  await third.call("follow");
  await followsTo("first", third);
  const produced = [];
  for (const page of [first, second, third]) {
    produced.push((await page.call("state")).produced);
  }
  assertEquals(produced, [1, 0, 0]);
  // It has the values before it waits for the lock.
  while ((await first.call("locks"))[1] < 2) await pause();
  assertEquals(await first.call("locks"), [1, 2]);
});

browserTest(
  "sharedSource() is followed by the worker, which never produces",
  async ({ page, stopWorkers, engine }) => {
    await page.register();
    const asked = page.call("askWorker");
    await page.call("follow");
    assertEquals((await asked).by, "first");
    if (engine.name !== "webkit") await stopWorkers();
    assertEquals((await page.call("askWorker")).by, "first");
    assertEquals(await page.call("locks"), [1, 0]);
  },
);

browserTest(
  "sharedSource() hands over when the producer's page is closed",
  async (context) => {
    const { first, second } = await pair(context, true);
    await first.close();
    await followsTo("second", second);
  },
);

browserTest(
  "sharedSource() hands over when the producer's page goes elsewhere",
  async (context) => {
    const { first, second } = await pair(context, true);
    await first.goto("/?name=elsewhere");
    await followsTo("second", second);
  },
);

browserTest(
  "sharedSource() hands over when the producer's page is frozen",
  async (context) => {
    const { first, second } = await pair(context, true);
    await first.freeze();
    await followsTo("second", second);
    await first.resume();
    await followsTo("second", first);
    const { produced, aborted } = await first.call("state");
    assertEquals([produced, aborted], [1, 1]);
    // And back, when the second page goes.
    await second.close();
    await followsTo("first", first);
  },
);

browserTest(
  "sharedSource() skips a page that is frozen while it waits",
  async (context) => {
    const { first, second } = await pair(context);
    const third = await context.openPage("/?name=third");
    await third.call("follow");
    await followsTo("first", third);
    await second.freeze();
    while ((await third.call("locks"))[1] === 2) await pause();
    await first.close();
    await followsTo("third", third);
    await second.resume();
    await followsTo("third", second);
  },
);

browserTest(
  "sharedSource() follows again when the page is back from the cache",
  async (context) => {
    const { first, second } = await pair(context);
    await first.goto("/?name=elsewhere");
    await followsTo("second", second);
    const isCached = await first.back();
    // Firefox keeps no page that used a lock, whatever it does on `pagehide`.
    assertEquals(isCached, context.engine.name !== "firefox");
    if (!isCached) return;
    await followsTo("second", first);
    assertEquals((await first.call("state")).produced, 1);
    await second.close();
    await followsTo("first", first);
  },
  { needs: ["back/forward cache"] },
);

browserTest(
  "sharedSource() lets a page that only waits be cached and back",
  async (context) => {
    const { first, second } = await pair(context);
    await second.goto("/?name=elsewhere");
    while ((await first.call("locks"))[1] > 0) await pause();
    const isCached = await second.back();
    assertEquals(isCached, context.engine.name !== "firefox");
    if (!isCached) return;
    const { count } = await second.call("state");
    while ((await second.call("state")).count === count) await pause();
    while ((await first.call("locks"))[1] === 0) await pause();
  },
  { needs: ["back/forward cache"] },
);

browserTest(
  "sharedSource() replaces a producer that hangs",
  async (context) => {
    const { first, second } = await pair(context);
    const since = Date.now();
    await first.call("hang", 10_000);
    await followsTo("second", second);
    const at = await second.call("firstOf", "second") ?? Infinity;
    assert(at - since < 10_000, `it took ${at - since} ms`);
    await followsTo("second", first);
    assertEquals((await first.call("state")).aborted, 1);
  },
  { timeout: 60_000 },
);

browserTest("sharedSource() passes the end on", async (context) => {
  const { first, second } = await pair(context);
  await first.call("setMode", "end");
  assertEquals([await ended(first), await ended(second)], ["done", "done"]);
  assertEquals((await second.call("state")).produced, 0);
  await second.call("follow");
  await followsTo("second", second);
});

browserTest("sharedSource() passes errors on", async (context) => {
  const { first, second } = await pair(context);
  for (
    const [mode, end] of [
      ["throw", "SensorError: No signal (RangeError: Far away)"],
      ["function", undefined],
      ["unclonable", "DataCloneError"],
    ] as const
  ) {
    await first.call("setMode", mode);
    const [own, foreign] = [await ended(first), await ended(second)];
    if (mode === "function") {
      assertEquals(foreign, 'Error: () => "sorry"');
    } else {
      assertEquals(foreign, own);
      assertEquals(own?.slice(0, end?.length), end);
    }
    await first.call("setMode", "count");
    const before = (await first.call("state")).count;
    await first.call("follow");
    while ((await first.call("state")).count === before) await pause();
    await second.call("follow");
    while ((await second.call("state")).ended !== undefined) await pause();
  }
});

browserTest(
  "sharedSource() rejects when a value does not deserialize",
  async (context) => {
    const { first, second } = await pair(context);
    await first.call("setMode", "unreadable");
    assertEquals((await ended(second))?.split(":")[0], "DataCloneError");
    assertEquals((await first.call("state")).ended, undefined);
  },
);

browserTest("sharedSource() leaves no lock behind", async ({ page }) => {
  await page.call("leaveOften", 200);
  assertEquals(await page.call("locks"), [0, 0]);
  const { produced, aborted } = await page.call("state");
  assertEquals([produced, aborted], [200, 200]);
});
