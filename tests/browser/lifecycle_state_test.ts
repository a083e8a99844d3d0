// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import {
  type BrowserTestContext,
  browserTestOf,
  pause,
  type TestPage,
} from "./harness.ts";

type Page = typeof import("./fixtures/lifecycle_state_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/lifecycle_state_worker.ts",
  page: "./fixtures/lifecycle_state_page.ts",
  define: { VERSION: "1" },
});

browserTest(
  "ownWorker() is found without self.serviceWorker, or unknown",
  async ({ page, server }) => {
    await page.register();
    await page.evaluate(() => fetch("/").then(() => {}));
    const lifecycle = {
      evaluation: "unknown",
      install: "installing, certain",
      "install, later": "installing, certain",
      activate: "active, certain",
      "activate, later": "active, certain",
    };
    assertEquals(await page.call("ask", "active", "found"), {
      ...lifecycle,
      fetch: "active",
      message: "active",
    });

    // The same URL again.
    server.replaceWorker(undefined, { VERSION: "2" });
    await page.call("update");
    const { activate: _, "activate, later": __, ...waiting } = lifecycle;
    assertEquals(await page.call("ask", "waiting", "found"), {
      ...waiting,
      message: "unknown",
    });
    await page.call("ask", "waiting", "skipWaiting");
    while (await page.call("ask", "active", "version") !== "2") await pause();
    while (
      !("activate, later" in Object(await page.call("ask", "active", "found")))
    ) await pause();
    assertEquals(await page.call("ask", "active", "found"), {
      ...lifecycle,
      message: "unknown",
    });

    // Another URL.
    server.replaceWorker(undefined, { VERSION: "3" });
    await page.call("update", "/sw.js?v=3");
    assertEquals(await page.call("ask", "waiting", "found"), {
      ...waiting,
      message: "waiting",
    });
  },
);

browserTest(
  "pageState() is bfcached when the user leaves, and the worker knows what follows",
  async ({ page, openPage }) => {
    await page.register();
    await page.call("follow");
    const other = await openPage("/?other");
    const stateOf = (path: string) => stateInWorker(other, path);
    const isSeen = /^(active|passive)$/;
    while (!isSeen.test(await stateOf("/") ?? "")) await pause();
    const before = await page.call("statesSoFar");
    await page.goto("/blank.html");
    assertEquals(await stateOf("/"), undefined);
    assert(await page.back());
    while (!isSeen.test(await stateOf("/") ?? "")) await pause();
    const states = await page.call("statesSoFar");
    const after = states.slice(states.indexOf("bfcached"));
    assertEquals(after.filter((state) => state === "bfcached").length, 1);
    assert(isSeen.test(after.at(-1) ?? ""), states.join());
    assertEquals(states.slice(0, before.length), before);
    assert(states.every((state, i) => state !== states[i - 1]), states.join());
  },
  { needs: ["back/forward cache"] },
);

browserTest(
  "pageState() is frozen, and the worker knows it meanwhile",
  async ({ page, openPage }) => {
    await page.register();
    await page.call("follow");
    const other = await openPage("/?other");
    const stateOf = (path: string) => stateInWorker(other, path);
    while (!await stateOf("/")) await pause();
    await page.freeze();
    while (await stateOf("/") !== "frozen") await pause();
    await page.resume();
    while (await stateOf("/") === "frozen") await pause();
    const states = await page.call("statesSoFar");
    const frozen = states.indexOf("frozen");
    assertEquals(states[frozen - 1], "hidden");
    assertEquals(states.lastIndexOf("frozen"), frozen);
    assert(states.length > frozen + 1, states.join());
  },
);

browserTest(
  "pageState() is what the page says, when another page is in front of it",
  async ({ page, openPage, skip }) => {
    await page.register();
    await page.call("follow");
    const other = await openPage("/?other");
    const says = () =>
      page.evaluate(() =>
        document.visibilityState === "hidden"
          ? "hidden"
          : document.hasFocus()
          ? "active"
          : "passive"
      );
    const last = async () => (await page.call("statesSoFar")).at(-1);
    for (const front of [page, other, page]) {
      const before = await says();
      await front.bringToFront();
      for (let look = 0; look < 25; look++) {
        if (await says() !== before) break;
        await pause();
      }
      while (await last() !== await says()) await pause();
    }
    if ((await page.call("statesSoFar")).length === 1) {
      skip("a page in front of another changes nothing");
    }
  },
);

/** What the worker knows of a page. */
async function stateInWorker(
  asking: TestPage<Page>,
  path: string,
): Promise<string | undefined> {
  const all = await asking.call("ask", "active", "states");
  return (all as [string, { state: string } | null][])
    .find(([one]) => one === path)?.[1]?.state;
}

/** A page of the app, which the worker of the scope "/?app" controls. */
async function withApp(
  { page, openPage }: BrowserTestContext<Page>,
  path = "/?app",
) {
  const app = await openPage(path);
  await page.register({ scope: "/?app" });
  while (!await app.evaluate(() => navigator.serviceWorker.controller)) {
    await pause();
  }
  return app;
}

browserTest(
  "launch() tells a window, which the worker may not focus without a click",
  async (context) => {
    const app = await withApp(context);
    const launched = await context.page.call("ask", "active", "launch", {
      url: "/?app=7",
    });
    assertEquals(launched, {
      url: context.server.url("/?app"),
      clientMode: "focus-existing",
      focused: false,
      consumed: true,
    });
    assertEquals(await app.call("launchesSoFar"), ["?app=7"]);
    const inFetch = await app.evaluate(() =>
      fetch("/launch-in-fetch").then((response) => response.text())
    );
    assertEquals(inFetch, "InvalidAccessError");
  },
);

browserTest(
  "launch() navigates a window, which then gets the target",
  async (context) => {
    const app = await withApp(context);
    const launched = await context.page.call("ask", "active", "launch", {
      url: "/?app=7",
      options: { clientMode: "navigate-existing" },
    });
    assertEquals(launched, {
      url: context.server.url("/?app=7"),
      clientMode: "navigate-existing",
      focused: false,
      consumed: true,
    });
    assertEquals(await app.evaluate(() => location.search), "?app=7");
    assertEquals(await app.call("launchesSoFar"), ["?app=7"]);
  },
);

browserTest(
  "launch() reaches a consumer that is set late, once",
  async (context) => {
    const app = await withApp(context, "/?app=silent");
    const launching = context.page.call("ask", "active", "launch", {
      url: "/?app=7",
    });
    await app.evaluate(() =>
      new Promise<void>((resolve) => {
        navigator.serviceWorker.addEventListener("message", () => resolve());
      })
    );
    await app.call("consume");
    const { consumed, clientMode } = await launching as Record<string, unknown>;
    assertEquals([consumed, clientMode], [true, "focus-existing"]);
    assertEquals(await app.call("launchesSoFar"), ["?app=7"]);
  },
);

browserTest(
  "launch() navigates a window of which no consumer is set",
  async (context) => {
    const app = await withApp(context, "/?app=silent");
    const launched = await context.page.call("ask", "active", "launch", {
      url: "/?app=7",
    });
    const { consumed, clientMode } = launched as Record<string, unknown>;
    assertEquals([consumed, clientMode], [true, "navigate-existing"]);
    assertEquals(await app.evaluate(() => location.search), "?app=7");
  },
);
