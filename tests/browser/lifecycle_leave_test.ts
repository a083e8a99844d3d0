// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import {
  type BrowserTestContext,
  browserTestOf,
  type TestServer,
} from "./harness.ts";

type Page = typeof import("./fixtures/lifecycle_leave_page.ts");

const KILL_SWITCH = "./fixtures/lifecycle_leave_retire_worker.ts";
const FIRST = { VERSION: "1", BLOCKED: false };

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/lifecycle_leave_worker.ts",
  page: "./fixtures/lifecycle_leave_page.ts",
  claim: false,
  define: FIRST,
}, async (context, run) => {
  const { server } = context;
  server.route("/page-data", () => new Response("data"));
  server.route("/runtime", () => new Response("runtime"));
  for (const app of ["/a/", "/b/"]) {
    server.route(app, () => fetch(server.url("/")));
  }
  publish(server, "1");
  await run(context);
});

/** Serves a version and its files, and those of no other. */
function publish(
  server: TestServer,
  version: string,
  options: { blocked?: boolean } = {},
): void {
  const { blocked = false } = options;
  server.replaceWorker(undefined, { VERSION: version, BLOCKED: blocked });
  for (const app of ["/", "/a/", "/b/"]) {
    for (const other of ["1", "2", "3"]) {
      server.route(
        `${app}chunk.${other}.js`,
        () => other === version ? new Response(`of ${version}`) : undefined,
      );
    }
  }
}

/** How often a page was navigated to. */
function navigations({ requests }: TestServer): number {
  return requests.filter(({ method, path }) => method === "GET" && path === "/")
    .length;
}

