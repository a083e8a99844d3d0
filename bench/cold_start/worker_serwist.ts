// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  BackgroundSyncPlugin,
  CacheFirst,
  ExpirationPlugin,
  NetworkFirst,
  NetworkOnly,
  Serwist,
  StaleWhileRevalidate,
} from "npm:serwist@9.5.12";
import { FILES } from "./files.ts";

const serwist = new Serwist({
  precacheEntries: FILES,
  skipWaiting: true,
  clientsClaim: true,
  runtimeCaching: [
    {
      matcher: ({ url }) => url.pathname === "/answer",
      handler: () => Promise.resolve(new Response("answer")),
    },
    {
      matcher: ({ request }) => request.destination === "image",
      handler: new CacheFirst({
        cacheName: "serwist images",
        plugins: [new ExpirationPlugin({ maxEntries: 50 })],
      }),
    },
    {
      matcher: ({ url }) => url.pathname.startsWith("/api/"),
      handler: new NetworkFirst({
        cacheName: "serwist api",
        networkTimeoutSeconds: 3,
      }),
    },
    {
      matcher: ({ url }) => url.pathname.startsWith("/api/"),
      method: "POST",
      handler: new NetworkOnly({
        plugins: [new BackgroundSyncPlugin("serwist")],
      }),
    },
    {
      matcher: ({ url }) => url.pathname.startsWith("/pages/"),
      handler: new StaleWhileRevalidate({ cacheName: "serwist pages" }),
    },
  ],
});
serwist.addEventListeners();
