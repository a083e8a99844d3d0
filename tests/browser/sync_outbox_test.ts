// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, pause, type TestServer } from "./harness.ts";

/** In bytes. */
const QUOTA = 16 * 1024 * 1024;
/** In milliseconds. */
const YEAR = 31_536_000_000;

type Page = typeof import("./fixtures/sync_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/sync_worker.ts",
  page: "./fixtures/sync_page.ts",
  handler: () => new Response("done", { status: 201 }),
});

browserTest(
  "createOutbox() keeps every kind of body byte by byte",
  async ({ page, server }) => {
    await page.register();
    const count = await page.call("addBodies");
    assertEquals(await page.call("ask", "flush"), { sent: count, failed: 0 });
    for (let i = 0; i < count; i++) {
      const [now] = requestsFor(server, `/now/${i}`);
      const [later] = requestsFor(server, `/later/${i}`);
      const type = now?.headers.get("content-type");
      if (type?.startsWith("multipart/")) {
        // Each has a boundary of its own.
        assertEquals(await formOf(later), await formOf(now));
      } else {
        assertEquals(later?.headers.get("content-type"), type, `${i}`);
        assert(isSame(later?.body, now?.body), `${i}`);
      }
    }
  },
);

browserTest(
  "createOutbox() keeps the files of a form in a request, or says what to do",
  async ({ page, engine, server }) => {
    const result = await page.call("addForm");
    if (engine.name === "webkit") {
      assert(result.includes("pass it as 'body'"), result);
    } else {
      await page.call("flush");
      const [request] = requestsFor(server, "/send");
      assertEquals((await formOf(request)).length, 2);
    }
  },
);

browserTest(
  "createOutbox() keeps 50 MB",
  async ({ page, server }) => {
    const digest = await page.call("addLarge", 50);
    assertEquals((await page.call("flush")).sent, 1);
    const [request] = requestsFor(server, "/send");
    assert(request);
    const hash = await crypto.subtle.digest("SHA-256", request.body);
    assertEquals(String(new Uint8Array(hash)), digest);
  },
  { timeout: 120_000 },
);

browserTest(
  "createOutbox() refuses streams where requests can be streams",
  async ({ page, engine, server }) => {
    const result = await page.call("addStream");
    if (engine.name === "webkit") {
      // It has read the stream to its end.
      assertEquals(result, "added");
      await page.call("flush");
      const [request] = requestsFor(server, "/send");
      assertEquals(new TextDecoder().decode(request?.body), "streamed");
    } else assert(result.includes("read it into a Blob"), result);
  },
);

browserTest(
  "createOutbox() sends each entry once, though tabs and worker all send",
  async ({ page, openPage, server }) => {
    await page.register();
    const other = await openPage();
    const bodies = Array.from({ length: 60 }, (_, i) => `${i}`);
    await page.call("addMany", bodies.slice(0, 20), { key: "a" });
    await other.call("addMany", bodies.slice(20, 40), { key: "b" });
    await page.call("addMany", bodies.slice(40));
    await Promise.all([
      page.call("flush"),
      other.call("flush"),
      page.call("ask", "flush"),
      other.call("ask", "flush"),
    ]);
    const arrived = bodiesOf(server, "/send");
    assertEquals(arrived.length, 60);
    assertEquals(new Set(arrived).size, 60);
    const inOrder = arrived.map(Number).filter((i) => i < 20);
    assertEquals(inOrder, [...Array(20).keys()]);
  },
);

browserTest(
  "createOutbox() sends again what a closed tab was sending, with the same key",
  async ({ page, openPage, server }) => {
    await page.register();
    const other = await openPage();
    await other.call("addMany", ["a", "b"], { key: "k" });
    const release = server.hold("/send");
    await other.call("begin", "closed", "flush");
    while (server.count("/send") === 0) await pause();
    await other.close();
    const flushed = page.call("flush");
    while (server.count("/send") === 1) await pause();
    release();
    assertEquals((await flushed).sent, 2);
    assertEquals(bodiesOf(server, "/send"), ["a", "a", "b"]);
    const keys = requestsFor(server, "/send").map(({ headers }) =>
      headers.get("idempotency-key")
    );
    assertEquals([keys[0] === keys[1], keys[1] === keys[2]], [true, false]);
  },
);

browserTest(
  "createOutbox() sends what a worker kept of a page that was offline",
  async ({ page, server }) => {
    await page.register();
    await server.stop();
    assertEquals(await page.call("comment", "fetched"), 202);
    await page.call("submit", "submitted").catch(() => {});
    const text = () => page.text().catch(() => "");
    while (await text() !== "queued") await pause();
    await server.restart();
    await page.goto("/");
    const entries = await page.call("list");
    assertEquals(entries.map(({ data }) => data), ["cors", "navigate"]);
    assertEquals((await page.call("ask", "flush") as { sent: number }).sent, 2);
    assertEquals(bodiesOf(server, "/comment").toSorted(), [
      "fetched",
      "text=submitted",
    ]);
  },
);

