// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

export const scenario: Scenario = {
  title: "A value goes from the page to the worker and back",
  floor: "raw-port-ids",
  rounds: 2,
  cases: ["same process", "another process"],
  flags: ["--disable-popup-blocking"],
  targets: [
    { column: "100 B, µs", of: "connect", by: "raw-port-ids", atMost: 1.1 },
    { column: "100 KB, µs", of: "connect", by: "raw-port-ids", atMost: 1.1 },
    { column: "10 MB, µs", of: "connect", by: "raw-port-ids", atMost: 1.1 },
    {
      column: "1000 at once, /s",
      of: "connect",
      by: "raw-port-ids",
      atLeast: 0.9,
    },
    { column: "100 B, µs", of: "connect", by: "comlink", atMost: 1 },
    { column: "100 KB, µs", of: "connect", by: "comlink", atMost: 1 },
    { column: "10 MB, µs", of: "connect", by: "comlink", atMost: 1 },
    { column: "1000 at once, /s", of: "connect", by: "comlink", atLeast: 1 },
    {
      // To another process a bare port is no more than four or five times faster.
      case: "same process",
      column: "100 B, µs",
      of: "messageSW",
      by: "connect",
      atLeast: 8,
    },
    { column: "100 B, µs", of: "request", by: "messageSW", atMost: 1.05 },
    { column: "100 KB, µs", of: "request", by: "messageSW", atMost: 1.05 },
    { column: "10 MB, µs", of: "request", by: "messageSW", atMost: 1.05 },
    {
      column: "1000 at once, /s",
      of: "request",
      by: "messageSW",
      atLeast: 0.95,
    },
  ],
};
