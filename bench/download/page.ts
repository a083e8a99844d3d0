// Copyright 2026 the @serviceworker/std authors. MIT license.

import { createBackgroundFetch } from "@serviceworker/std/fetch/background-fetch";
import { openStore } from "@serviceworker/std/storage/open-store";
import { describe, start } from "../page.ts";
import type { PageResult } from "../types.ts";

const SAMPLE_EVERY = 250;

/** Downloads without Background Fetch, in this page. */
function prepareDownload(): (url: string) => Promise<void> {
  const scope = {
    caches,
    fetch: (request: Request, init: RequestInit) => fetch(request, init),
    dispatchEvent: () => false,
    navigator: {
      onLine: true,
      locks: navigator.locks,
      storage: navigator.storage,
      serviceWorker: {
        controller: null,
        ready: Promise.resolve({ active: null }),
      },
    },
  };
  const downloads = createBackgroundFetch(scope, openStore("bench"), {
    cacheName: "files",
  });
  return async (url) => {
    await downloads.start(url, url);
    for await (const { result, files } of downloads.watch(url)) {
      if (result === "failure") throw new Error(files[0]?.message);
    }
  };
}

/** The least that the platform asks for. */
async function fetchAndPut(url: string): Promise<void> {
  const cache = await caches.open("files");
  await cache.put(url, await fetch(url, { cache: "no-store" }));
}

/** The bytes of a file in the cache. */
async function sizeOf(url: string): Promise<number | undefined> {
  const response = await caches.match(url);
  return (await response?.blob())?.size;
}

/** Megabytes in memory, in all processes of the browser. */
async function readMemory(): Promise<number> {
  const memory: Record<string, number> = await (await fetch("/memory")).json();
  return Object.values(memory).reduce((sum, size) => sum + size, 0);
}

start(async (parameters) => {
  const result: PageResult = { samples: {}, failures: [] };
  const [, size, rate = 0] =
    parameters.case.match(/^(\d+) MB, (?:(\d+) MB)?/)?.map(Number) ?? [];
  const contenders = {
    "fetch and put": fetchAndPut,
    download: prepareDownload(),
  };
  for (const [name, contender] of Object.entries(contenders)) {
    if (!new RegExp(parameters.only).test(name)) continue;
    try {
      // What is done for the first time is not what is measured.
      await contender(new URL("/file?size=1&rate=0", location.href).href);
      const url = `/file?size=${size}&rate=${rate || 0}`;
      const { href } = new URL(url, location.href);
      const before = await readMemory();
      let most = before;
      const timer = setInterval(async () => {
        most = Math.max(most, await readMemory());
      }, SAMPLE_EVERY);
      const begin = performance.now();
      await contender(href);
      const taken = performance.now() - begin;
      clearInterval(timer);
      const found = await sizeOf(href);
      if (found !== (size ?? 0) * 1024 * 1024) {
        throw new Error(`Cannot find the file: it has ${found} bytes`);
      }
      (result.samples["until it is in the cache, ms"] ??= {})[name] = [taken];
      (result.samples["most growth, MB"] ??= {})[name] = [most - before];
    } catch (error) {
      result.failures.push(`${name}: ${describe(error)}`);
    }
  }
  return result;
});
