// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import type { PrecacheEntry, PrecacheManifest } from "../../fetch/precache.ts";
import { devToolsOf } from "./devtools.ts";
import {
  browserTest as declare,
  type BrowserTestContext,
  type BrowserTestOptions,
  pause,
  type TestPage,
  type TestServer,
} from "./harness.ts";

type Page = typeof import("./fixtures/fetch_precache_page.ts");

/** What is at a path in a version: as much as a small script. */
function textOf(path: string, version: string): string {
  return `${path} of ${version} `.padEnd(2000, ".");
}

/** The files of a version: the worker tells them by these. */
function manifestOf(
  version: string,
  entries: Record<string, Partial<PrecacheEntry> & { of?: string }>,
): PrecacheManifest {
  return {
    version,
    entries: Object.entries(entries).map(([url, entry]) => {
      const { of = version, ...rest } = entry;
      return { url, revision: of, ...rest };
    }),
  };
}

function integrityOf(text: string): string {
  return `sha384-${createHash("sha384").update(text).digest("base64")}`;
}

const FIRST = manifestOf("1", {
  "/app": {},
  "/static/same": { integrity: integrityOf(textOf("/static/same", "1")) },
  "/moved": {},
  "/later": { required: false },
});
const SECOND = manifestOf("2", {
  "/app": {},
  "/static/same": {
    of: "1",
    integrity: integrityOf(textOf("/static/same", "1")),
  },
  "/later": { required: false, of: "1" },
});

/** The version that the server has. */
const versions = new WeakMap<TestServer, string>();

function browserTest(
  name: string,
  run: (context: BrowserTestContext<Page>) => Promise<void>,
  manifest: PrecacheManifest = FIRST,
  options: Partial<BrowserTestOptions> = {},
): void {
  declare<Page>(name, {
    worker: "./fixtures/fetch_precache_worker.ts",
    page: "./fixtures/fetch_precache_page.ts",
    define: { MANIFEST: manifest },
    ...options,
  }, async (context) => {
    const { server, page } = context;
    server.route(
      "/moved",
      () =>
        new Response(null, { status: 302, headers: { location: "/target" } }),
    );
    server.route("/favicon.ico", () => new Response());
    server.route("/gone", () => new Response(null, { status: 404 }));
    for (
      const path of ["/app", "/static/*", "/later", "/target", "/file/*"]
    ) {
      server.route(path, async ({ url }) => {
        // Long enough for a worker to be stopped meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 10));
        const { pathname } = new URL(url);
        const text = textOf(pathname, versions.get(server) ?? "1");
        return new Response(text, {
          headers: {
            vary: "Accept, Cookie",
            "content-type": "text/html",
            // Without it, WebKitGTK takes what has come for the whole.
            "content-length": String(text.length),
          },
        });
      });
    }
    await run(context);
    assertEquals(complaints([...server.log, ...page.log]), []);
  });
}

/** The warnings and errors, other than of an installation that is to fail. */
function complaints(log: readonly string[]): string[] {
  return log.filter((line) =>
    /warn|error|rejection/i.test(line) &&
    // The last one is of the icon, for which Chromium asks a server that is away.
    !/Cannot precache |QuotaExceededError|ERR_CONNECTION_REFUSED/.test(line)
  );
}

function deploy(server: TestServer, manifest: PrecacheManifest): void {
  versions.set(server, manifest.version);
  // Other bytes, so that it is another worker.
  server.replaceWorker(undefined, { MANIFEST: manifest });
}

/** Waits until a version has as many files. */
async function storedIn(
  page: TestPage<Page>,
  version: string,
  count: number,
): Promise<void> {
  while ((await page.call("stored"))[version] !== count) await pause();
}

/** What the last of so many installations told: it may arrive after their end. */
async function told(
  page: TestPage<Page>,
  count: number,
): Promise<Record<string, unknown> | undefined> {
  while ((await page.call("told")).length < count) await pause();
  return (await page.call("told")).at(-1);
}

