// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { ANSWERING, type Answering, EXPIRING, urlOf } from "./contenders.ts";

declare const self: ServiceWorkerGlobalScope;

/** What the page asks for: who answers from now on, or what to do with some entries. */
export type Order =
  | { answering: string; note?: number[] }
  | { expiring: string; note?: number[]; expire?: number[] };

let answering: Answering | undefined;

self.addEventListener("fetch", (event) => {
  if (!answering || !event.request.url.includes("/file/")) return;
  event.respondWith(answering.answer(event));
});

serve((order) => obey(order as Order), () => {});

/** Resolves with how many milliseconds it took. */
async function obey(order: Order): Promise<number> {
  const begin = performance.now();
  const noted = order.note?.map(urlOf) ?? [];
  if ("answering" in order) {
    answering = ANSWERING[order.answering]!;
    if (order.note) await answering.note?.(noted);
  } else {
    const { note, expire } = EXPIRING[order.expiring]!;
    if (order.note) await note?.(noted);
    if (order.expire) await expire(order.expire.map(urlOf));
  }
  return performance.now() - begin;
}
