// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the page "Behind the scenes" shows, put together every second for as long
 * as it looks.
 *
 * @module
 */

import type { Scene } from "../protocol.ts";

/** What changes all the time. */
export type Moment = Omit<Scene, "caches" | "room">;

const SECOND = 1_000;
/** To measure the caches takes longer than all the rest. */
const MEASURE = 3;

/** Gives a scene every second. */
export async function* watch(
  look: () => Promise<Moment>,
  signal: AbortSignal,
): AsyncGenerator<Scene> {
  const sizes = new Map<string, number>();
  let measured = await measure(sizes);
  for (let second = 1; !signal.aborted; second++) {
    yield { ...await look(), ...measured };
    await pause(signal);
    if (second % MEASURE === 0) measured = await measure(sizes);
  }
}

/**
 * Measures the caches.
 *
 * @param sizes What was measured before, by cache, URL and time.
 */
async function measure(
  sizes: Map<string, number>,
): Promise<Pick<Scene, "caches" | "room">> {
  const found: Scene["caches"] = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    let [entries, bytes] = [0, 0];
    for (const request of await cache.keys()) {
      const response = await cache.match(request, { ignoreVary: true });
      if (!response) continue;
      entries++;
      bytes += await sizeOf(name, request.url, response, sizes);
    }
    // It was deleted meanwhile, and opening has made it anew.
    if (entries === 0) continue;
    found.push({ name, entries, bytes });
  }
  // WebKitGTK has no `navigator.storage`.
  const storage: StorageManager | undefined = navigator.storage;
  const { usage, quota } = await storage?.estimate() ?? {};
  return {
    caches: found.sort((a, b) => b.bytes - a.bytes),
    room: usage === undefined || !quota ? undefined : { usage, quota },
  };
}

async function sizeOf(
  name: string,
  url: string,
  response: Response,
  sizes: Map<string, number>,
): Promise<number> {
  const { headers } = response;
  const length = headers.get("content-length");
  if (length !== null && !headers.has("content-encoding")) {
    return Number(length);
  }
  const key = [name, url, headers.get("etag"), headers.get("date")].join(" ");
  const size = sizes.get(key) ?? (await response.blob()).size;
  sizes.set(key, size);
  return size;
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(end, SECOND);
    signal.addEventListener("abort", end, { once: true });
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}
