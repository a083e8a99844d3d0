// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { type Asked, CONTENDERS, urlOf } from "./contenders.ts";

declare const self: ServiceWorkerGlobalScope;

/** What the page asks for: nanoseconds for each request, or milliseconds. */
export type Order =
  | { contender: string; count: number; measure: "hit" | "miss" | "build" }
  | { listen: string };

/** For how many milliseconds a turn repeats what is fast. */
const LEAST = 10;
const LISTENERS: Record<string, (event: FetchEvent) => void> = {
  "returns at once": () => {},
  "returns at once, again": () => {},
  "createRouter, 10": CONTENDERS.createRouter!(10),
  "createRouter, 1,000": CONTENDERS.createRouter!(1_000),
};
let listener = LISTENERS["returns at once"];
const built = new Map<string, (event: Asked) => void>();

self.addEventListener("fetch", (event) => listener?.(event));

serve((order) => obey(order as Order), () => {});

function obey(order: Order): number {
  if ("listen" in order) {
    listener = LISTENERS[order.listen];
    return 0;
  }
  const { contender, count, measure } = order;
  const build = CONTENDERS[contender]!;
  if (measure === "build") {
    return repeat(() => build(count));
  }
  const key = `${contender} ${count}`;
  const route = built.get(key) ?? build(count);
  built.set(key, route);
  return time(route, contender, count, measure);
}

/** Nanoseconds for a request, of 64 in turn. */
function time(
  route: (event: Asked) => void,
  contender: string,
  count: number,
  measure: "hit" | "miss",
): number {
  const known = contender.endsWith("10 routes") ? 10 : count;
  let answered = 0;
  let asked = 0;
  const events = Array.from({ length: 64 }, (_, i): Asked => {
    const index = measure === "hit"
      ? Math.floor(Math.random() * known)
      : known + i;
    return {
      request: new Request(urlOf(index)),
      preloadResponse: Promise.resolve(undefined),
      respondWith: () => answered++,
      waitUntil() {},
    };
  });
  const each = repeat(() => {
    asked += events.length;
    for (const event of events) route(event);
  });
  const wanted = measure === "miss" || contender.startsWith("new URL()")
    ? 0
    : asked;
  if (answered !== wanted) {
    throw new Error(`it answered ${answered} of ${wanted}`);
  }
  return each / events.length * 1e6;
}

/** Milliseconds for each of as many runs as it takes. */
function repeat(run: () => unknown): number {
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  while (elapsed < LEAST) {
    run();
    runs++;
    elapsed = performance.now() - start;
  }
  return elapsed / runs;
}
