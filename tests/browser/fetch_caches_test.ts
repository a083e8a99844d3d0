// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, pause, type TestPage } from "./harness.ts";

type Page = typeof import("./fixtures/fetch_caches_page.ts");

const QUOTA = 8 << 20;
const SIZE = 500_000;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/fetch_caches_worker.ts",
  page: "./fixtures/fetch_caches_page.ts",
  handler: ({ url }) => {
    const { pathname } = new URL(url);
    if (pathname.endsWith("/missing")) {
      return new Response("", { status: 404 });
    }
    return new Response(pathname, { headers: { vary: "Accept" } });
  },
}, async (context, run) => {
  await run(context);
  const { log } = context.page;
  assertEquals(log.filter((line) => /warn|error/i.test(line)), []);
});

/** Loads one after the other: what is stored is stored after the answer. */
async function store(
  page: TestPage<Page>,
  ...names: string[]
): Promise<void> {
  for (const path of few(...names)) {
    await page.call("load", path);
    while (!(await page.call("stored", "few")).includes(path)) await pause();
  }
}

function few(...names: string[]): string[] {
  return names.map((name) => `/few/${name}`);
}

browserTest(
  "expireCache() keeps to its limits, from worker and page",
  async ({ page }) => {
    await page.register();
    await store(page, "a", "b", "c");
    await page.call("load", ...few("a", "d"));
    while (
      (await page.call("stored", "few")).join() !== "/few/a,/few/c,/few/d"
    ) await pause();
    // The worker does not store that one.
    await page.call("putHere", "/other/e");
    assertEquals((await page.call("stored", "few")).length, 3);
    const { entries } = await page.call("ask", "expire") as unknown as {
      entries: number;
    };
    assertEquals(entries, 3);
    assertEquals((await page.call("ask", "notes")).length, 4);
  },
);

browserTest(
  "expireCache() knows what was used after the worker was stopped",
  async ({ page, stopWorkers }) => {
    await page.register();
    await store(page, "a", "b", "c");
    // Notes of three entries and of the clock.
    while ((await page.call("ask", "notes")).length < 4) await pause();
    await page.call("load", ...few("a"));
    // The batch is written after a second, which extends the event.
    await pause(2_000);
    await stopWorkers();
    await page.call("load", ...few("d"));
    while (!(await page.call("stored", "few")).includes("/few/d")) {
      await pause();
    }
    while ((await page.call("stored", "few")).length > 3) await pause();
    assertEquals(await page.call("stored", "few"), few("a", "c", "d"));
  },
);

browserTest(
  "expireCache() fetches again what is too old",
  async ({ page, server }) => {
    await page.register();
    await page.call("load", "/young/a");
    while ((await page.call("stored", "young")).length === 0) await pause();
    // However often it is used.
    while (server.count("/young/a") < 2) await page.call("load", "/young/a");
  },
);

browserTest(
  "expireCache() goes on when its storage was cleared",
  async ({ page, server }) => {
    await page.register();
    await store(page, "a", "b", "c");
    await page.call("clear");
    assertEquals(await page.call("load", ...few("a", "b")), few("a", "b"));
    assertEquals(server.count("/few/a"), 2);
    while ((await page.call("stored", "few")).join() !== "/few/a,/few/b") {
      await pause();
    }
    await store(page, "c", "d", "e", "f");
    while (
      (await page.call("stored", "few")).join() !== "/few/d,/few/e,/few/f"
    ) await pause();
  },
);

browserTest(
  "expireCache() makes room when the storage is full, and serves everything",
  async ({ page, engine, skip }) => {
    if (engine.name === "webkit") skip("its quota cannot be set");
    await page.register();
    const urls = Array.from(Array(30).keys(), (i) => `/many/${i}`);
    const sizes = await page.call("measure", ...urls);
    assertEquals(sizes, urls.map(() => SIZE));
    // One was stored for which room had to be made, and not at the cost of all.
    while (true) {
      const reports = await page.call("ask", "reports") as {
        stored: boolean;
        evicted: number;
      }[];
      if (reports.some(({ stored, evicted }) => stored && evicted > 0)) break;
      const more = `/many/x${reports.length}-${crypto.randomUUID()}`;
      assertEquals(await page.call("measure", more), [SIZE]);
    }
    const left = await page.call("ask", "many");
    assert(left.length > 3 && left.length < QUOTA / SIZE, `${left.length}`);
  },
  {
    prefs: { "dom.quotaManager.temporaryStorage.fixedLimit": QUOTA / 1024 },
    handler: () => new Response(noise()),
  },
);

