// Copyright 2026 the @serviceworker/std authors. MIT license.

import { activate } from "../../lifecycle/activate.ts";
import "./worker_deleting.ts";

declare const self: ServiceWorkerGlobalScope;

// Loaded, and never called: what the length of a script costs.
if (self.location.hash) {
  void activate(self, { name: "bench", version: "1" });
}
