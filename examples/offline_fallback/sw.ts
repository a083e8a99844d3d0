// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The worker of a site that has one page to show when there is no network.
 *
 * @module
 */

import { precache } from "@serviceworker/std/fetch/precache";
import { createRouter } from "@serviceworker/std/fetch/router";
import { networkOnly } from "@serviceworker/std/fetch/strategies";
import { activate } from "@serviceworker/std/lifecycle/activate";

declare const self: ServiceWorkerGlobalScope;

const PAGE = "/offline.html";
const files = precache(self, {
  version: "1",
  entries: [{ url: PAGE, revision: "1" }],
}, { name: "offline" });

self.addEventListener("install", (event) => event.waitUntil(files.install()));
self.addEventListener("activate", (event) => {
  event.waitUntil(activate(self, { ...files, navigationPreload: true }));
});
self.addEventListener(
  "fetch",
  createRouter([{
    mode: "navigate",
    handler: (event: FetchEvent) => networkOnly(event, { fallback: PAGE }),
  }]),
);
