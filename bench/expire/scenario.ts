// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

const HITS = "hits of 10,000";

export const scenario: Scenario = {
  title: "A cache of 10,000 entries that expire",
  floor: "raw",
  rounds: 1,
  cases: [HITS, "10 % expires"],
  targets: [
    { case: HITS, of: "expireCache", by: "raw", atMost: 1.1 },
    { case: HITS, of: "expireCache, maxAge", by: "raw", atMost: 1.1 },
    { case: "10 % expires", of: "expireCache", by: "raw", atMost: 1 },
    {
      case: "10 % expires",
      of: "expireCache",
      by: "raw, with notes",
      atMost: 1.05,
    },
  ],
};
