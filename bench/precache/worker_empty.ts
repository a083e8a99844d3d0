// Copyright 2026 the @serviceworker/std authors. MIT license.

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", () => {
  self.skipWaiting();
});
