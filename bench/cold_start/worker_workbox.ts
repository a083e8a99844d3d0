// Copyright 2026 the @serviceworker/std authors. MIT license.

import { BackgroundSyncPlugin } from "npm:workbox-background-sync@7.4.1";
import { ExpirationPlugin } from "npm:workbox-expiration@7.4.1";
import { precacheAndRoute } from "npm:workbox-precaching@7.4.1";
import { registerRoute } from "npm:workbox-routing@7.4.1";
import {
  CacheFirst,
  NetworkFirst,
  NetworkOnly,
  StaleWhileRevalidate,
} from "npm:workbox-strategies@7.4.1";
import { FILES } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", () => {
  self.skipWaiting();
});
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

registerRoute(
  ({ url }) => url.pathname === "/answer",
  () => Promise.resolve(new Response("answer")),
);
precacheAndRoute(FILES);
registerRoute(
  ({ request }) => request.destination === "image",
  new CacheFirst({
    cacheName: "workbox images",
    plugins: [new ExpirationPlugin({ maxEntries: 50 }) as object],
  }),
);
registerRoute(
  ({ url }) => url.pathname.startsWith("/api/"),
  new NetworkFirst({ cacheName: "workbox api", networkTimeoutSeconds: 3 }),
);
registerRoute(
  ({ url }) => url.pathname.startsWith("/api/"),
  new NetworkOnly({ plugins: [new BackgroundSyncPlugin("workbox") as object] }),
  "POST",
);
registerRoute(
  ({ url }) => url.pathname.startsWith("/pages/"),
  new StaleWhileRevalidate({ cacheName: "workbox pages" }),
);
