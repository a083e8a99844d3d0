// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

const MEGABYTE = 1024 * 1024;
const CHUNK = new Uint8Array(64 * 1024).fill(7);

export const scenario: Scenario = {
  title: "A file is downloaded into a cache, without Background Fetch",
  floor: "fetch and put",
  rounds: 3,
  cases: ["10 MB, 25 MB/s", "100 MB, 25 MB/s", "100 MB, no limit"],
  fullCases: ["1000 MB, 25 MB/s"],
  alone: Object.fromEntries(
    [
      "10 MB, 25 MB/s",
      "100 MB, 25 MB/s",
      "100 MB, no limit",
      "1000 MB, 25 MB/s",
    ].map((name) => [name, ["fetch and put", "download"]]),
  ),
  targets: ["10 MB, 25 MB/s", "100 MB, 25 MB/s", "1000 MB, 25 MB/s"].map(
    (name) => ({
      case: name,
      column: "until it is in the cache, ms",
      of: "download",
      by: "fetch and put",
      atMost: 1.1,
    }),
  ),
  serve() {
    return (request) => Promise.resolve(answer(new URL(request.url)));
  },
};

/** So many megabytes, so many of them a second. */
function answer({ pathname, searchParams }: URL): Response | undefined {
  if (pathname !== "/file") return undefined;
  const size = Number(searchParams.get("size")) * MEGABYTE;
  const rate = Number(searchParams.get("rate")) * MEGABYTE || Infinity;
  const start = performance.now();
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      const early = start + sent / rate * 1000 - performance.now();
      if (early > 5) await new Promise((resolve) => setTimeout(resolve, early));
      controller.enqueue(CHUNK.slice());
      sent += CHUNK.length;
      if (sent === size) controller.close();
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: {
      "content-length": String(size),
      "content-type": "audio/test",
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
      etag: '"1"',
    },
  });
}
