// Copyright 2026 the @serviceworker/std authors. MIT license.

import { addStaticRoutes } from "@serviceworker/std/fetch/static-routes";
import { CACHE, CONTENDERS, pathOf } from "./contenders.ts";

declare const self: ServiceWorkerGlobalScope;

interface Installing extends ExtendableEvent {
  addRoutes(rules: object[]): Promise<void>;
}

const rules = new URLSearchParams(location.search).get("rules") ?? "";
const fromCache = { cacheName: CACHE } as const;

async function addRules(event: Installing): Promise<void> {
  if (rules === "raw") {
    await event.addRoutes([
      { condition: { urlPattern: "/section-*/*" }, source: fromCache },
      { condition: { urlPattern: "/none" }, source: "network" },
    ]);
  } else {
    const { added, error } = await addStaticRoutes(event, [
      ...Array.from({ length: Number(rules) }, (_, route) => ({
        pattern: pathOf(route).replace("file", ":name"),
        source: fromCache,
      })),
      { pattern: "/none", source: "network" as const },
    ]);
    if (!added) throw error;
  }
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  if (rules !== "awake") event.waitUntil(addRules(event as Installing));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});
// Without a listener nothing would ever be asked of the worker.
const listener = CONTENDERS["raw-match"]!(1);
self.addEventListener("fetch", (event) => listener(event));
