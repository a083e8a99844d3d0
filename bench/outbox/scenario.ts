// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario, Target } from "../types.ts";

/** What holds wherever peers take part. */
function peerTargets(current: string): Target[] {
  return [
    {
      case: current,
      column: "add at once, /s",
      of: "outbox",
      by: "workbox",
      atLeast: 10,
    },
    {
      case: current,
      column: "add at once, /s",
      of: "outbox, relaxed",
      by: "workbox",
      atLeast: 10,
    },
    {
      case: current,
      column: "add an array, /s",
      of: "outbox",
      by: "raw-batched",
      atLeast: 0.7,
    },
    {
      case: current,
      column: "replay, /s",
      of: "outbox",
      by: "raw-batched",
      atLeast: 0.8,
    },
  ];
}

export const scenario: Scenario = {
  title: "Requests are queued in the worker, and sent",
  floor: "raw-batched",
  rounds: 1,
  cases: ["1,000", "10,000"],
  fullCases: ["100,000", "memory"],
  alone: {
    "100,000": [
      "raw-batched of 10,000",
      "raw-batched of 100,000",
      "outbox of 10,000",
      "outbox of 100,000",
    ],
    // The peers would take minutes for more.
    memory: [
      "workbox of 1,000",
      "serwist of 1,000",
      "raw-batched of 5,000",
      "raw-batched of 20,000",
      "raw-batched of 60,000",
      "outbox of 5,000",
      "outbox of 20,000",
      "outbox of 60,000",
    ],
  },
  limit: 1_500_000,
  targets: [
    ...peerTargets("1,000"),
    ...peerTargets("10,000"),
    {
      case: "10,000",
      column: "replay, /s",
      of: "outbox",
      by: "workbox",
      atLeast: 5,
    },
    // At most 1.3 times the cost of each.
    ...["add an array, /s", "replay, nothing sent, /s"].map((column) => ({
      case: "100,000",
      column,
      of: "outbox of 100,000",
      by: "outbox of 10,000",
      atLeast: 0.77,
    })),
    {
      case: "100,000",
      column: "most growth, MB",
      of: "outbox of 100,000",
      by: "outbox of 10,000",
      atMost: 1.3,
    },
    {
      case: "memory",
      of: "outbox of 60,000",
      by: "outbox of 5,000",
      atMost: 1.3,
    },
  ],
  serve() {
    let count = 0;
    let arrived = new Set<string>();
    return async (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/sink") {
        await request.text();
        count++;
        arrived.add(search);
        return new Response("ok");
      }
      if (pathname === "/arrived") {
        const answer = Response.json({ count, distinct: arrived.size });
        count = 0;
        arrived = new Set();
        return answer;
      }
    };
  },
};