browserTest(
  "precache() has an app work offline, and tells how far it is",
  async ({ page, server }) => {
    await page.register();
    assertEquals(await told(page, 1), { fetched: 3, copied: 0 });
    while ((await page.call("progress")).at(-1)?.done !== 3) await pause();
    assertEquals((await page.call("progress")).at(-1), { done: 3, total: 3 });
    assertEquals(await page.call("stored"), { 1: 3 });
    assertEquals(await page.call("rest"), {
      fetched: 1,
      copied: 0,
      failed: [],
    });
    assertEquals(server.count("/app"), 1);
    await server.stop();
    for (const path of ["/app", "/static/same", "/later"]) {
      assertEquals(await page.call("get", path), textOf(path, "1"));
    }
    // A navigation to what was redirected.
    await page.goto("/moved");
    assertStringIncludes(await page.text(), "/target of 1");
    await server.restart();
    await page.goto("/");
  },
);

browserTest(
  "precache() asks for what is new alone, and for nothing if nothing is",
  async ({ page, server }) => {
    await page.register();
    await page.call("rest");
    const before = server.requests.length;
    deploy(server, SECOND);
    assertEquals(await page.call("update"), "installed");
    assertEquals(await told(page, 2), { fetched: 1, copied: 1 });
    await page.call("skip");
    assertEquals(await page.call("rest"), {
      fetched: 0,
      copied: 1,
      failed: [],
    });
    const asked = server.requests.slice(before).map(({ path }) => path);
    assertEquals(asked, ["/sw.js", "/app"]);
    assertEquals(await page.call("get", "/app"), textOf("/app", "2"));
    assertEquals(await page.call("get", "/later"), textOf("/later", "1"));

    // The same files, another worker.
    server.replaceWorker(undefined, {
      MANIFEST: { ...SECOND, note: "other bytes" },
    });
    assertEquals(await page.call("update"), "installed");
    assertEquals(await told(page, 3), { fetched: 0, copied: 0 });
    assertEquals(
      server.requests.slice(before + 2).map(({ path }) => path),
      ["/sw.js"],
    );
  },
);

browserTest(
  "install() says which file failed, and the version before goes on",
  async ({ page, server }) => {
    await page.register();
    const fails: [PrecacheManifest, string, string][] = [
      [
        manifestOf("2", { "/app": {}, "/gone": {} }),
        "NotFoundError",
        "/gone: its status is 404",
      ],
      [
        manifestOf("3", { "/app": { integrity: integrityOf("other") } }),
        "NetworkError",
        "/app: it cannot be fetched, or differs from its integrity",
      ],
    ];
    let installs = 1;
    for (const [manifest, name, message] of fails) {
      deploy(server, manifest);
      assertEquals(await page.call("update"), "redundant");
      const error = await told(page, ++installs);
      assertEquals(error?.name, name);
      assertStringIncludes(String(error?.message), message);
    }
    assertEquals(await page.call("get", "/app"), textOf("/app", "1"));
    deploy(server, SECOND);
    assertEquals(await page.call("update"), "installed");
  },
);

browserTest(
  "install() stores no body that breaks off, and goes on from there",
  async ({ page, server }) => {
    const mend = server.cut("/app", 1000);
    assertEquals(await page.call("install"), "redundant");
    const error = await told(page, 1);
    assertStringIncludes(String(error?.message), "/app: ");
    mend();
    // WebKitGTK 2.50 loses what was stored, which fails as well.
    while (await page.call("install") === "redundant");
    await page.register();
    assertEquals(await page.call("stored"), { 1: 3 });
    assertEquals(await page.call("get", "/app"), textOf("/app", "1"));
  },
);

browserTest(
  "precache() serves and restores what the user has cleared",
  async ({ page, server }) => {
    await page.register();
    await page.call("rest");
    await page.call("clear");
    for (const path of ["/file/hashed", "/file/checked", "/app"]) {
      assertEquals(await page.call("get", path), textOf(path, "1"));
    }
    // Of the third, nobody could be sure.
    await storedIn(page, "1", 2);
    await page.call("rest");
    assertEquals(await page.call("stored"), { 1: 4 });
    await server.stop();
    assertEquals(await page.call("get", "/app"), textOf("/app", "1"));
    await server.restart();
  },
  {
    version: "1",
    entries: [
      { url: "/app", revision: "1" },
      { url: "/file/hashed" },
      {
        url: "/file/checked",
        revision: "1",
        integrity: integrityOf(textOf("/file/checked", "1")),
      },
      { url: "/later", revision: "1", required: false },
    ],
  },
);

const MANY = manifestOf(
  "1",
  Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [
      `/file/${i}`,
      i < 30 ? {} : { required: false },
    ]),
  ),
);

