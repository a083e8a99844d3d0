// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The worker of an app whose comments are not lost: what a page posts waits in
 * an outbox until the server has it.
 *
 * @module
 */

import { openStore } from "@serviceworker/std/storage/open-store";
import {
  backgroundSync,
  handleSync,
} from "@serviceworker/std/sync/background-sync";
import { createOutbox } from "@serviceworker/std/sync/outbox";

declare const self: ServiceWorkerGlobalScope;

const outbox = createOutbox(openStore("comments"));
const sync = backgroundSync(self.registration, outbox.flush);

self.addEventListener("sync", (event) => handleSync(event, outbox.flush));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "POST") return;
  event.respondWith((async () => {
    await outbox.add(request);
    await sync.request();
    return new Response(null, { status: 202 });
  })());
});
