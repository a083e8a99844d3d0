// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Downloads by Background Fetch, and without it, while workers are stopped,
 * pages are closed, connections cut and browsers killed: `SW_SOAK=1` makes them
 * long.
 */

import { assert, assertEquals } from "@std/assert";
import { byteAt } from "./fixtures/fetch_background.ts";
import { browserTest, type BrowserTestContext, pause } from "./harness.ts";

type Page = typeof import("./fixtures/fetch_background_page.ts");
type Context = BrowserTestContext<Page>;

const SOAK = Deno.env.get("SW_SOAK") === "1";
const MEGABYTE = 1024 * 1024;
const FILES = {
  worker: "./fixtures/fetch_background_worker.ts",
  page: "./fixtures/fetch_background_page.ts",
};
/**
 * What a context has received and not stored when it ends: a part that is being
 * stored, one that is being filled, and as much again for an engine that is killed.
 */
const LOST = 8 * MEGABYTE;

/** A server of one file, at every path, that counts what it sends. */
class FileServer {
  readonly size: number;
  /** Bytes a second. */
  rate = Infinity;
  /** How many bytes of the next answers are sent before the connection is cut. */
  cuts: number[] = [];
  etag = '"1"';
  sent = 0;
  /** How many bytes were received, as far as the test has heard. */
  received = 0;
  /** How many of them were asked for again, at most, by one request. */
  again = 0;
  readonly #sending = new Set<ReadableStreamDefaultController>();
  readonly asked: string[] = [];
  readonly #chunk = 64 * 1024;

  constructor(size: number) {
    this.size = size;
  }

  /** How many answers are being sent. */
  get open(): number {
    return this.#sending.size;
  }

  /** Breaks off what is being sent. */
  cut(): void {
    for (const controller of this.#sending) controller.error(new Error("cut"));
    this.#sending.clear();
  }

  answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    const range = request.headers.get("range");
    this.asked.push(`${pathname} ${range ?? "whole"}`);
    if (pathname.endsWith("/missing")) {
      return new Response("no", { status: 404 });
    }
    const isRange = range !== null &&
      request.headers.get("if-range") === this.etag;
    const start = isRange ? Number(range.match(/\d+/)?.[0]) : 0;
    this.again = Math.max(this.again, this.received - start);
    const cut = this.cuts.shift();
    const end = cut === undefined ? this.size : start + cut;
    let place = start;
    const begin = performance.now();
    let own: ReadableStreamDefaultController;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        own = controller;
        this.#sending.add(own);
      },
      pull: async (controller) => {
        if (place >= end) {
          this.#sending.delete(controller);
          if (cut !== undefined) controller.error(new Error("cut"));
          else controller.close();
          return;
        }
        const due = begin + (place - start) / this.rate * 1000;
        const early = due - performance.now();
        if (early > 5) await pause(early);
        if (!this.#sending.has(controller)) return;
        const bytes = new Uint8Array(Math.min(this.#chunk, end - place));
        for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(place + i);
        place += bytes.length;
        this.sent += bytes.length;
        controller.enqueue(bytes);
      },
      cancel: () => void this.#sending.delete(own),
    }, { highWaterMark: 0 });
    return new Response(body, {
      status: isRange ? 206 : 200,
      headers: {
        "content-type": "audio/test",
        "content-length": String(this.size - start),
        "cache-control": "no-store",
        etag: this.etag,
        ...(isRange && {
          "content-range": `bytes ${start}-${this.size - 1}/${this.size}`,
        }),
      },
    });
  }
}

function downloadTest(
  name: string,
  run: (context: Context, server: FileServer) => Promise<void>,
  { size = 3 * MEGABYTE, ...options }: {
    size?: number;
    timeout?: number;
    profile?: boolean;
  } = {},
): void {
  browserTest<Page>(`createBackgroundFetch() ${name}`, {
    ...FILES,
    ...options,
  }, async (context) => {
    const server = new FileServer(size);
    context.server.route("/file/*", (request) => server.answer(request));
    await context.page.register();
    await run(context, server);
  });
}

/** Resolves when the worker was told so much. */
async function told(page: Context["page"], events: unknown[]): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await page.call("ended");
    if ((found as unknown[]).length >= events.length) break;
    await pause(25);
  }
  assertEquals(await page.call("ended"), events);
}

downloadTest(
  "downloads by what the browser has",
  async ({ engine, page }, server) => {
    const path = engine.name === "chromium" ? "native" : "fallback";
    await page.call("begin", { native: true });
    const started = await page.call("start", "1", ["/file/1", "/file/2"]);
    assertEquals(started.path, path);
    await page.reload();
    await page.call("begin", { native: true });
    await page.call("keepRunning");
    const state = await page.call("follow", "1");
    assertEquals([state.result, state.path], ["success", path]);
    assertEquals(state.downloaded, 2 * server.size);
    for (const file of ["/file/1", "/file/2"]) {
      assertEquals(await page.call("check", file), {
        size: server.size,
        wrong: -1,
      });
    }
    await told(page, [["backgroundfetchsuccess", "success", path]]);
    assertEquals(await page.call("cacheNames"), ["episodes"]);
  },
);