/** Asks again and again, until it is as it should be. */
async function until(isDone: () => Promise<boolean>): Promise<void> {
  // A page that is being reloaded does not answer.
  while (!await isDone().catch(() => false)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asks until there is an answer: a page that is being reloaded gives none. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  while (true) {
    try {
      return await ask();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

browserTest(
  "activate() leaves an old tab its chunk, two versions later",
  async ({ page, openPage, server }) => {
    await page.call("register");
    publish(server, "2");
    await page.call("update");
    const second = await openPage("/?second");
    publish(server, "3");
    await page.call("update");
    assertEquals(await page.call("get", "/chunk.1.js"), "of 1");
    assertEquals(await second.call("get", "/chunk.2.js"), "of 2");
    assertEquals(await page.call("get", "/chunk.3.js"), "of 3");
    assertEquals(await page.call("stored"), ["app / 1", "app / 2", "app / 3"]);

    const third = await openPage("/?third");
    await page.close();
    await until(async () => {
      await third.reload();
      return (await third.call("stored")).length < 3;
    });
    assertEquals(await third.call("stored"), ["app / 2", "app / 3"]);
    assertEquals(await second.call("get", "/chunk.2.js"), "of 2");
    assertEquals(await third.call("get", "/chunk.1.js"), "404");

    await second.close();
    await until(async () => {
      await third.reload();
      return (await third.call("stored")).length < 2;
    });
    assertEquals(await third.call("stored"), ["app / 3"]);
  },
);

browserTest(
  "activate() deletes a version that no tab needs",
  async ({ page, server }) => {
    await page.call("register");
    await page.goto("/blank.html");
    await page.goto("/");
    publish(server, "2");
    await page.call("update");
    await page.reload();
    await until(async () => {
      await page.reload();
      return (await page.call("stored")).length === 1;
    });
    assertEquals(await page.call("stored"), ["app / 2"]);
  },
);

browserTest(
  "activate() leaves another app of the origin alone",
  async ({ openPage, server }) => {
    const a = await openPage("/a/");
    const b = await openPage("/b/");
    await a.call("register", "/a/", "?a");
    await b.call("register", "/b/", "?b");
    await a.evaluate(async () => void await caches.open("foreign"));
    publish(server, "2");
    await a.call("update");
    await until(async () => {
      await a.reload();
      return (await a.call("stored")).length === 3;
    });
    assertEquals(await b.call("stored"), ["app /a/ 2", "app /b/ 1", "foreign"]);
    assertEquals(await b.call("get", "/b/chunk.1.js"), "of 1");
  },
);

browserTest(
  "activate() that rejects leaves the worker active, and is made up for",
  async ({ page, openPage, server }) => {
    await page.call("register");
    publish(server, "2", { blocked: true });
    await page.call("update");
    assertEquals(await page.call("get", "/page-data"), "data");
    const second = await openPage("/?second");
    assertEquals(await page.call("get", "/chunk.1.js"), "of 1");
    await page.close();
    await until(async () => {
      await second.reload();
      return (await second.call("stored")).length === 1;
    });
    assertEquals(await second.call("stored"), ["app / 2"]);
  },
);

browserTest(
  "retire() replaces a worker made by Workbox",
  async ({ page, server }) => {
    await page.call("register");
    assertEquals(await page.call("get", "/page-data"), "data");
    assertEquals(await page.call("get", "/runtime"), "runtime");
    await until(async () => (await page.call("stored")).length === 0);
    const before = await page.call("left");
    assertEquals(before.length, 3, before.join());
    await assertRetired({ page, server });
  },
  { worker: "./fixtures/lifecycle_leave_workbox_worker.ts" },
);

browserTest("retire() replaces a worker of ours", async ({ page, server }) => {
  await page.call("register");
  await page.evaluate(async () => void await caches.open("foreign"));
  await assertRetired({ page, server }, ["foreign"]);
});

/** Deploys the kill switch, and looks at what comes of it. */
async function assertRetired(
  { page, server }: Pick<BrowserTestContext<Page>, "page" | "server">,
  rest: string[] = [],
): Promise<void> {
  const before = navigations(server);
  server.replaceWorker(KILL_SWITCH);
  // The page may be reloaded before it says that it has done this.
  await page.call("replace").catch(() => {});
  await until(async () =>
    navigations(server) > before && !await page.call("isControlled")
  );
  assertEquals(await answered(() => page.call("left")), rest);

  // A page that knows nothing of it registers its worker again.
  const requests = server.count("/sw.js");
  await answered(() => page.call("replace"));
  await until(async () =>
    server.count("/sw.js") > requests &&
    (await page.call("left")).length === rest.length
  );
  assertEquals(await page.call("isControlled"), false);
  assertEquals(navigations(server), before + 1);
}

browserTest(
  "retire() does not reload a page that is offline",
  async ({ page, server }) => {
    await page.call("register");
    server.replaceWorker(KILL_SWITCH);
    await page.call("replace", "?wait");
    await until(() => page.call("isWaiting"));
    const before = navigations(server);
    await server.stop();
    await page.call("goOn");
    // Were it reloaded, it would know of nothing.
    await until(() => page.call("isRetired"));
    assertEquals(await page.call("left"), []);
    assert(await page.call("isRetired"));
    await server.restart();
    await page.reload();
    assertEquals(await page.call("isControlled"), false);
    assertEquals(navigations(server), before + 1);
  },
);

browserTest(
  "unregister() makes way for a new registration",
  async ({ page }) => {
    await page.call("registerElsewhere", "/a/");
    assertEquals(await page.call("registerAnew", "/a/"), {
      how: "unregistered",
      isNew: true,
      hasNewWorker: true,
    });
  },
);

browserTest(
  "unregister() makes way for a new registration while pages are controlled",
  async ({ page, skip }) => {
    await page.call("register");
    const { how, isNew, hasNewWorker } = await page.call("registerAnew", "/");
    assertEquals(how, "unregistered");
    if (!isNew) skip("a registration that controls a page comes back");
    assert(hasNewWorker);
  },
);

browserTest(
  "unregister() makes way for a new registration at once",
  async ({ page }) => {
    await page.call("register");
    // The page may be reloaded before it is told.
    await page.call("leave").catch(() => {});
    await until(async () => !await page.call("isControlled"));
    const { isNew, hasNewWorker } = await page.call("registerAnew", "/");
    assert(isNew && hasNewWorker);
  },
);

browserTest(
  "unregister() ends what is being answered, and frees every page",
  async ({ page, openPage, server }) => {
    await page.call("register");
    const other = await openPage("/?other");
    const release = server.hold("/page-data");
    await page.call("noteEnd", "/page-data");
    await until(() => Promise.resolve(server.count("/page-data") === 1));
    await page.evaluate(() => void Object.assign(globalThis, { old: true }));
    const left = await other.call("leave").catch(() => "reloaded");
    assert(left === "immediate" || left === "reloaded", left);
    for (const each of [page, other]) {
      await until(async () => !await each.call("isControlled"));
    }
    release();
    await page.waitFor(() => !("old" in globalThis));
    assertEquals(
      await page.evaluate(() => sessionStorage.getItem("end") ?? "unloaded"),
      "failed",
    );
    assertEquals(server.count("/?other"), 2);
    assertEquals(await page.call("get", "/page-data"), "data");
  },
);

browserTest(
  "resetOrigin() leaves nothing, and reloads the page once",
  async ({ page, server }) => {
    await page.call("register");
    await page.call("make", "database");
    const before = navigations(server);
    // The page may be reloaded before it is told that it began.
    await page.call("beginReset").catch(() => {});
    await until(async () =>
      navigations(server) > before && !await page.call("isControlled")
    );
    assertEquals(await page.call("left"), []);
    assertEquals(await page.call("databases"), []);
    assertEquals(await page.call("reset"), { failed: [], reloading: false });
  },
);

browserTest(
  "resetOrigin() reports a database that another page has open",
  async ({ page, openPage }) => {
    const other = await openPage("/?other");
    await other.call("hold", "held");
    assertEquals(await page.call("reset"), {
      failed: [
        'database held: Cannot delete the database "held": another page has it open',
      ],
      reloading: false,
    });
    await other.close();
    await until(async () => (await page.call("databases")).length === 0);
  },
);
