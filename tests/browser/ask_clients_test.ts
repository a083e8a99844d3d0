// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/clients_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/clients_worker.ts",
  page: "./fixtures/clients_page.ts",
});

browserTest(
  "askClients() collects what every window answers",
  async ({ page, openPage }) => {
    await openPage("/?name=a");
    await openPage("/?name=b");
    await page.register();
    const answers = await page.call("tell", "ask", {
      what: "name",
    }) as string[];
    assertEquals(answers.toSorted(), ["", "a", "b"]);
  },
);

browserTest(
  "askClients() collects errors beside answers",
  async ({ page, openPage }) => {
    await openPage("/?name=a");
    await page.register();
    const answers = await page.call("tell", "ask", {
      what: "fail",
    }) as object[];
    assertEquals(
      answers.toSorted((a, b) => "a" in a ? -1 : "a" in b ? 1 : 0),
      [{ a: "RangeError" }, { "": "RangeError" }],
    );
    const unknown = await page.call("tell", "ask", { what: "x" }) as object[];
    assertEquals(
      unknown.flatMap((answer) => Object.values(answer)),
      ["NoHandlerError", "NoHandlerError"],
    );
  },
);

browserTest(
  "askClients() is answered by a page that was asked while it loaded",
  async ({ page, openPage, server }) => {
    await page.register();
    const [ask, load] = [server.hold("/ask"), server.hold("/page.js")];
    const asked = page.call("tellAfter", "/ask", "ask", { what: "name" });
    while (server.count("/ask") === 0) await pause();
    const loads = server.count("/page.js");
    const opened = openPage("/?name=loading");
    while (server.count("/page.js") === loads) await pause();
    ask();
    // The question is on its way, and nobody listens yet.
    await pause(300);
    load();
    await opened;
    assertEquals((await asked as string[]).toSorted(), ["", "loading"]);
  },
);

browserTest(
  "askClients() does not wait for a window that is closed",
  async ({ page, openPage, server }) => {
    const closing = await openPage("/?name=closing");
    await page.register();
    const release = server.hold("/later/");
    // Never released: a window may go on for a while after it was closed.
    server.hold("/later/closing");
    const asked = page.call("tell", "ask", { what: "later", ms: 60_000 });
    for (const path of ["/later/", "/later/closing"]) {
      while (server.count(path) === 0) await pause();
    }
    await closing.close();
    release();
    const answers = await asked as unknown[];
    assertEquals(
      answers.toSorted((a) => typeof a === "string" ? -1 : 1),
      ["", { closing: "DisconnectedError" }],
    );
  },
);

browserTest(
  "askClients() does not ask a page in the back/forward cache",
  async ({ page, openPage }) => {
    const cached = await openPage("/?name=cached");
    await page.register();
    await cached.goto("/?name=elsewhere");
    const answers = await page.call("tell", "ask", {
      what: "name",
    }) as string[];
    assertEquals(answers.toSorted(), ["", "elsewhere"]);
    assert(await cached.back());
    const again = await page.call("tell", "ask", { what: "name" }) as string[];
    assertEquals(again.toSorted(), ["", "cached"]);
  },
  { needs: ["back/forward cache"] },
);

browserTest(
  "askClients() keeps the answers of others when a page is frozen",
  async ({ page, openPage }) => {
    const frozen = await openPage("/?name=frozen");
    await page.register();
    await frozen.freeze();
    const answers = await page.call("tell", "ask", { what: "name", ms: 1_000 });
    await frozen.resume();
    assertEquals(
      (answers as unknown[]).toSorted((a) => typeof a === "string" ? -1 : 1),
      ["", { frozen: "TimeoutError" }],
    );
  },
);