const devTools = devToolsOf();

browserTest(
  "respond() reads a preload to its end that it does not need",
  async ({ page, server, engine }) => {
    const chromium = engine.name === "chromium" && await devTools.connect();
    await page.register();
    await page.call("rest");
    let parts = 10;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        controller.enqueue(new TextEncoder().encode("slow"));
        if (--parts === 0) controller.close();
      },
    });
    server.route("/app", () => new Response(body));
    await page.goto("/app");
    assertStringIncludes(await page.text(), "/app of 1");
    if (!chromium) return;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assertEquals(chromium.workerLog, []);
    await chromium.close();
  },
  FIRST,
  { args: devTools.args },
);

browserTest(
  "install() says that there is no room, and leaves nothing of it",
  async ({ page, server, engine, skip }) => {
    if (engine.name !== "chromium") skip("the quota cannot be set meanwhile");
    const { setQuota, close } = await devTools.connect();
    await page.register();
    await page.call("rest");
    const before = await page.call("stored");
    const usage = await page.evaluate(async () =>
      (await navigator.storage.estimate()).usage ?? 0
    );
    await setQuota(server.origin, usage + 30_000);
    const large = manifestOf(
      "2",
      Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`/file/${i}`, {}]),
      ),
    );
    deploy(server, large);
    assertEquals(await page.call("update"), "redundant");
    assertEquals((await page.call("told")).at(-1)?.name, "QuotaExceededError");
    assertEquals(await page.call("stored"), before);
    assertEquals(await page.call("get", "/app"), textOf("/app", "1"));

    await setQuota(server.origin, 1e9);
    assertEquals(await page.call("update"), "installed");
    assertEquals(await page.call("stored"), { ...before, 2: 40 });
    await close();
  },
  FIRST,
  { args: devTools.args },
);

browserTest(
  "install() says what Firefox calls otherwise: that there is no room",
  async ({ page, server, engine, skip }) => {
    if (engine.name !== "firefox") skip("its quota is not set by a preference");
    const noise = crypto.getRandomValues(new Uint8Array(1 << 16));
    server.route(
      "/large",
      () => new Response(new Blob(Array(150).fill(noise))),
    );
    assertEquals(await page.call("install"), "redundant");
    assertEquals((await told(page, 1))?.name, "QuotaExceededError");
    assertEquals(await page.call("stored"), {});
  },
  manifestOf("1", { "/app": {}, "/large": {} }),
  { prefs: { "dom.quotaManager.temporaryStorage.fixedLimit": 8 << 10 } },
);

browserTest(
  "precache() goes on when the worker is stopped at random",
  async ({ page, server, stopWorkers }) => {
    const random = async () => {
      const ms = Math.random() * 100;
      await new Promise((resolve) => setTimeout(resolve, ms));
    };
    let state = "";
    while (state !== "installed" && state !== "activated") {
      const installed = page.call("install");
      await random();
      await stopWorkers();
      // A worker that is stopped may be tried again, or have failed.
      state = await Promise.race([
        installed,
        new Promise<string>((resolve) => setTimeout(resolve, 1000, "")),
      ]);
      const active = await page.evaluate(async () => {
        const registration = await navigator.serviceWorker.getRegistration();
        return registration?.active?.state ?? "";
      });
      state = active || state;
    }
    // What is required is there; the rest comes, worker by worker.
    assert((await page.call("stored"))[1]! >= 30);
    for (let stops = 0; stops < 5; stops++) {
      await page.call("wake");
      await random();
      await stopWorkers();
    }
    await page.call("wake");
    await storedIn(page, "1", 60);
    // Each was fetched once, or was in flight at one of the stops.
    const asked = MANY.entries.map(({ url }) => server.count(url));
    assert(asked.every((count) => count >= 1), String(asked));
    for (const { url } of MANY.entries) {
      assertEquals(await page.call("get", url), textOf(url, "1"));
    }
  },
  MANY,
);

browserTest(
  "precache() fills the cache that a static route is answered from",
  async ({ engine, page, server, skip }) => {
    await page.register();
    const before = server.count("/static/same");
    await server.stop();
    assertEquals(
      await page.call("get", "/static/same"),
      textOf("/static/same", "1"),
    );
    await server.restart();
    assertEquals(server.count("/static/same"), before);
    if (engine.name !== "chromium") skip("static routes are not there");
  },
);
