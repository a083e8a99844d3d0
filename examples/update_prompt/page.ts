// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A page that offers each new version of its worker, once, and moves to it with
 * all other tabs when the user wants to.
 *
 * @module
 */

import { applyUpdate } from "@serviceworker/std/lifecycle/apply-update";
import { register } from "@serviceworker/std/lifecycle/register";
import { reloadOnUpdate } from "@serviceworker/std/lifecycle/reload-on-update";
import { watchUpdates } from "@serviceworker/std/lifecycle/watch-updates";

reloadOnUpdate(navigator.serviceWorker);
register(navigator.serviceWorker, "/sw.js").then(offerUpdates, console.warn);

async function offerUpdates(registration: ServiceWorkerRegistration) {
  const button = document.createElement("button");
  button.textContent = "A new version is here: update";
  button.onclick = () =>
    applyUpdate(registration).catch((error) => alert(error.message));
  for await (const { state } of watchUpdates(registration)) {
    if (state === "waiting") document.body.prepend(button);
  }
}
