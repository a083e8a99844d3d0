// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type Column, controller, order, start, takeTurns } from "../page.ts";
import type { Order } from "./worker.ts";

const ROUTERS = [
  "new URL()",
  "new URL() again",
  "createRouter",
  "createRouter, 10 routes",
  "workbox-routing",
];
/** Takes half a second for each request at 10,000. */
const SLOW = "URLPattern, one after the other";
const LISTENERS = [
  "returns at once",
  "returns at once, again",
  "createRouter, 10",
  "createRouter, 1,000",
];
const FETCHES = 50;

start(async (parameters) => {
  const worker = await controller();
  const obey = async (value: Order) => {
    const number = await order(worker, value);
    if (typeof number !== "number") throw new Error("the worker failed");
    return number;
  };
  const only = new RegExp(parameters.only);
  const pick = (names: string[]) =>
    new Map(
      names.filter((name) => only.test(name)).map((name) => [name, name]),
    );

  if (parameters.case === "unmatched") {
    const column: Column<string> = {
      name: "a request to the server, µs",
      turns: 60,
      async turn() {
        const begin = performance.now();
        for (let i = 0; i < FETCHES; i++) {
          await (await fetch("/none")).arrayBuffer();
        }
        return (performance.now() - begin) / FETCHES * 1000;
      },
    };
    return await takeTurns(
      pick(LISTENERS),
      [column],
      (listen) => obey({ listen }),
    );
  }

  const count = Number(parameters.case.split(" ")[0]?.replace(",", ""));
  const column = (
    name: string,
    measure: "hit" | "miss" | "build",
    turns: number,
  ): Column<string> => ({
    name,
    turns,
    turn: (contender) => obey({ contender, count, measure }),
  });
  return await takeTurns(
    pick(count < 10_000 ? [...ROUTERS, SLOW] : ROUTERS),
    [
      column("one of the routes, ns", "hit", 30),
      column("none of the routes, ns", "miss", 30),
      column("build, ms", "build", 20),
    ],
    () => Promise.resolve(),
  );
});
