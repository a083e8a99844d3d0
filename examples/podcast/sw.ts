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
import {
  precache,
  type PrecacheManifest,
} from "@serviceworker/std/fetch/precache";
import { createRouter } from "@serviceworker/std/fetch/router";
import { addStaticRoutes } from "@serviceworker/std/fetch/static-routes";
import {
  activate,
  deleteOutdatedCaches,
} from "@serviceworker/std/lifecycle/activate";
import { reportInstall } from "@serviceworker/std/lifecycle/report-install";
import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";
import { respond } from "@serviceworker/std/channel/respond";
import { openStore } from "@serviceworker/std/storage/open-store";
import { handleSync } from "@serviceworker/std/sync/background-sync";
import { createPeriodicSync } from "@serviceworker/std/sync/periodic-sync";
import { COMMENTS_TAG, openOutbox } from "./comments.ts";
import type { NowPlaying, Podcast, Questions, Release } from "./protocol.ts";
import { createRoutes, refreshEpisodes } from "./worker/answers.ts";
import { createDownloads } from "./worker/downloads.ts";

declare const self: ServiceWorkerGlobalScope;
// Put in by the build.
declare const RELEASE: Release;
declare const MANIFEST: PrecacheManifest;

/** What a page that is opened or shown accepts; Chromium waits longer by itself. */
const REFRESH_INTERVAL = 3_600_000;

/** What the pages of this version are made of. */
const files = precache(self, MANIFEST, {
  name: "longwave-shell",
  ignoreSearch: true,
});
const routes = createRoutes(files, MANIFEST.entries);
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
  const install = () => Promise.all([files.install(), refreshEpisodes()]);
  event.waitUntil(reportInstall(self.clients, install));
  event.waitUntil(addStaticRoutes(event, routes));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(activate(self, files));
});
self.addEventListener("fetch", createRouter(routes));
self.addEventListener("fetch", (event) => {
  // The last tab of an older version may have gone.
  if (event.request.mode !== "navigate") return;
  event.waitUntil(deleteOutdatedCaches(self, files));
});
