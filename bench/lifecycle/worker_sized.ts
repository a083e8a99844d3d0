// Copyright 2026 the @serviceworker/std authors. MIT license.

import { activate } from "../../lifecycle/activate.ts";

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("activate", (event) => {
  event.waitUntil(
    // Loaded, and never called: what the length of a script costs.
    self.location.hash
      ? activate(self, { name: "bench", version: "1" })
      : self.clients.claim(),
  );
});
self.addEventListener("fetch", (event) => {
  event.respondWith(new Response("answer"));
});
