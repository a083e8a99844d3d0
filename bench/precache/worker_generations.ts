// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type File, manifestOf, readBuild } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

const IN_FLIGHT = 6;
const LIST = "/list";
const build = readBuild();
const files = manifestOf(build);
const prefix = `generations ${self.registration.scope} `;
const name = prefix + build.changed;

/** Stores each version in a cache of its own; copies what has not changed. */
async function install(): Promise<void> {
  if (await caches.match(LIST, { cacheName: name })) return;
  const older = (await caches.keys()).find((other) =>
    other.startsWith(prefix) && other !== name
  );
  const source = older === undefined ? undefined : await caches.open(older);
  const list: File[] = await (await source?.match(LIST))?.json() ?? [];
  const known = new Map(list.map(({ url, revision }) => [url, revision]));
  const cache = await caches.open(name);
  const rest = files.values();
  const work = async () => {
    for (const { url, revision } of rest) {
      const copy = known.get(url) === revision
        ? await source?.match(url)
        : undefined;
      const response = copy ?? await fetch(url, { cache: "reload" });
      if (!response.ok) throw new Error(`${url}: ${response.status}`);
      await cache.put(url, response);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  await cache.put(LIST, Response.json(files));
}

/** Deletes what is outdated. */
async function activate(): Promise<void> {
  for (const other of await caches.keys()) {
    if (other.startsWith(prefix) && other !== name) await caches.delete(other);
  }
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(install());
});
self.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});
