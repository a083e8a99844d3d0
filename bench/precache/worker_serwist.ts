// Copyright 2026 the @serviceworker/std authors. MIT license.

import { Serwist } from "npm:serwist@9.5.12";
import { manifestOf, readBuild } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

const serwist = new Serwist({ precacheEntries: manifestOf(readBuild()) });

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(serwist.handleInstall(event));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(serwist.handleActivate(event));
});
