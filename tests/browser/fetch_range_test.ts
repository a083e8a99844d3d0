// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import {
  type Recording,
  recordings,
} from "../../examples/podcast/server/episodes.ts";
import { readWav } from "../../examples/podcast/server/wav.ts";
import { browserTestOf } from "./harness.ts";

type Page = typeof import("./fixtures/fetch_range_page.ts");

const [recording] = recordings(60) as [Recording];
const WAV = readWav(recording.piece, 0, recording.bytes, recording.bytes);
const MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT";
const MEGABYTE = 1024 * 1024;
const LARGE = 256;
// Chromium says so of every 416; Firefox of each answer of a worker that a page
// does not read to its end, as of media in which somebody seeks.
const ENGINE_REGEXP = /status of 416|unexpected error\.$/;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/fetch_range_worker.ts",
  page: "./fixtures/fetch_range_page.ts",
  handler: (request) => answer(new URL(request.url).pathname),
}, async (context, run) => {
  await run(context);
  const log = [...context.page.log, ...context.server.log];
  assertEquals(log.filter((line) => !ENGINE_REGEXP.test(line)), []);
});

browserTest(
  "rangeResponse() answers ranges of what is stored",
  async ({ page, server }) => {
    await page.register();
    await page.call("store", "/media/ten.bin");
    await server.stop();
    const get = (range: string, headers = {}) =>
      page.call("get", "/media/ten.bin", { range, ...headers });
    const part = (range: string, bytes: string) =>
      `206 | bytes ${range}/10 | ${
        bytes.split(",").length
      } | application/x-ten | ${bytes}`;
    assertEquals(await get("bytes=0-1"), part("0-1", "0,1"));
    assertEquals(await get("bytes=8-"), part("8-9", "8,9"));
    assertEquals(await get("bytes=8-99"), part("8-9", "8,9"));
    assertEquals(await get("bytes=-3"), part("7-9", "7,8,9"));
    assertEquals(await get("bytes=10-"), "416 | bytes */10 | 0 |  | ");
    const whole = "200 |  | 10 | application/x-ten | 0,1,2,3,4,5,6,7,8,9";
    assertEquals(await get("bytes=0-1,4-5"), whole);
    assertEquals(await get("lines=0-1"), whole);
    assertEquals(
      await get("bytes=0-1", { "if-range": '"1"' }),
      part("0-1", "0,1"),
    );
    assertEquals(await get("bytes=0-1", { "if-range": '"2"' }), whole);
    assertEquals(
      await get("bytes=0-1", { "if-range": MODIFIED }),
      part("0-1", "0,1"),
    );
    assertEquals(await page.call("get", "/media/ten.bin"), whole);
  },
);

browserTest(
  "rangeResponse() passes on what is encoded",
  async ({ page, server }) => {
    await page.register();
    await page.call("store", "/media/encoded.txt");
    await server.stop();
    const answered = await page.call("get", "/media/encoded.txt", {
      range: "bytes=0-1",
    });
    assertEquals(
      answered.replace(/\| \d* \|/, "|"),
      "200 |  | text/plain | 1000 bytes",
    );
  },
);

for (const kind of ["audio", "video"] as const) {
  browserTest(
    `rangeResponse() lets <${kind}> seek and play without the server`,
    async ({ page, server }) => {
      await page.register();
      await page.call("store", "/media/piece.wav");
      await server.stop();
      const { duration, seekable } = await page.call(
        "load",
        kind,
        "/media/piece.wav",
      );
      assertEquals(Math.round(duration), 60);
      assertEquals(seekable, 1);
      for (const time of [50, 10, 30, 0]) {
        const position = await page.call("seek", time);
        assert(Math.abs(position - time) < 0.5, `it is at ${position}`);
      }
      assertEquals(await page.call("play"), true);
    },
  );
}

browserTest(
  "rangeResponse() holds no large file in memory",
  async ({ engine, page, server, skip }) => {
    if (engine.name === "webkit") {
      skip("WebKit reads what is stored as a whole");
    }
    if (Deno.build.os !== "linux") skip("this reads /proc");
    await page.register();
    await page.call("store", "/media/large.bin");
    await server.stop();
    const before = await memory(engine.name);
    for (let megabyte = 0; megabyte < LARGE; megabyte += 32) {
      const start = megabyte * MEGABYTE;
      const [first, part] = await Promise.all([
        page.call("peek", "/media/large.bin", `bytes=${start}-`),
        page.call("get", "/media/large.bin", {
          range: `bytes=${start}-${start + MEGABYTE - 1}`,
        }),
      ]);
      assertEquals(first, megabyte);
      assert(part.endsWith(`| ${MEGABYTE} bytes`), part);
      const grown = await memory(engine.name) - before;
      // One copy of it would be more; the browser itself grows as well.
      assert(grown < LARGE, `it takes ${grown} MB more than before`);
    }
  },
);

/** The megabytes that an engine holds in memory, in all its processes. */
async function memory(engine: string): Promise<number> {
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
      ? status.get("Name")?.startsWith(engine) ?? false
      : isOfEngine(parent);
  };
  let kilobytes = 0;
  for (const [id, status] of processes) {
    if (isOfEngine(id)) kilobytes += parseInt(status.get("RssAnon") ?? "0");
  }
  return kilobytes / 1024;
}

function answer(path: string): Response | undefined {
  switch (path) {
    case "/media/ten.bin":
      return new Response(Uint8Array.from({ length: 10 }, (_, i) => i), {
        headers: {
          "content-type": "application/x-ten",
          "content-length": "10",
          "etag": '"1"',
          "last-modified": MODIFIED,
        },
      });
    case "/media/encoded.txt":
      return new Response(
        new Blob(["a".repeat(1000)]).stream()
          .pipeThrough(new CompressionStream("gzip")),
        {
          headers: { "content-type": "text/plain", "content-encoding": "gzip" },
        },
      );
    case "/media/piece.wav":
      return new Response(WAV, { headers: { "content-type": "audio/wav" } });
    case "/media/large.bin":
      return new Response(large());
  }
}

/** Each megabyte has its number in each byte. */
function large(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let megabyte = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(MEGABYTE).fill(megabyte++));
      if (megabyte === LARGE) controller.close();
    },
  }, { highWaterMark: 0 });
}
