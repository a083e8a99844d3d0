// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { type Contender, contenders } from "./contenders.ts";

/** What the page asks for. */
export interface Order {
  contender: string;
  work: "await each" | "at once" | "array" | "replay" | "replay unsent";
  count: number;
  /** How many are added at once, at most. */
  part?: number | undefined;
}

const BODY = JSON.stringify({ text: "x".repeat(200) });
const PART = 10_000;

const opened = new Map<string, Contender>();
let last = 0;

function makeRequests(count: number): Request[] {
  return Array.from({ length: count }, () =>
    new Request(`/sink?${last++}`, {
      method: "POST",
      body: BODY,
      headers: { "content-type": "application/json" },
    }));
}

/** Milliseconds that the work took, without the making of requests. */
async function time(
  { contender, work, count, part = PART }: Order,
): Promise<number> {
  const queue = opened.get(contender) ??
    await contenders.get(contender)!();
  opened.set(contender, queue);
  let taken = 0;
  const isReplay = work.startsWith("replay");
  for (let left = isReplay ? 1 : count; left > 0; left -= part) {
    const requests = isReplay ? [] : makeRequests(Math.min(left, part));
    const start = performance.now();
    if (work === "await each") {
      for (const request of requests) await queue.add?.(request);
    } else if (work === "at once") {
      await Promise.all(requests.map((request) => queue.add?.(request)));
    } else if (work === "array") await queue.addAll?.(requests);
    else if (work === "replay") await queue.replay();
    else await queue.replayUnsent?.();
    taken += performance.now() - start;
  }
  return taken;
}

// Work that takes minutes is no event: the page keeps the worker awake by others.
serve(() => {}, ({ data, ports: [port] }) => {
  if (data !== "orders" || !port) return;
  port.onmessage = async ({ data }) => {
    try {
      port.postMessage({ taken: await time(data) });
    } catch (error) {
      port.postMessage({ failure: String(error) });
    }
  };
});
