// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type Column, controller, order, start, takeTurns } from "../page.ts";
import { CACHE, pathOf } from "./contenders.ts";
import type { Frame } from "./frame.ts";
import type { Order } from "./worker.ts";

const FETCHES = 25;
const TURNS = 30;
/** For how many routes there are files. */
const FILES = 64;
const ANSWER = JSON.stringify({ text: "x".repeat(1_000) });

const ANSWERING = [
  "raw-match",
  "raw-match again",
  "raw-match, opened each time",
  "router + cacheFirst",
  "router + cacheFirst, by name",
  "workbox",
  "serwist",
];
const LEAVING = [
  "returns at once",
  "returns at once, again",
  "router + cacheFirst",
  "workbox",
  "serwist",
];
/** The rules of each. */
const STATIC = new Map([
  ["raw-match", "awake"],
  ["raw rules", "raw"],
  ["raw rules, again", "raw"],
  ["addStaticRoutes, 1 route", "1"],
  ["addStaticRoutes, 100 routes", "100"],
  ["no worker", undefined],
]);

start(async (parameters) => {
  const { case: current } = parameters;
  const only = new RegExp(parameters.only);
  const cache = await caches.open(CACHE);
  for (let route = 0; route < FILES; route++) {
    await cache.put(pathOf(route), new Response(ANSWER));
  }
  if (current === "static routes") return await measureStatic(only);

  const routes = current === "1 route" ? 1 : 1_000;
  const files = Math.min(routes, FILES);
  const isMatched = current !== "unmatched";
  const worker = await controller();
  const obey = async (value: Order) => {
    const number = await order(worker, value);
    if (typeof number !== "number") throw new Error("the worker failed");
    return number;
  };
  const names = (isMatched ? ANSWERING : LEAVING)
    .filter((name) => only.test(name));
  for (const name of names) {
    // Compiled, before it is measured.
    if (!isMatched) continue;
    for (let time = 0; time < 10; time++) {
      await obey({ contender: name, routes, files });
    }
  }
  const columns: Column<string>[] = [{
    name: isMatched ? "a request, µs" : "a request to the server, µs",
    turns: TURNS,
    turn: () => time(isMatched ? pathsOf(files) : LEFT),
  }];
  if (isMatched) {
    columns.push({
      name: "within the worker, µs",
      turns: TURNS,
      turn: (contender) => obey({ contender, routes, files }),
    });
  }
  return await takeTurns(
    new Map(names.map((name) => [name, name])),
    columns,
    (contender) => obey({ contender, routes }),
  );
});

const LEFT = Array.from({ length: FETCHES }, () => "/none");

function pathsOf(files: number): string[] {
  return Array.from(
    { length: FETCHES },
    () => pathOf(Math.floor(Math.random() * files)),
  );
}

async function time(paths: string[]): Promise<number> {
  const begin = performance.now();
  for (const path of paths) {
    const response = await fetch(path);
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
  }
  return (performance.now() - begin) / paths.length * 1000;
}

/** Each contender is the worker of a frame of its own. */
async function measureStatic(only: RegExp) {
  const frames = new Map<string, Frame>();
  for (const [name, rules] of STATIC) {
    if (!only.test(name)) continue;
    const element = document.createElement("iframe");
    // Browsers look at prefixes: the last character ends the number.
    element.src = `/frame?${frames.size}-`;
    const loaded = new Promise((resolve) => element.onload = resolve);
    document.body.append(element);
    await loaded;
    const frame = element.contentWindow as unknown as Frame;
    if (rules !== undefined) await frame.control(rules);
    frames.set(name, frame);
  }
  const column = (
    name: string,
    paths: () => string[],
    expected: string,
  ): Column<Frame> => ({
    name,
    turns: TURNS,
    turn: (frame) => frame.measure(paths(), expected),
  });
  const network = await takeTurns(
    frames,
    [column("from the network, µs", () => LEFT, "none")],
    () => Promise.resolve(),
  );
  frames.delete("no worker");
  const cache = await takeTurns(
    frames,
    [column("from the cache, µs", () => pathsOf(1), ANSWER)],
    () => Promise.resolve(),
  );
  return {
    samples: { ...cache.samples, ...network.samples },
    failures: [...cache.failures, ...network.failures],
  };
}
