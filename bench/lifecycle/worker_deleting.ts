// Copyright 2026 the @serviceworker/std authors. MIT license.

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("activate", (event) => {
  event.waitUntil(Promise.all([deleteOthers(), self.clients.claim()]));
});
self.addEventListener("fetch", (event) => {
  event.respondWith(new Response("answer"));
});

/** As workers written by hand do it: whoever needs them. */
async function deleteOthers(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name !== "bench 1");
  await Promise.all(names.map((name) => caches.delete(name)));
}