browserTest(
  "cacheURLs() has the worker store what is there, and tells of each",
  async ({ page, server }) => {
    await page.register();
    assertEquals(
      await page.call("cache", "/few/a", "/few/missing", "/few/b"),
      [
        "/few/a stored",
        "/few/missing failed",
        "/few/b stored",
        "1/3",
        "2/3",
        "3/3",
      ],
    );
    assertEquals(await page.call("cache", "/few/a"), ["/few/a found", "1/1"]);
    assertEquals(server.count("/few/a"), 1);
  },
);

browserTest(
  "cacheURLs() is cancelled, and the request with it",
  async ({ page, server }) => {
    await page.register();
    const release = server.hold("/few/slow");
    const ended = page.call("cacheAndCancel", "/few/slow");
    assertEquals(await ended, "AbortError");
    release();
    assertEquals(await page.call("stored", "few"), []);
  },
);

browserTest(
  "cacheURLs() is done though the worker was stopped",
  async ({ page, server, stopWorkers }) => {
    await page.register();
    const release = server.hold("/few/b");
    const cached = page.call("cache", "/few/a", "/few/b");
    while (server.count("/few/b") === 0) await pause();
    while (!(await page.call("stored", "few")).includes("/few/a")) {
      await pause();
    }
    await stopWorkers();
    release();
    const [a, b] = await cached;
    assert(a === "/few/a stored" || a === "/few/a found", a);
    assertEquals(b, "/few/b stored");
    assertEquals(server.count("/few/a"), 1);
  },
);

browserTest(
  "broadcastUpdate() tells all pages what has changed",
  async ({ page, openPage, server }) => {
    let news = "Rain";
    server.route(
      "/news",
      () =>
        new Response(`<!doctype html><title>${news}</title>${news}`, {
          headers: { "content-type": "text/html" },
        }),
    );
    await page.register();
    const other = await openPage();
    const [rain] = await page.call("load", "/news");
    await page.waitFor(() => caches.match("/news"));
    await page.call("load", "/news");
    while (server.count("/news") < 2) await pause();
    news = "Sun";
    assertEquals(await page.call("load", "/news"), [rain as string]);
    for (const each of [page, other]) {
      while ((await each.call("told")).length === 0) await pause();
      assertEquals(await each.call("told"), ["/news"]);
    }
  },
);

browserTest(
  "broadcastUpdate() tells the page that was given what has changed",
  async ({ page, server }) => {
    let news = "Rain";
    const script = (async () => {
      const heard: unknown[] = [];
      Object.assign(globalThis, { heard });
      navigator.serviceWorker.addEventListener(
        "message",
        ({ data }) => heard.push(data),
      );
      await Promise.resolve();
    }).toString();
    server.route(
      "/news",
      () =>
        new Response(
          `<!doctype html><p>${news}<script>(${script})()</script>`,
          {
            headers: { "content-type": "text/html" },
          },
        ),
    );
    await page.register();
    await page.call("load", "/news");
    await page.waitFor(() => caches.match("/news"));
    news = "Sun";
    await page.goto("/news");
    assertEquals(await page.text(), "Rain");
    const [message] = await page.waitFor(() => {
      const { heard = [] } = globalThis as { heard?: unknown[] };
      return heard.length > 0 && heard;
    }) as unknown[];
    assertEquals(message, {
      "@serviceworker/std": { updated: server.url("/news") },
    });
  },
);

/** A text that does not get smaller where it is compressed. */
function noise(): string {
  const parts = Array.from({ length: 10 }, () => {
    const bytes = crypto.getRandomValues(new Uint8Array(SIZE * 0.075));
    return btoa(
      Array.from(bytes, (code) => String.fromCharCode(code)).join(""),
    );
  });
  return parts.join("");
}
