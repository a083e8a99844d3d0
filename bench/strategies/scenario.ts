// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario, Target } from "../types.ts";

const OWN = "router + cacheFirst";

/** As the page sees it. */
const ANSWERED: Target = {
  column: "a request, µs",
  of: OWN,
  by: "raw-match",
  atMost: 1.05,
};

export const scenario: Scenario = {
  title: "A page asks for what is in a cache, and for what is not",
  floor: "raw-match",
  rounds: 2,
  cases: ["1 route", "1,000 routes", "unmatched", "static routes"],
  serve: () => ({ url }) =>
    Promise.resolve(url.endsWith("/none") ? new Response("none") : undefined),
  targets: [
    { ...ANSWERED, case: "1 route" },
    { ...ANSWERED, case: "1,000 routes" },
    { case: "unmatched", of: OWN, by: "returns at once", atMost: 1.02 },
    {
      case: "static routes",
      of: "addStaticRoutes, 100 routes",
      by: "raw rules",
      atMost: 1.05,
    },
  ],
};
