// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { browserTestOf, pause } from "./harness.ts";

type Page = typeof import("./fixtures/request_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/request_worker.ts",
  page: "./fixtures/request_page.ts",
  handler: () =>
    new Response("<!doctype html>", {
      headers: { "content-type": "text/html" },
    }),
});

browserTest("request() is answered by respond()", async ({ page }) => {
  await page.register();
  assertEquals(await page.call("ask", "GET_VERSION"), { value: "1.0.0" });
  assertEquals(await page.call("echo", { a: [1, "é"] }), { a: [1, "é"] });
  assertEquals(await page.call("ask", "throws"), {
    name: "TypeError",
    message: "No",
    cause: "why",
  });
});

browserTest(
  "request() understands a worker written by hand",
  async ({ page }) => {
    await page.register();
    assertEquals(await page.call("askRaw", "by hand"), { hello: "by hand" });
    assertEquals(await page.call("askRaw", "nothing"), "undefined");
  },
);

browserTest(
  "respond() answers a page that uses workbox-window",
  async ({ page }) => {
    await page.register();
    assertEquals(
      await page.call("byWorkbox", { type: "GET_VERSION" }),
      "1.0.0",
    );
  },
);

browserTest(
  "request() rejects what has no handler, does not clone or cannot be read",
  async ({ page }) => {
    await page.register();
    for (
      const [type, name] of [
        ["nothing" as "echo", "NoHandlerError"],
        ["unclonable", "DataCloneError"],
        ["unreadable", "DataCloneError"],
      ] as const
    ) {
      const error = await page.call("ask", type) as { name: string };
      assertEquals(error.name, name);
    }
    const { name } = await page.call("postUnreadable") as { name: string };
    // The worker cannot know whom its messageerror is from.
    assertEquals(name, "TimeoutError");
  },
);

browserTest(
  "request() asks a page, which answers by respond()",
  async ({ page }) => {
    await page.register();
    await page.evaluate(() => document.title = "The title");
    assertEquals(await page.call("ask", "askBack"), { value: "The title" });
    assertEquals(await page.call("askFromFrame"), "nested");
  },
);

browserTest(
  "request() asks the waiting worker itself",
  async ({ page, server }) => {
    await page.register();
    server.replaceWorker(undefined, { VERSION: "2.0.0" });
    await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      await registration.update();
      while (!registration.waiting) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    assertEquals(await page.call("versions"), [
      { value: "1.0.0" },
      { value: "2.0.0" },
    ]);
  },
);

browserTest(
  "request() says that no worker controls the page, or waits for one",
  async ({ page }) => {
    const early = page.call("askUncontrolled", true);
    const { name } = await page.call("askUncontrolled", false) as {
      name: string;
    };
    assertEquals(name, "NoWorkerError");
    await page.register();
    assertEquals(await early, { value: "1.0.0" });
  },
  { claim: false },
);

browserTest(
  "request() asks an idempotent question again when the worker was stopped",
  async ({ page, server, stopWorkers }) => {
    await page.register();
    const release = server.hold("/ran");
    await page.call("begin", "stopped", 1, true);
    while (server.count("/ran?stopped") === 0) await pause();
    await stopWorkers();
    release();
    assertEquals(await page.call("end", "stopped"), { value: "stopped" });
    assertEquals(server.count("/ran?stopped"), 2);
  },
);

browserTest(
  "respond() runs a slow idempotent question once in a life",
  async ({ page, server }) => {
    await page.register();
    await page.call("begin", "slow", 6_000, true);
    assertEquals(await page.call("end", "slow"), { value: "slow" });
    assertEquals(server.count("/ran?slow"), 1);
  },
);

browserTest(
  "request() tells the worker that it gave up",
  async ({ page, server }) => {
    await page.register();
    const { name } = await page.call("askFor", 300, "given-up") as {
      name: string;
    };
    assertEquals(name, "TimeoutError");
    while (server.count("/aborted?given-up") === 0) await pause();
  },
);

browserTest(
  "request() gives a page that was frozen its answer",
  async ({ page, server }) => {
    await page.register();
    await page.call("begin", "frozen", 300, false);
    while (server.count("/ran?frozen") === 0) await pause();
    await page.freeze();
    await pause(1_000);
    await page.resume();
    assertEquals(await page.call("end", "frozen"), { value: "frozen" });
  },
);

browserTest("request() answers 10,000 questions", async ({ page }) => {
  await page.register();
  assertEquals(await page.call("askOften", 10_000), 49_995_000);
});
