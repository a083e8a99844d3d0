// Copyright 2026 the @serviceworker/std authors. MIT license.

import { expireCache } from "@serviceworker/std/fetch/expire-cache";
import { precache } from "@serviceworker/std/fetch/precache";
import { createRouter } from "@serviceworker/std/fetch/router";
import {
  cacheFirst,
  networkFirst,
  staleWhileRevalidate,
} from "@serviceworker/std/fetch/strategies";
import { openStore } from "@serviceworker/std/storage/open-store";
import { createOutbox } from "@serviceworker/std/sync/outbox";
import { FILES } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

const store = openStore("bench std");
const outbox = createOutbox(store);
const files = precache(self, { version: "7f3a", entries: FILES }, {
  name: "std",
});
const images = expireCache(caches, "images", { store, maxEntries: 50 });

async function send(request: Request): Promise<Response> {
  await outbox.add(request);
  return new Response(null, { status: 202 });
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(files.install());
});
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});
self.addEventListener(
  "fetch",
  createRouter<FetchEvent>([
    { pattern: "/answer", handler: () => new Response("answer") },
    { pattern: "/file/:n", handler: (event) => files.respond(event) },
    {
      destination: "image",
      handler: (event) => cacheFirst(event, { cache: images }),
    },
    {
      pattern: "/api/*",
      handler: (event) => networkFirst(event, { cache: "api", timeout: 3_000 }),
    },
    {
      pattern: "/api/*",
      method: "POST",
      handler: ({ request }) => send(request),
    },
    {
      pattern: "/pages/*",
      handler: (event) => staleWhileRevalidate(event, { cache: "pages" }),
    },
  ]),
);
