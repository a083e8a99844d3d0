// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, type TestPage, type TestServer } from "./harness.ts";

type Page = typeof import("./fixtures/lifecycle_updates_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/lifecycle_updates_worker.ts",
  page: "./fixtures/lifecycle_updates_page.ts",
  define: { VERSION: 1, INSTALL: "ok" },
});

function deploy(server: TestServer, VERSION: number, INSTALL = "ok"): void {
  server.replaceWorker(undefined, { VERSION, INSTALL });
}

/** Waits until a page was told as many facts, and resolves with them. */
async function told(page: TestPage<Page>, count: number): Promise<string[]> {
  while (true) {
    const facts = await page.call("told");
    if (facts.length >= count) return facts;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Has a page be controlled by the first worker, and watch. */
async function open(page: TestPage<Page>): Promise<void> {
  // Not by loading it again: the browser would look for an update by itself.
  await page.register();
  await page.call("start");
}

/** Waits until a page was told of so many failures, and resolves with their reasons. */
async function reasons(page: TestPage<Page>, count: number): Promise<string[]> {
  while (true) {
    const facts = await page.call("told");
    const failed = facts.flatMap((fact) => fact.split(" failed ").slice(1));
    // A browser may try it again by itself.
    const found = [...new Set(failed)];
    if (found.length >= count) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

browserTest(
  "watchUpdates() tells of a first installation, and that it is none of an update",
  async ({ page }) => {
    await page.call("start");
    assertEquals(await told(page, 2), ["first installing", "first active"]);
  },
);

browserTest(
  "watchUpdates() tells of three updates in one tab",
  async ({ page, server }) => {
    await open(page);
    const facts: string[] = [];
    for (const number of [1, 2, 3]) {
      deploy(server, number + 1);
      await page.call("check");
      facts.push(`${number} installing`, `${number} waiting`);
      assertEquals(await told(page, facts.length), facts);
      await page.call("skip");
      facts.push(`${number} active`);
      assertEquals(await told(page, facts.length), facts);
      assertEquals(await page.call("version"), String(number + 1));
    }
    await page.call("stop");
    assertEquals(await told(page, 10), [...facts, "aborted true"]);
  },
);

browserTest(
  "watchUpdates() tells of an update while another one waits",
  async ({ page, server }) => {
    await open(page);
    deploy(server, 2);
    await page.call("check");
    await told(page, 2);
    deploy(server, 3);
    await page.call("check");
    await told(page, 4);
    await page.call("skip");
    assertEquals(await told(page, 5), [
      "1 installing",
      "1 waiting",
      "2 installing",
      "2 waiting",
      "2 active",
    ]);
    assertEquals(await page.call("version"), "3");
  },
);

browserTest(
  "watchUpdates() tells a page without controller of the update",
  async ({ page, server }) => {
    // Nothing controls this page, as after a reload with the shift key.
    await page.register();
    assertEquals(await page.call("isControlled"), false);
    await page.call("start");
    deploy(server, 2);
    await page.call("check");
    assertEquals(await told(page, 2), ["1 installing", "1 active"]);
    assertEquals(await page.call("isControlled"), false);
  },
  { claim: false },
);

browserTest(
  "watchUpdates() tells once what waited before the page came",
  async ({ page, openPage, server }) => {
    await open(page);
    deploy(server, 2);
    await page.call("check");
    await told(page, 2);
    const other = await openPage();
    await other.call("start");
    assertEquals(await told(other, 1), ["1 waiting"]);
    deploy(server, 3);
    await other.call("check");
    assertEquals(await told(other, 3), [
      "1 waiting",
      "2 installing",
      "2 waiting",
    ]);
  },
);

browserTest(
  "watchUpdates() does not say that a worker waits which skips it",
  async ({ page, server }) => {
    await open(page);
    for (const number of [1, 2, 3]) {
      deploy(server, number + 1, "skipWaiting");
      await page.call("check");
      await told(page, number * 2);
    }
    assertEquals(await page.call("told"), [
      "1 installing",
      "1 active",
      "2 installing",
      "2 active",
      "3 installing",
      "3 active",
    ]);
  },
);

browserTest(
  "watchUpdates() says why an installation failed",
  async ({ page, openPage, server }) => {
    await open(page);
    const other = await openPage();
    await other.call("watch");
    for (const [index, how] of ["missing", "throw", "reject"].entries()) {
      deploy(server, index + 2, how);
      await page.call("check");
      await reasons(page, index + 1);
    }
    for (const one of [page, other]) {
      const [missing = "", ...others] = await reasons(one, 3);
      // Its words are the engine's.
      assert(missing.startsWith("TypeError: "), missing);
      assertEquals(others, [
        "RangeError: It throws at once",
        "DataError: It rejects",
      ]);
    }
    assertEquals(await page.call("version"), "1");
    deploy(server, 5);
    await page.call("check");
    while (!(await page.call("told")).at(-1)?.endsWith("waiting"));
  },
);

browserTest(
  "watchUpdates() says that a worker failed which does not say why",
  async ({ page, server }) => {
    await open(page);
    deploy(server, 0, "reject");
    await page.call("check");
    const [reason = ""] = await reasons(page, 1);
    assert(reason.startsWith("UnknownError: Cannot install http"), reason);
    assertEquals(await page.call("version"), "1");
  },
);

browserTest(
  "watchUpdates() says that a first installation failed",
  async ({ page }) => {
    await page.call("start");
    assertEquals(await told(page, 2), [
      "first installing",
      "first failed DataError: It rejects",
    ]);
    assertEquals(await page.call("isControlled"), false);
  },
  { define: { VERSION: 1, INSTALL: "reject" } },
);

browserTest(
  "watchUpdates() tells a page that was frozen",
  async ({ page, openPage, server }) => {
    await open(page);
    const other = await openPage();
    await page.freeze();
    deploy(server, 2, "reject");
    await other.call("check");
    deploy(server, 3);
    await other.call("check");
    await other.call("watch");
    await told(other, 1);
    await page.resume();
    // The report comes another way than what became of the worker.
    assertEquals((await told(page, 4)).toSorted(), [
      "1 failed DataError: It rejects",
      "1 installing",
      "2 installing",
      "2 waiting",
    ]);
  },
);

browserTest(
  "watchUpdates() tells a page that comes back from the cache",
  async ({ page, openPage, server }) => {
    await open(page);
    await page.goto("/blank.html");
    const other = await openPage();
    deploy(server, 2);
    await other.call("check");
    await other.call("watch");
    await other.waitFor(async () => {
      const registration = await navigator.serviceWorker.getRegistration("/");
      return registration?.waiting;
    });
    // A page that was not kept begins anew.
    if (!await page.back()) await page.call("watch");
    while (!(await told(page, 1)).includes("1 waiting"));
    deploy(server, 3);
    await page.call("check");
    await told(page, 3);
    while (!(await told(page, 1)).includes("2 waiting"));
    const facts = (await page.call("told"))
      .filter((fact) => fact !== "1 installing");
    assertEquals(facts, ["1 waiting", "2 installing", "2 waiting"]);
  },
);

browserTest(
  "watchUpdates() says that there is no room for the new version",
  async ({ page, server, engine, skip }) => {
    if (engine.name === "webkit") skip("its quota cannot be set");
    await open(page);
    deploy(server, 2, "fill");
    await page.call("check");
    const [reason = ""] = await reasons(page, 1);
    const name = engine.name === "firefox"
      ? "NS_ERROR_FILE_NO_DEVICE_SPACE"
      : "QuotaExceededError";
    assert(reason.startsWith(`${name}: `), reason);
    assertEquals(await page.call("version"), "1");
  },
  // Chromium has storage buckets; Firefox is started with little storage.
  { prefs: { "dom.quotaManager.temporaryStorage.fixedLimit": 16 * 1024 } },
);

browserTest(
  "checkForUpdate() says what came of it",
  async ({ page, server }) => {
    await open(page);
    assertEquals(await page.call("check"), "none");
    deploy(server, 2);
    assertEquals(await page.call("check"), "installing");
    await told(page, 2);
    assertEquals(await page.call("check"), "waiting");
    server.replaceWorker("\n throw new Error('It does not run');");
    assertEquals(await page.call("check"), "failed");
    server.route("/sw.js", () => new Response(null, { status: 503 }));
    assertEquals(await page.call("check"), "failed");
    await server.stop();
    assertEquals(await page.call("check"), "failed");
    assertEquals(await page.call("version"), "1");
    assertEquals(
      page.log.filter((line) => line.includes("unhandled")),
      [],
    );
    await server.restart();
  },
);

browserTest(
  "checkForUpdate() answers calls at the same time, and without registration",
  async ({ page, server }) => {
    await open(page);
    assertEquals(await page.call("checkTwice"), ["none", "none"]);
    deploy(server, 2);
    for (const outcome of await page.call("checkTwice")) {
      assert(["installing", "waiting"].includes(outcome), outcome);
    }
    await told(page, 2);
    assertEquals(await page.call("checkUnregistered"), "failed");
  },
);

browserTest(
  "register() says why a script is refused, and what mends it",
  async ({ page, server }) => {
    const serve = (path: string, body: string, headers = {}, status = 200) =>
      server.route(path, () =>
        new Response(body, {
          status,
          headers: {
            "content-type": "text/javascript",
            "service-worker-allowed": "/a/",
            ...headers,
          },
        }));
    serve("/a/ok.js", "");
    serve("/a/busy.js", "", {}, 503);
    serve("/a/page.js", "", { "content-type": "text/html" });
    serve("/a/moved.js", "", { location: "/a/ok.js" }, 302);
    serve("/a/throw.js", "throw new Error('It does not run')");
    serve("/a/module.js", "import './none.js'");

    const refused = async (
      name: string,
      path: string,
      fact: string,
      options = {},
    ) =>
      assertEquals(
        await page.call("whyNot", path, options),
        `${name}: Cannot register ${path}: ${fact}`,
      );
    await refused(
      "TypeError",
      "/a/none.js",
      "the server answers 404; serve the script there",
    );
    await refused(
      "TypeError",
      "/a/busy.js",
      "the server answers 503; serve the script there",
    );
    await refused(
      "SecurityError",
      "/a/page.js",
      `the server answers "text/html"; serve the script there, as "text/javascript"`,
    );
    await refused(
      "SecurityError",
      "/a/moved.js",
      "the server redirects it; register the URL where it is",
    );
    await refused(
      "SecurityError",
      "/a/ok.js",
      `the scope "/" is not under "/a/"; choose one that is, move the script up, or serve it with the header "Service-Worker-Allowed: /"`,
      { scope: "/" },
    );
    await refused(
      "SecurityError",
      `${server.otherOrigin("other")}/a/ok.js`,
      "it is of another origin; serve it from that of the page",
    );
    await refused(
      "TypeError",
      "/a/throw.js",
      `it does not run; its own error is in the console, and if it imports, register it as a "module"`,
    );
    await refused(
      "TypeError",
      "/a/module.js",
      "it does not run; its own error is in the console, and give a 'classicScript' for browsers that run no modules here",
      { type: "module" },
    );
    assertEquals(
      await page.call("whyNot", "/a/module.js", {
        type: "module",
        classicScript: "/a/ok.js",
      }),
      server.url("/a/ok.js"),
    );
    await server.stop();
    await refused(
      "TypeError",
      "/a/away.js",
      "the server does not answer; try again when it can be reached",
    );
    await server.restart();
  },
);

browserTest(
  "register() is the same registration each time",
  async ({ page }) => {
    assertEquals(await page.call("registerTwice"), [true, true]);
  },
);
