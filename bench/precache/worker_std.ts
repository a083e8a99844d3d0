// Copyright 2026 the @serviceworker/std authors. MIT license.

import { precache } from "@serviceworker/std/fetch/precache";
import { activate } from "@serviceworker/std/lifecycle/activate";
import { manifestOf, readBuild } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;

const build = readBuild();
const required = build.set.count * build.required / 100;
const files = precache(self, {
  version: `${build.changed}%`,
  entries: manifestOf(build).map((file, index) => ({
    ...file,
    required: index < required,
  })),
}, { name: "std" });

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(files.install());
});
self.addEventListener("activate", (event) => {
  event.waitUntil(activate(self, files));
});
// In an app it is a request that has the rest stored.
self.addEventListener("message", (event) => {
  const store = async () => {
    const { failed } = await files.rest();
    event.ports[0]?.postMessage(failed.length);
  };
  event.waitUntil(store());
});
