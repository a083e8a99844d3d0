// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A page of a site that has one to show when there is no network.
 *
 * @module
 */

import { register } from "@serviceworker/std/lifecycle/register";

// Where there is none, as in private windows of some browsers, the site goes on.
await register(navigator.serviceWorker, "/sw.js").catch(console.warn);
