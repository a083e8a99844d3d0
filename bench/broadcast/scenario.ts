// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Scenario } from "../types.ts";

export const scenario: Scenario = {
  title: "The worker posts to every page: the page itself and iframes",
  floor: "raw-broadcastchannel",
  rounds: 2,
  cases: ["1 client", "10 clients", "50 clients"],
  targets: [
    {
      case: "50 clients",
      column: "one post, µs",
      of: "broadcast",
      by: "raw-broadcastchannel",
      atMost: 1.1,
    },
    {
      case: "50 clients",
      column: "one post, µs",
      of: "accept().post",
      by: "raw-broadcastchannel",
      atMost: 1.1,
    },
  ],
};
