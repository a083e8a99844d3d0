// Copyright 2026 the @serviceworker/std authors. MIT license.

import { PrecacheController } from "npm:workbox-precaching@7.4.1";
import { manifestOf, readBuild } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

const controller = new PrecacheController();
controller.addToCacheList(manifestOf(readBuild()));

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(controller.install(event));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(controller.activate(event));
});
