// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The app's service worker.
 *
 * @module
 */

import { accept } from "@serviceworker/std/channel/accept";
import { respond } from "@serviceworker/std/channel/respond";
import { answer, cacheShell } from "./offline.ts";
import type { Podcast, Questions } from "./protocol.ts";
import { createDownloads } from "./worker/downloads.ts";

declare const self: ServiceWorkerGlobalScope;

const VERSION = "1.0.0";

const downloads = createDownloads((download) =>
  podcast.post("changed", download)
);
const podcast = accept<Podcast>(self.clients, {
  list: () => downloads.list(),
  download: ({ id }, { signal }) => downloads.follow(id, signal),
  remove: ({ id }) => downloads.remove(id),
});

self.addEventListener("message", podcast);
self.addEventListener(
  "message",
  respond<Questions>({ version: () => VERSION }),
);
self.addEventListener("install", (event) => {
  // Page and worker of two versions understand each other, and an unfinished
  // download goes on in the new worker: nothing to wait for.
  event.waitUntil(Promise.all([cacheShell(), self.skipWaiting()]));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});
self.addEventListener("fetch", answer);