downloadTest(
  "downloads by itself what the browser wants a gesture for",
  async ({ engine, page }) => {
    await page.call("begin", { native: true });
    const ids = ["1", "2"];
    const first = engine.name === "chromium" ? "native" : "fallback";
    assertEquals(await page.call("startAll", ids, "/file/"), [
      first,
      "fallback",
    ]);
    for (const id of ids) {
      assertEquals((await page.call("follow", id)).result, "success");
      assertEquals((await page.call("check", `/file/${id}`)).wrong, -1);
    }
  },
);

for (const native of [true, false]) {
  const how = native ? "" : ", without Background Fetch";

  downloadTest(
    `keeps the good files when one fails${how}`,
    async ({ engine, page }) => {
      const path = native && engine.name === "chromium" ? "native" : "fallback";
      await page.call("begin", { native });
      const files = ["/file/1", "/file/missing", "/file/3"];
      await page.call("start", "1", files);
      const state = await page.call("follow", "1");
      assertEquals(
        [state.result, state.failureReason, state.path],
        ["failure", "bad-status", path],
      );
      assertEquals(state.files.map(({ stored }) => stored), [
        true,
        false,
        true,
      ]);
      assertEquals((await page.call("check", "/file/3")).wrong, -1);
      await told(page, [["backgroundfetchfail", "failure", path]]);
      assertEquals(await page.call("remove", "1"), true);
      assertEquals((await page.call("check", "/file/3")).size, -1);
    },
  );

  downloadTest(
    `ends what is aborted${how}`,
    async ({ engine, page }, server) => {
      const path = native && engine.name === "chromium" ? "native" : "fallback";
      server.rate = MEGABYTE;
      await page.call("begin", { native });
      await page.call("start", "1", ["/file/1"]);
      const { seen } = await page.call("follow", "1", 1);
      assert(seen > 1);
      assertEquals(await page.call("abort", "1"), true);
      const state = await page.call("follow", "1");
      assertEquals([state.result, state.failureReason], [
        "failure",
        "aborted",
      ]);
      await told(page, [["backgroundfetchabort", "failure", path]]);
      const names = await page.call("cacheNames");
      assertEquals(names.filter((name) => name !== "episodes"), []);
      assertEquals((await page.call("check", "/file/1")).size, -1);
    },
  );
}

downloadTest(
  "reports a 'downloadTotal' that is too small",
  async ({ page }) => {
    await page.call("begin", { native: true });
    await page.call("start", "1", ["/file/1"], { downloadTotal: 1000 });
    const state = await page.call("follow", "1");
    assertEquals(state.failureReason, "download-total-exceeded");
  },
);

downloadTest(
  "begins again where the file has changed",
  async ({ page }, server) => {
    server.cuts = [2.5 * MEGABYTE];
    await page.call("begin");
    await page.call("start", "1", ["/file/1"]);
    await page.call("followToFailure", "1");
    server.etag = '"2"';
    await page.call("keepRunning");
    assertEquals((await page.call("follow", "1")).result, "success");
    assertEquals(await page.call("check", "/file/1"), {
      size: server.size,
      wrong: -1,
    });
  },
);

downloadTest(
  "goes on in another page, and in the worker, when its page is closed",
  async ({ page, openPage }, server) => {
    server.rate = 2 * MEGABYTE;
    await page.call("begin");
    await page.call("start", "1", ["/file/1"]);
    await page.call("follow", "1", MEGABYTE);
    const other = await openPage();
    await other.call("begin", { downloads: false });
    await page.close();
    const state = await other.call("follow", "1");
    assertEquals(state.result, "success");
    assertEquals((await other.call("check", "/file/1")).wrong, -1);
    assert(server.asked.length <= 3, String(server.asked));
  },
);

/** What Firefox takes for ten pages beside 300 MB: it is up to 390 with a file of 60. */
const OF_PAGES = 200;
const [size, timeout] = SOAK
  ? [300 * MEGABYTE + 12345, 600_000]
  : [24 * MEGABYTE + 12345, 60_000];

/** Resolves when so many bytes were received. */
async function receive(
  page: Context["page"],
  server: FileServer,
  bytes: number,
): Promise<void> {
  const { downloaded } = await page.call("follow", "1", bytes);
  server.received = Math.max(server.received, downloaded);
}

/**
 * Asserts that the file is there, that what was received was asked for once, and
 * that nothing is sent any more. How much was sent is up to engines that
 * read ahead of a busy page.
 */
