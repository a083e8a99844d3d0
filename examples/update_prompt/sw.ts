// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The worker of a page that offers updates: it waits until it is told not to.
 *
 * @module
 */

import { skipWaiting } from "@serviceworker/std/lifecycle/skip-waiting";

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("message", skipWaiting(self));
