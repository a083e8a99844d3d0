// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario, Target } from "../types.ts";

const COLUMNS = ["one of the routes, ns", "none of the routes, ns"];

export const scenario: Scenario = {
  title: "A worker looks for the route of a request",
  floor: "new URL()",
  rounds: 3,
  cases: [
    "10 routes",
    "100 routes",
    "1,000 routes",
    "10,000 routes",
    "unmatched",
  ],
  serve: () => ({ url }) =>
    Promise.resolve(
      url.endsWith("/none") ? new Response("none") : undefined,
    ),
  targets: [
    ...COLUMNS.flatMap((column): Target[] => [
      {
        case: "10,000 routes",
        column,
        of: "createRouter",
        by: "createRouter, 10 routes",
        atMost: 2,
      },
      { column, of: "createRouter", by: "new URL()", atMost: 2 },
      {
        case: "1,000 routes",
        column,
        of: "workbox-routing",
        by: "createRouter",
        atLeast: 20,
      },
    ]),
    {
      case: "10,000 routes",
      column: "build, ms",
      of: "createRouter",
      by: "workbox-routing",
      atMost: 1,
    },
    {
      case: "unmatched",
      of: "createRouter, 1,000",
      by: "returns at once",
      atMost: 1.02,
    },
  ],
};
