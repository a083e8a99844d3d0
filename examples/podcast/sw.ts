// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The app's service worker.
 *
 * @module
 */

import { accept } from "@serviceworker/std/channel/accept";
import {
  getClientData,
  keepClientData,
} from "@serviceworker/std/channel/client-data";
import { respond } from "@serviceworker/std/channel/respond";
import { answer, cacheShell } from "./offline.ts";
import type { NowPlaying, Podcast, Questions } from "./protocol.ts";
import { createDownloads } from "./worker/downloads.ts";
import { createStore } from "./worker/store.ts";

declare const self: ServiceWorkerGlobalScope;

const VERSION = "1.0.0";

const store = createStore("longwave-clients");
const downloads = createDownloads((download) =>
  podcast.post("changed", download)
);
const podcast = accept<Podcast>(self.clients, {
  list: () => downloads.list(),
  download: ({ id }, { signal }) => downloads.follow(id, signal),
  remove: ({ id }) => downloads.remove(id),
  async listPlaying() {
    const tabs = await getClientData(self.clients, store);
    return tabs.map(({ data }) => data as NowPlaying | undefined)
      .filter((playing) => playing !== undefined);
  },
});

self.addEventListener("message", podcast);
self.addEventListener("message", keepClientData(self.clients, store));
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