async function assertEndured(
  { engine, page }: Context,
  server: FileServer,
  interruptions: number,
): Promise<void> {
  const state = await page.call("get", "1");
  assertEquals([state?.result, state?.path], ["success", "fallback"]);
  const checked = await page.call("check", "/file/1");
  assertEquals(checked, { size: server.size, wrong: -1 });
  assertEquals(await page.call("cacheNames"), ["episodes"]);
  const ratio = (server.sent / server.size).toFixed(3);
  console.log(
    `${engine.name}: ${server.size} bytes, ${interruptions} interruptions, ${server.asked.length} requests, sent ${ratio} times`,
  );
  assert(server.again <= LOST, `${server.again} bytes again`);
  // Firefox and WebKit receive what nobody reads.
  const surplus = server.sent - server.size;
  if (engine.name === "chromium") {
    assert(surplus < interruptions * LOST, `${surplus} bytes more`);
  }
  while (server.open > 0) await pause();
  // Whoever goes on asks once, and one at a time does.
  assert(server.asked.length <= interruptions + 1, String(server.asked));
  const [first, ...others] = server.asked;
  assertEquals(first, "/file/1 whole");
  assert(others.every((asked) => asked.includes("bytes=")), String(others));
}

downloadTest(
  "loses nothing, and asks for nothing twice, while workers are stopped and browsers killed",
  async (context, server) => {
    const [stops, kills] = SOAK ? [20, 5] : [3, 1];
    server.rate = (SOAK ? 15 : 6) * MEGABYTE;
    const memory = await watchMemory(context.engine.name);
    let { page } = context;
    // The worker downloads, so that it matters that it is stopped.
    const part = { downloads: false };
    await page.call("begin", part);
    await page.call("start", "1", ["/file/1"]);
    await page.call("keepWaking");
    const every = (stops + kills) / kills;
    for (let count = 1; count <= stops + kills; count++) {
      const bytes = server.size * count / (stops + kills + 1);
      await receive(page, server, bytes);
      if (count % every === 0) {
        page = await context.restartBrowser({ kill: true });
        await page.call("begin", part);
        await page.call("keepWaking");
        // No worker can be stopped there.
      } else if (context.engine.name === "webkit") server.cut();
      else await context.stopWorkers();
    }
    await page.call("follow", "1");
    assertGrown(context, await memory(), server);
    await assertEndured({ ...context, page }, server, stops + kills);
  },
  { size, timeout, profile: true },
);

downloadTest(
  "loses nothing, and asks for nothing twice, while pages are closed and connections cut",
  async (context, server) => {
    const [closes, cuts] = SOAK ? [10, 10] : [2, 2];
    server.rate = (SOAK ? 15 : 6) * MEGABYTE;
    const memory = await watchMemory(context.engine.name);
    let { page } = context;
    await page.call("begin");
    await page.call("start", "1", ["/file/1"]);
    await page.call("keepRunning");
    for (let count = 1; count <= closes + cuts; count++) {
      const bytes = server.size * count / (closes + cuts + 1);
      const next = await context.openPage();
      await receive(page, server, bytes);
      if (count % 2 === 0) server.cut();
      await page.close();
      page = next;
      await page.call("begin");
      await page.call("keepRunning");
    }
    await page.call("follow", "1");
    const own = context.engine.name === "firefox" ? OF_PAGES : 0;
    assertGrown(context, await memory(), server, own);
    await assertEndured({ ...context, page }, server, closes + cuts);
  },
  // Without a profile, WebKit forgets a cache that nobody has open.
  { size, timeout, profile: true },
);

/**
 * Asserts that the file was not in memory: one copy of it would be more, beside
 * the megabytes that are taken whatever its size.
 */
function assertGrown(
  { engine }: Context,
  grown: number,
  { size }: FileServer,
  own = 0,
): void {
  if (!SOAK) return;
  console.log(`${engine.name}: up to ${grown.toFixed(0)} MB more memory`);
  // WebKit holds whatever is put into a cache.
  const most = size / MEGABYTE + own;
  if (engine.name !== "webkit") assert(grown < most, `${grown} MB`);
}

/** Watches by how many megabytes an engine grows at most, in all its processes, until the returned function is called. */
async function watchMemory(engine: string): Promise<() => Promise<number>> {
  if (!SOAK || Deno.build.os !== "linux") return () => Promise.resolve(0);
  const before = await memoryOf(engine);
  let most = before;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, await memoryOf(engine));
      await pause(500);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return most - before;
  };
}

/** The megabytes that an engine holds in memory, in all its processes. */
async function memoryOf(engine: string): Promise<number> {
  const processes = new Map<string, Map<string, string>>();
  for await (const { name } of Deno.readDir("/proc")) {
    const status = await Deno.readTextFile(`/proc/${name}/status`)
      .catch(() => ""); // It is none, or has ended.
    const lines = status.split("\n").map((line) => line.split(/:\s*/));
    processes.set(name, new Map(lines as [string, string][]));
  }
  const isOfEngine = (id: string): boolean => {
    const status = processes.get(id);
    const parent = status?.get("PPid");
    if (!status || parent === undefined) return false;
    return parent === String(Deno.pid)
      ? status.get("Name")?.toLowerCase().startsWith(engine) ?? false
      : isOfEngine(parent);
  };
  let kilobytes = 0;
  for (const [id, status] of processes) {
    if (isOfEngine(id)) kilobytes += parseInt(status.get("RssAnon") ?? "0");
  }
  return kilobytes / 1024;
}
