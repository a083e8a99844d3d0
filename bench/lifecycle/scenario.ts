// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

export const scenario: Scenario = {
  title: "A page registers a worker that it has never had",
  floor: "raw",
  rounds: 3,
  cases: ["first visit"],
  targets: [
    {
      column: "until controlled, ms",
      of: "register + activate",
      by: "raw, deleting caches, of the same size",
      atMost: 1.05,
    },
    {
      column: "until the first answer, ms",
      of: "register + activate",
      by: "raw, deleting caches, of the same size",
      atMost: 1.05,
    },
    {
      column: "until controlled, ms",
      of: "register + activate",
      by: "raw",
      atMost: 1.05,
    },
    {
      column: "until the first answer, ms",
      of: "register + activate",
      by: "raw",
      atMost: 1.05,
    },
  ],
};
