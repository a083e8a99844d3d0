// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

export const scenario: Scenario = {
  title:
    "A worker that was stopped is asked: empty, and with router, strategies, precache, expiration and outbox",
  floor: "empty",
  rounds: 2,
  cases: ["stopped"],
  // To stop workers.
  flags: ["--remote-debugging-port=0"],
  serve: () => ({ url }) =>
    Promise.resolve(url.includes("/file/") ? new Response("file") : undefined),
  bundles: {
    empty: "/worker_empty.js",
    "all five": "/worker_std.js",
    workbox: "/worker_workbox.js",
    serwist: "/worker_serwist.js",
  },
  targets: [
    { case: "stopped", of: "all five", by: "empty", atMost: 1.1 },
    { case: "bundle", of: "all five", by: "workbox", atMost: 0.5 },
  ],
};
