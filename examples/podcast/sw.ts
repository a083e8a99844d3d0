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
import { activate, cacheName } from "@serviceworker/std/lifecycle/activate";
import { reportInstall } from "@serviceworker/std/lifecycle/report-install";
import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";
import { respond } from "@serviceworker/std/channel/respond";
import { openStore } from "@serviceworker/std/storage/open-store";
import { handleSync } from "@serviceworker/std/sync/background-sync";
import { createPeriodicSync } from "@serviceworker/std/sync/periodic-sync";
import { COMMENTS_TAG, openOutbox } from "./comments.ts";
import { cacheShell, createAnswers, refreshEpisodes } from "./offline.ts";
import type { NowPlaying, Podcast, Questions, Release } from "./protocol.ts";
import { createDownloads } from "./worker/downloads.ts";

declare const self: ServiceWorkerGlobalScope;
/** Put in by the build. */
declare const RELEASE: Release;

/** The files that belong to this version, of which its pages are made. */
const SHELL = { name: "longwave-shell", version: RELEASE.build };
/** What a page that is opened or shown accepts; Chromium waits longer by itself. */
const REFRESH_INTERVAL = 3_600_000;

const store = openStore("longwave");
const outbox = openOutbox(store);
const periodic = createPeriodicSync(store, async ({ signal }) => {
  podcast.post("refreshed", await refreshEpisodes(signal));
}, { tag: "episodes", minInterval: REFRESH_INTERVAL });
const downloads = createDownloads((download) =>
  podcast.post("changed", download)
);
const podcast = accept<Podcast>(self.clients, {
  list: () => downloads.list(),
  download: ({ id }, { signal }) => downloads.follow(id, signal),
  remove: ({ id }) => downloads.remove(id),
  async refresh() {
    const how = await periodic.register(self.registration);
    // Without the server, the list stays as it is until the next time.
    await periodic.catchUp().catch(() => {});
    return { at: await periodic.lastRun(), alone: how === "registered" };
  },
  async listPlaying() {
    const tabs = await getClientData(self.clients, store);
    return tabs.map(({ data }) => data as NowPlaying | undefined)
      .filter((playing) => playing !== undefined);
  },
});

self.addEventListener("message", podcast);
self.addEventListener("message", skipWaiting(self));
self.addEventListener("message", keepClientData(self.clients, store));
self.addEventListener(
  "message",
  respond<Questions>({ release: () => RELEASE }),
);
// TypeScript does not know these events.
self.addEventListener("sync", (event) => {
  const sync = event as unknown as Parameters<typeof handleSync>[0];
  handleSync(sync, outbox.flush, { tag: COMMENTS_TAG });
});
self.addEventListener("periodicsync", periodic as unknown as EventListener);
self.addEventListener("install", (event) => {
  const install = () => cacheShell(cacheName(self.registration, SHELL));
  event.waitUntil(reportInstall(self.clients, install));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(activate(self, SHELL));
});
self.addEventListener("fetch", createAnswers(self, SHELL));
