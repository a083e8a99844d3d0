// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { type BrowserTestContext, browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/storage_page.ts");
type Full = import("./fixtures/storage_page.ts").Full;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/storage_worker.ts",
  page: "./fixtures/storage_page.ts",
  handler: (request) =>
    new Response(null, {
      headers: request.url.endsWith("/clear")
        ? { "clear-site-data": '"storage"' }
        : {},
    }),
});

/** Asserts that no fact failed but what a private window of WebKit cannot keep. */
function assertFacts(engine: string, failing: Record<string, string>): void {
  if (engine === "webkit") {
    const blobs = "keeps the bytes of blobs and files";
    assert(failing[blobs]?.startsWith("UnknownError: Error preparing Blob"));
    delete failing[blobs];
  }
  assertEquals(failing, {});
}

browserTest("openStore() is a store in a page", async ({ page, engine }) => {
  assertFacts(engine.name, await page.call("failingFacts"));
}, { timeout: 90_000 });

browserTest("openStore() is a store in a worker", async ({ page, engine }) => {
  await page.register();
  assertFacts(
    engine.name,
    await page.call("inWorker", "failingFacts") as Record<string, string>,
  );
}, { timeout: 90_000 });

browserTest(
  "openStore() counts right in two tabs and a worker at once",
  async ({ page, openPage }) => {
    await page.register();
    const other = await openPage();
    await Promise.all([
      page.call("add", 200),
      other.call("add", 200),
      page.call("inWorker", "add", { times: 200 }),
    ]);
    assertEquals(await page.call("get", "count", "count"), { value: 600 });
  },
  { timeout: 120_000 },
);

browserTest(
  "openStore() opens again when the browser closed the connection",
  async ({ page }) => {
    await page.call("set", "a", "key", 1);
    await page.call("watchClose", "a");
    await page.evaluate(() => fetch("/clear").then(() => {}));
    assertEquals(await page.call("get", "a", "key"), {});
    assertEquals(await page.call("set", "a", "key", 2), {});
    assertEquals(await page.call("get", "a", "key"), { value: 2 });
    await page.waitFor(() => document.body.dataset.closed);
  },
);

browserTest(
  "openStore() yields to who deletes the database",
  async ({ page, openPage }) => {
    const other = await openPage();
    await page.call("set", "a", "key", 1);
    await other.call("set", "a", "other", 1);
    assertEquals(await page.call("deleteDatabase", "a"), "deleted");
    assertEquals(await page.call("get", "a", "key"), {});
    assertEquals(await other.call("set", "a", "key", 2), {});
    assertEquals(await page.call("count", "a"), 1);
  },
);

browserTest(
  "openStore() rejects while a tab with old code blocks the database",
  async ({ page, openPage }) => {
    const other = await openPage();
    await other.call("holdDatabase", "a");
    await page.call("hurry", 10);
    const { name, message } = await page.call("set", "a", "key", 1) as {
      name: string;
      message: string;
    };
    assertEquals([name, message], [
      "TimeoutError",
      'Cannot open "a": another context has blocked it for 10 seconds',
    ]);
    await other.call("letGo");
    assertEquals(await page.call("set", "a", "key", 1), {});
    assertEquals(await page.call("get", "a", "key"), { value: 1 });
  },
);

browserTest(
  "openStore() rejects where storage is blocked",
  async ({ page }) => {
    const { name } = await page.call("setWithoutStorage") as { name: string };
    assertEquals(name, "SecurityError");
  },
);

browserTest(
  "openStore() keeps all or nothing when the worker is stopped",
  async ({ page, server, stopWorkers }) => {
    await page.register();
    const counts = [];
    for (const delay of [0, 0, 20, 100]) {
      const heard = server.count("/half");
      await page.call("begin", "fill", { count: 5000 });
      while (server.count("/half") === heard) await pause();
      await pause(delay);
      await stopWorkers();
      counts.push(await page.call("count", "filled"));
      await page.call("deleteDatabase", "filled");
    }
    assert(counts.includes(0), `${counts}`);
    assert(counts.every((count) => count === 0 || count === 5000), `${counts}`);
  },
  { timeout: 90_000 },
);

browserTest(
  "openStore() saves what it is told as the page goes, and keeps nobody waiting",
  async ({ page, openPage, engine }) => {
    const other = await openPage();
    await page.call("set", "a", "key", 1);
    await page.call("saveOnHide", "a", "draft", "kept");
    await page.goto("/blank.html");
    const draft = () => other.call("get", "a", "draft") as Promise<object>;
    // WebKit keeps it in the page for as long as that is away.
    if (engine.name === "webkit") await draft().then(() => page.back());
    while (!("value" in await draft())) await pause();
    assertEquals(await draft(), { value: "kept" });
  },
);

browserTest(
  "openStore() keeps what it promised when the browser is killed",
  async ({ page, restartBrowser }) => {
    for (let i = 0; i < 20; i++) await page.call("set", "a", `${i}`, i);
    const next = await restartBrowser({ kill: true });
    assertEquals(await next.call("count", "a"), 20);
  },
  { profile: true, timeout: 60_000 },
);

