// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type File, manifestOf, readBuild } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

const IN_FLIGHT = 6;
const files = manifestOf(readBuild());
const name = `raw ${self.registration.scope}`;
const keyOf = ({ url, revision }: File) => `${url}?revision=${revision}`;

/** Stores what is missing, each under its URL and revision. */
async function install(): Promise<void> {
  const cache = await caches.open(name);
  const stored = new Set((await cache.keys()).map(({ url }) => url));
  const rest = files.filter((file) =>
    !stored.has(new URL(keyOf(file), location.href).href)
  ).values();
  const work = async () => {
    for (const file of rest) {
      const response = await fetch(file.url, { cache: "reload" });
      if (!response.ok) throw new Error(`${file.url}: ${response.status}`);
      await cache.put(keyOf(file), response);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

/** Deletes what is outdated. */
async function activate(): Promise<void> {
  const cache = await caches.open(name);
  const wanted = new Set(
    files.map((file) => new URL(keyOf(file), location.href).href),
  );
  for (const request of await cache.keys()) {
    if (!wanted.has(request.url)) await cache.delete(request);
  }
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(install());
});
self.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});
