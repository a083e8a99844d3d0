// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Test a service worker without a browser. For tests only: the root of the
 * collection does not export it.
 *
 * @module
 */

export * from "./cache_storage.ts";
export * from "./host.ts";
export * from "./stop_at_each_step.ts";