const QUOTA = 10 * 1024 * 1024;

function assertFull({ batch, value, smaller, keys }: Full): void {
  for (
    const [end, what] of [[batch, "13 records"], [value, '"value"']] as const
  ) {
    const { name, message, needed, available, cause } = end as {
      name: string;
      message: string;
      needed: number;
      available: number;
      cause: string;
    };
    assertEquals(name, "QuotaExceededError");
    assert(needed > QUOTA * 1.4 && needed < QUOTA * 1.6, `${needed}`);
    assert(available > QUOTA / 2 && available <= QUOTA, `${available}`);
    assertEquals(
      message,
      `Cannot store ${what}: about ${needed} bytes are needed, ${available} are available`,
    );
    assert(cause.startsWith("QuotaExceededError"), cause);
  }
  assertEquals(smaller, [{}, {}]);
  assertEquals(keys, ["a", "after", "b", "before"]);
}

browserTest(
  "openStore() says what is needed when the storage is full",
  async ({ page, engine, skip }) => {
    if (engine.name === "webkit") skip("its quota cannot be set");
    // Chromium has storage buckets; Firefox is started with little storage.
    const fill = engine.name === "chromium" ? "fillBucket" : "fillUp";
    assertFull(await page.call(fill, QUOTA));
  },
  {
    prefs: { "dom.quotaManager.temporaryStorage.fixedLimit": QUOTA / 1024 },
    timeout: 60_000,
  },
);

browserTest(
  "openStore() keeps the data of clients while their worker restarts",
  async ({ page, stopWorkers }) => {
    await page.register();
    await page.call("keepData", { typing: true });
    await stopWorkers();
    assertEquals(await page.call("inWorker", "clientData"), [{ typing: true }]);
  },
);

/** How a store is found: at first, again, after its database is gone, and again. */
async function findings(
  page: BrowserTestContext<Page>["page"],
  detect: (name: string) => Promise<unknown>,
): Promise<unknown[]> {
  // Cookies do not ask for the port, by which the origins of tests differ.
  const name = crypto.randomUUID();
  const found = [await detect(name), await detect(name)];
  await page.call("deleteDatabase", name);
  return [...found, await detect(name), await detect(name)];
}

browserTest(
  "detectEviction() notices in a page that the database is gone",
  async ({ page, engine }) => {
    for (
      const witness of [
        "localStorage",
        "cookie",
        "caches",
        // WebKitGTK's keeps nothing.
        ...engine.name === "webkit" ? [] : ["cookieStore" as const],
      ] as const
    ) {
      assertEquals(
        await findings(page, (name) => page.call("detect", name, [witness])),
        ["new", "kept", "lost", "kept"],
        witness,
      );
    }
  },
);

browserTest(
  "detectEviction() notices in a worker that the database is gone",
  async ({ page, engine }) => {
    await page.register();
    const found = (witness: string) =>
      findings(
        page,
        (name) =>
          page.call("inWorker", "detect", { name, witnesses: [witness] }),
      );
    assertEquals(await found("caches"), ["new", "kept", "lost", "kept"]);
    const byCookie = await found("cookieStore");
    // That of Firefox keeps little in a worker, that of WebKitGTK nothing.
    if (engine.name !== "chromium" && byCookie[2] === "new") {
      byCookie[2] = "lost";
    }
    assertEquals(byCookie, ["new", "kept", "lost", "kept"]);
  },
);

browserTest(
  "detectEviction() notices that the browser cleared the storage",
  async ({ page }) => {
    const [both, alone] = [crypto.randomUUID(), crypto.randomUUID()];
    await page.call("detect", both, ["localStorage", "cookie"]);
    await page.call("detect", alone, ["localStorage", "caches"]);
    await page.evaluate(() => fetch("/clear").then(() => {}));
    const found = [
      await page.call("detect", both, ["localStorage", "cookie"]),
      await page.call("detect", alone, ["localStorage", "caches"]),
    ];
    assertEquals(found, ["lost", "new"]);
  },
);

browserTest(
  "persist() asks and measures, as far as the engine can",
  async ({ page, engine }) => {
    await page.register();
    const inPage = await page.call("measure");
    const inWorker = await page.call("inWorker", "measure") as typeof inPage;
    for (const { persisted, usage, quota, available } of [inPage, inWorker]) {
      // Firefox asks its user, who agrees. Chromium decides by what else it has
      // seen of the host.
      if (engine.name === "chromium") {
        const granted = () => navigator.storage.persisted();
        assert(!persisted || await page.evaluate(granted));
      } else assertEquals(persisted, engine.name === "firefox");
      const measures = [usage, quota, available].map(Number);
      assertEquals(measures.every(Number.isFinite), engine.name !== "webkit");
    }
  },
  {
    prefs: {
      "dom.storageManager.prompt.testing": true,
      "dom.storageManager.prompt.testing.allow": true,
    },
  },
);
