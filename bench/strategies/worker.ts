// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { type Asked, CONTENDERS, pathOf } from "./contenders.ts";

declare const self: ServiceWorkerGlobalScope;

/** What the page asks for: whose turn it is, or microseconds for each answer. */
export interface Order {
  contender: string;
  routes: number;
  /** Of how many routes there are files; nothing is measured without it. */
  files?: number;
}

const ANSWERS = 64;
let listener: ((event: Asked) => void) | undefined;
const made = new Map<string, (event: Asked) => void>();

self.addEventListener("fetch", (event) => listener?.(event));

serve((order) => obey(order as Order), () => {});

async function obey({ contender, routes, files }: Order): Promise<number> {
  const key = `${contender} ${routes}`;
  const chosen = made.get(key) ?? CONTENDERS[contender]!(routes);
  made.set(key, chosen);
  if (files !== undefined) return await time(chosen, files);
  listener = chosen;
  return 0;
}

/** Microseconds until an answer is there, of many one after the other. */
async function time(
  listener: (event: Asked) => void,
  files: number,
): Promise<number> {
  const requests = Array.from({ length: ANSWERS }, (_, index) => {
    const { href } = new URL(pathOf(index % files), location.href);
    return new Request(href);
  });
  const begin = performance.now();
  for (const request of requests) {
    let answer: Response | PromiseLike<Response> | undefined;
    listener({
      request,
      preloadResponse: Promise.resolve(),
      handled: Promise.resolve(undefined),
      respondWith: (response) => answer = response,
      waitUntil() {},
    });
    const response = await answer;
    if (!response?.ok) throw new Error(`no answer for ${request.url}`);
  }
  return (performance.now() - begin) / ANSWERS * 1000;
}