browserTest(
  "watch() gives what happens in every context, and in another life of the worker",
  async ({ page, openPage, server, stopWorkers, engine }) => {
    await page.register();
    const other = await openPage();
    await other.call("watch");
    const id = await page.call("ask", "add", { body: "a" }) as string;
    const expected = [[id, "queued"]];
    await until(other, expected);
    if (engine.name !== "webkit") await stopWorkers();
    server.route("/send", () => new Response("no", { status: 503 }));
    await page.call("ask", "flush");
    expected.push([id, "sending"], [id, "queued"]);
    await until(other, expected);
    server.route("/send", () => new Response("no", { status: 400 }));
    await pause(1_100);
    await page.call("flush");
    expected.push([id, "sending"], [id, "failed"]);
    await until(other, expected);
    await page.call("cancel", id);
    expected.push([id, "cancelled"]);
    await until(other, expected);
    async function until(watcher: typeof other, expected: string[][]) {
      while ((await watcher.call("watched")).length < expected.length) {
        await pause();
      }
      assertEquals(await watcher.call("watched"), expected);
    }
  },
);

browserTest(
  "createOutbox() goes on when its database is deleted",
  async ({ page, server }) => {
    await page.call("addMany", ["a", "b", "c"], { key: "k" });
    const release = server.hold("/send");
    await page.call("begin", "deleted", "flush");
    while (server.count("/send") === 0) await pause();
    await page.call("deleteDatabase");
    release();
    await page.call("end", "deleted");
    assertEquals(await page.call("list"), []);
    await page.call("add", "d");
    await page.call("flush");
    assertEquals(bodiesOf(server, "/send"), ["a", "d"]);
  },
);

browserTest(
  "add() rejects with what was not saved when the storage is full",
  async ({ page, engine, server, skip }) => {
    if (engine.name === "webkit") skip("its quota cannot be set");
    const { name, cause, entries, sent } = await page.call("addBeyond", QUOTA);
    assertEquals(name, "NotSavedError");
    assert(cause.startsWith("QuotaExceededError"), cause);
    assertEquals([entries, sent], [1, 1]);
    assertEquals(bodiesOf(server, "/send"), ["small"]);
  },
  // Chromium has storage buckets; Firefox is started with little storage.
  { prefs: { "dom.quotaManager.temporaryStorage.fixedLimit": QUOTA / 1024 } },
);

browserTest(
  "createOutbox() sends what waits though the clock was set by a year",
  async ({ page, server }) => {
    for (const by of [YEAR, -YEAR]) {
      server.route("/send", () => new Response("busy", { status: 503 }));
      await page.call("add", `${by}`);
      assertEquals((await page.call("flush")).sent, 0);
      await page.call("moveClock", by);
      server.route("/send", () => new Response("done"));
      assertEquals((await page.call("flush")).sent, 1);
      await page.call("moveClock", 0);
    }
    assertEquals(new Set(bodiesOf(server, "/send")).size, 2);
  },
);

browserTest(
  "createOutbox() shows what another version of the code stored, and sends the rest",
  async ({ page, server }) => {
    await page.call("age", await page.call("add", "a", { key: "k" }));
    await page.call("add", "b", { key: "k" });
    const { sent, failed } = await page.call("flush");
    assertEquals([sent, failed], [1, 1]);
    assertEquals(bodiesOf(server, "/send"), ["b"]);
    const [entry] = await page.call("list");
    assertEquals(entry?.failure?.reason, "unreadable");
  },
);

function requestsFor(server: TestServer, path: string) {
  return server.requests.filter((request) => request.path === path);
}

function bodiesOf(server: TestServer, path: string): string[] {
  return requestsFor(server, path).map(({ body }) =>
    new TextDecoder().decode(body)
  );
}

async function formOf(
  request: { headers: Headers; body: BodyInit } | undefined,
): Promise<unknown[]> {
  if (!request) return [];
  const { headers, body } = request;
  const form = await new Response(body, { headers }).formData();
  return await Promise.all(
    [...form].map(async ([name, value]) =>
      typeof value === "string"
        ? [name, value]
        : [name, value.name, String(await value.bytes())]
    ),
  );
}

function isSame(a?: Uint8Array, b?: Uint8Array): boolean {
  return a?.length === b?.length && !!a?.every((byte, i) => byte === b?.[i]);
}
