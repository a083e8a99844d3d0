// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The app's service worker.
 *
 * @module
 */

import {
  accept,
  type AcceptEventName,
  type AcceptHandlers,
} from "@serviceworker/std/channel/accept";
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
import { ownWorker } from "@serviceworker/std/lifecycle/own-worker";
import { launch } from "@serviceworker/std/lifecycle/launch";
import { reportInstall } from "@serviceworker/std/lifecycle/report-install";
import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";
import { createBadge } from "@serviceworker/std/push/badge";
import { notificationClick } from "@serviceworker/std/push/notification-click";
import { notify } from "@serviceworker/std/push/notify";
import { renew } from "@serviceworker/std/push/subscribe";
import { respond } from "@serviceworker/std/channel/respond";
import { openStore } from "@serviceworker/std/storage/open-store";
import { handleSync } from "@serviceworker/std/sync/background-sync";
import { createPeriodicSync } from "@serviceworker/std/sync/periodic-sync";
import { COMMENTS_TAG, openOutbox } from "./comments.ts";
import { DOWNLOADS_TAG, openDownloads, toDownload } from "./downloads.ts";
import { reportTo } from "./news.ts";
import type { Podcast, Questions, Release, TabData } from "./protocol.ts";
import {
  createRoutes,
  openContent,
  refreshEpisodes,
} from "./worker/answers.ts";
import { createChores } from "./worker/chores.ts";
import { createLog } from "./worker/log.ts";
import { type Moment, watch } from "./worker/watch.ts";

/** TypeScript does not know these. */
type BackgroundFetchClick = ExtendableEvent & {
  readonly registration: { readonly id: string };
};
type PushSubscriptionChange = ExtendableEvent & {
  readonly oldSubscription?: PushSubscription | null;
};

declare const self: ServiceWorkerGlobalScope & typeof globalThis;
// Put in by the build.
declare const RELEASE: Release;
declare const MANIFEST: PrecacheManifest;

/** What a page that is opened or shown accepts; Chromium waits longer by itself. */
const REFRESH_INTERVAL = 3_600_000;

/** Those that are counted. */
const EVENTS = [
  "install",
  "activate",
  "fetch",
  "message",
  "sync",
  "periodicsync",
  "push",
  "notificationclick",
  "backgroundfetchsuccess",
  "backgroundfetchfail",
  "backgroundfetchabort",
];

/** What the pages of this version are made of. */
const files = precache(self, MANIFEST, {
  name: "longwave-shell",
  ignoreSearch: true,
});
const store = openStore("longwave");
const content = openContent(store);
const log = createLog();
const routes = createRoutes(files, MANIFEST.entries, content, log);
const outbox = openOutbox(store);
const periodic = createPeriodicSync(store, async ({ signal }) => {
  tell("refreshed", await refreshEpisodes(content, signal));
}, { tag: "episodes", minInterval: REFRESH_INTERVAL });
const badge = createBadge(navigator, store);
const chores = createChores(store, () => content.expire());
const downloads = openDownloads(self, store);
const podcast = accept<Podcast>(
  self.clients,
  log.handlers<AcceptHandlers<Podcast>>({
    changed: (id) => void tell("changed", id),
    async refresh() {
      const how = await periodic.register(self.registration);
      // Without the server, the list stays as it is until the next time.
      await periodic.catchUp().catch(() => {});
      await chores.run();
      return { at: await periodic.lastRun(), alone: how === "registered" };
    },
    refreshNow,
    async listPlaying() {
      const tabs = await getClientData(self.clients, store);
      return tabs.map(({ data }) => (data as TabData | undefined)?.playing)
        .filter((playing) => playing !== undefined);
    },
    watch: (_input, { client, signal }) =>
      watch(() => look(client?.id), signal),
  }),
);

/** Tells every page. */
function tell<K extends AcceptEventName<Podcast>>(
  type: K,
  data: Podcast[K],
): Promise<void> {
  log.count();
  return podcast.post(type, data);
}

async function refreshNow(): Promise<void> {
  await tell("refreshed", await refreshEpisodes(content));
}

/** What this worker is doing. */
async function look(asking: string | undefined): Promise<Moment> {
  const tabs = await getClientData(self.clients, store, {
    includeUncontrolled: true,
  });
  const last = await periodic.lastRun();
  return {
    ...log.read(),
    version: RELEASE.version,
    state: ownWorker(self, { event: new Event("message") }).worker?.state,
    badge: await badge.get(),
    tabs: tabs.map(({ client: { id }, data }) => ({
      id,
      data: data as TabData | undefined,
      own: id === asking,
    })),
    outbox: await outbox.list(),
    downloads: (await downloads.list()).map(toDownload),
    schedules: [
      {
        name: "Refresh the list",
        last,
        next: last === undefined ? undefined : last + REFRESH_INTERVAL,
      },
      ...await chores.list(),
    ],
  };
}

/** To bring the listener to an episode, any page will not do. */
const EPISODES_ONLY = {
  registration: self.registration,
  clients: {
    openWindow: (url: string) => self.clients.openWindow(url),
    async matchAll(options: ClientQueryOptions & { type: "window" }) {
      const all = await self.clients.matchAll(options);
      return all.filter(({ url }) => new URL(url).pathname === "/");
    },
  },
};

log.listen(self, EVENTS);
self.addEventListener("message", podcast);
self.addEventListener("message", downloads.wake);
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
  handleSync(sync, downloads.run, { tag: DOWNLOADS_TAG });
});
self.addEventListener("periodicsync", periodic as unknown as EventListener);
self.addEventListener(
  "push",
  notify(self.registration, {
    fallback: { title: "Longwave", body: "There is something new" },
  }),
);
self.addEventListener("push", (event) => {
  event.waitUntil(badge.add());
  // Without the server, the page asks for the list when it is opened.
  event.waitUntil(refreshNow().catch(() => {}));
});
self.addEventListener(
  "notificationclick",
  notificationClick(self, {
    store,
    async open(url) {
      const { client, consumed } = await launch(EPISODES_ONLY, url);
      return consumed || client?.url === url;
    },
  }),
);
for (const end of ["success", "fail", "abort"]) {
  self.addEventListener(`backgroundfetch${end}`, (event) => {
    (event as ExtendableEvent).waitUntil(downloads.settle(event));
  });
}
self.addEventListener("backgroundfetchclick", (event) => {
  const click = event as BackgroundFetchClick;
  const url = `/?episode=${click.registration.id}`;
  click.waitUntil(launch(EPISODES_ONLY, url));
});
self.addEventListener("pushsubscriptionchange", (event) => {
  const send = () => outbox.flush();
  const change = event as unknown as PushSubscriptionChange;
  const options = { ...reportTo(outbox, store, send), event: change };
  change.waitUntil(renew(self.registration, options));
});
self.addEventListener("install", (event) => {
  const install = () =>
    Promise.all([files.install(), refreshEpisodes(content)]);
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
