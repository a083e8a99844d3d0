// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

const MEMORY = "memory, 100 × 200 KB, 0 ms";

export const scenario: Scenario = {
  title: "A worker is installed with its files, and updated",
  floor: "raw",
  rounds: 1,
  cases: [
    "1,000 × 2 KB, 0 ms",
    "1,000 × 2 KB, 20 ms",
    "100 × 200 KB, 0 ms",
    "100 × 200 KB, 20 ms",
    // As often as this, since it is measured once in a browser.
    MEMORY,
    MEMORY,
    MEMORY,
  ],
  alone: { [MEMORY]: ["raw", "precache", "workbox", "serwist"] },
  limit: 400_000,
  // To stop workers.
  flags: ["--remote-debugging-port=0"],
  targets: [
    { column: "install, ms", of: "precache", by: "raw", atMost: 1.05 },
    {
      column: "install, ms",
      of: "precache, 10 % required",
      by: "raw",
      atMost: 0.7,
    },
    {
      column: "update with nothing new, ms",
      of: "precache",
      by: "empty",
      atMost: 2,
    },
    {
      column: "update with 1 % new, ms",
      of: "precache",
      by: "raw, in generations",
      atMost: 1.05,
    },
    { case: MEMORY, of: "precache", by: "raw", atMost: 1 },
  ],
  serve() {
    let count = 0;
    const bodies = new Map<string, Uint8Array<ArrayBuffer>>();
    return async ({ url }) => {
      const [, kind, delay = "", size = ""] = new URL(url).pathname.split("/");
      if (kind === "count") return new Response(`${count}`);
      if (kind === "reset") {
        const before = count;
        count = 0;
        return new Response(`${before}`);
      }
      if (kind !== "file") return undefined;
      count++;
      if (delay !== "0") {
        await new Promise((resolve) => setTimeout(resolve, Number(delay)));
      }
      const body = bodies.get(size) ?? new Uint8Array(Number(size));
      bodies.set(size, body);
      return new Response(body, {
        headers: { "cache-control": "no-cache", "content-type": "text/plain" },
      });
    };
  },
};
